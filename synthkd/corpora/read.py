"""Read a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, overload

import pyarrow as pa
import pyarrow.compute as pc

from synthkd import plugins
from synthkd.corpora.addresses import fetched
from synthkd.corpora.rows import CandidateRows, cell_shown
from synthkd.corpora.snapshot import CorpusSnapshot
from synthkd.corpora.write import parquet_errors
from synthkd.errors import InputError, UserError
from synthkd.keys import file_hash
from synthkd.kinds.base import Kind
from synthkd.kinds.factory import kind_of_part
from synthkd.reporting.safe_text import clean
from synthkd.reporting.tables import html_table
from synthkd.rows.corpus_files import OUTCOME, PROVENANCE
from synthkd.storage import is_address

_SPLITS = ("accepted", "rejected")


class Decider(Protocol):
    """A critic that decides rows by their scores: `synthkd.Critic`."""

    def verdicts(
        self, rows: pa.Table, precision: float, confidence: float, each: str | None
    ) -> list[bool]:
        """Return whether each row is accepted at a target precision."""


@dataclass(frozen=True, repr=False)
class DecidedRows:
    """The rows of a corpus at another target precision, decided by the scores that they have.

    Attributes:
        accepted: The rows that are accepted.
        rejected: The rows that are not, those of rules and votes among them.
        precision: The target precision.
    """

    accepted: CandidateRows
    rejected: CandidateRows
    precision: float

    def __len__(self) -> int:
        return len(self.accepted)

    def __repr__(self) -> str:
        return (
            f"<DecidedRows at precision {self.precision:g}: {len(self.accepted):,} accepted,"
            f" {len(self.rejected):,} rejected>"
        )

    def _repr_html_(self) -> str:
        return self.accepted._repr_html_()


@dataclass(frozen=True, repr=False)
class Corpus:
    """A corpus on disk; rows are read when they are first used.

    It is a sequence of its accepted rows, each a dict; `rejected` are the others, each with its
    reason. Libraries that take a path take a corpus for its folder.

    Attributes:
        path: Its folder.
        load_critic: Loads the critic that decided its rows, for `at`; None if it is not known.

    Example:
        >>> import synthkd
        >>> corpus = synthkd.run("recipe.yaml", limit=20, quiet=True).corpus
        >>> corpus
        <Corpus ...: 60 accepted, 139 rejected>
        >>> corpus[0]["head"], len(corpus[:5])
        ('...', 5)
        >>> frame = corpus.to_pandas()
        >>> len(corpus.where("relation = 'IsA' and score > 0.5"))
        7
        >>> corpus.rejected.where(rejected_by="critic").select(["text", "reason"])
        <38 rejected rows: text, reason>
        >>> corpus.at(precision=0.8)
        <DecidedRows at precision 0.8: 70 accepted, 130 rejected>
    """

    path: Path
    load_critic: Callable[[], Decider] | None = field(default=None, compare=False)

    def __init__(
        self, path: str | PathLike[str], load_critic: Callable[[], Decider] | None = None
    ) -> None:
        object.__setattr__(self, "path", Path(path))
        object.__setattr__(self, "load_critic", load_critic)

    def __fspath__(self) -> str:
        return str(self.path)

    @cached_property
    def _snapshot(self) -> CorpusSnapshot:
        return CorpusSnapshot(self.path)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest: recipe, counts, hashes."""
        return self._snapshot.manifest

    @property
    def hash(self) -> str:
        """Content hash of the data files."""
        return str(self.manifest["corpus_hash"])

    def dataset(self, split: str = "accepted") -> Any:
        """Return the rows of a split's files as a pyarrow dataset, lazy and to be filtered.

        Accepted rows have their content, score and id; `batches` and `table` join them with their
        provenance. The dataset reads the files that existed when the corpus was opened, even if the
        corpus is replaced later.

        Args:
            split: ``accepted``, ``rejected``, or ``provenance`` of the accepted rows.

        Raises:
            StorageError: If a file is missing, damaged, or not of the manifest.
        """
        if split not in (*_SPLITS, PROVENANCE):
            raise InputError(
                f"no split {split!r} in a corpus; there are accepted, rejected and provenance"
            )
        return self._snapshot.dataset(split)

    def batches(
        self, split: str = "accepted", columns: Sequence[str] | None = None, size: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a split in batches, joined with their provenance, in flat memory.

        Args:
            split: ``accepted`` or ``rejected``.
            columns: Columns of content or provenance, in the wanted order; None for all.
            size: Rows of a batch at most.

        Raises:
            InputError: If there is no such split or column.
            StorageError: If a file is missing, damaged, or not of the manifest.
        """
        self._check_split(split)
        return self._snapshot.batches(split, columns, size)

    def table(
        self,
        split: str = "accepted",
        columns: Sequence[str] | None = None,
        provenance: bool = False,
    ) -> pa.Table:
        """Return all rows of a split as a pyarrow table.

        Args:
            split: ``accepted`` or ``rejected``.
            columns: Columns of content or provenance, in the wanted order. Default: those of the
                split's own files.
            provenance: Return all columns, the provenance included.
        """
        self._check_split(split)
        if columns is None and not provenance:
            with self._reading():
                return self.dataset(split).to_table()
        schema = self._snapshot.schema(split)
        batches = list(self.batches(split, columns))
        wanted = schema.names if columns is None else columns
        return pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in wanted]))

    def schema(self, split: str = "accepted") -> pa.Schema:
        """Return the columns of a split's rows with their provenance, content first."""
        self._check_split(split)
        return self._snapshot.schema(split)

    def column_names(self, split: str = "accepted") -> list[str]:
        """Return the names of all columns of a split's rows, content first."""
        self._check_split(split)
        return list(self._snapshot.schema(split).names)

    def _check_split(self, split: str) -> None:
        if split not in _SPLITS:
            raise InputError(f"no split {split!r} in a corpus; there are accepted and rejected")

    def head(self, rows: int, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of the first accepted rows, those of their provenance too."""
        first: list[dict[str, Any]] = []
        for batch in self.batches(columns=columns, size=max(rows, 1)):
            first += batch.slice(0, rows - len(first)).to_pylist()
            if len(first) == rows:
                break
        return first

    def _kind(self) -> Kind | type[Kind]:
        """Return the kind of the rows; its class if a file that its options name is not here."""
        try:
            return kind_of_part(self.manifest["recipe"]["kind"], self.path)
        except (UserError, OSError):
            kind: type[Kind] = plugins.find("kinds", self.manifest["kind"]["name"])
            return kind

    def _reading(self) -> AbstractContextManager[None]:
        return parquet_errors(self.path, "publish the corpus again")

    @cached_property
    def diversity(self) -> dict[str, Any]:
        """Diversity after each stage, from the manifest; computed for corpora without it."""
        from synthkd.corpora.diversity import corpus_diversity

        figures = self.manifest.get("diversity")
        return dict(figures) if figures else corpus_diversity(self.path, self._kind())

    @property
    def columns(self) -> list[str]:
        """The columns of its kind."""
        return list(self.manifest["kind"]["columns"])

    @cached_property
    def accepted(self) -> CandidateRows:
        """The rows that passed every step."""
        return self._rows("accepted")

    @cached_property
    def rejected(self) -> CandidateRows:
        """The rows that did not, each with the name of what rejected it and its reason."""
        return self._rows("rejected")

    @cached_property
    def candidates(self) -> CandidateRows:
        """Return all rows, the accepted ones first."""
        schema = self._snapshot.schema("accepted")

        def read(chosen: pc.Expression | None) -> pa.Table:
            splits = [self._whole(split, chosen).select(schema.names) for split in _SPLITS]
            return pa.concat_tables(splits)

        return CandidateRows(read, schema, self.columns, "candidate", self._reading)

    def _rows(self, split: str) -> CandidateRows:
        schema = self._snapshot.schema(split)
        return CandidateRows(
            lambda chosen: self._whole(split, chosen), schema, self.columns, split, self._reading
        )

    def _whole(self, split: str, chosen: pc.Expression | None) -> pa.Table:
        """Read the rows of a split that keep to a condition, with their provenance."""
        parts = [self._snapshot.schema(split).empty_table()]
        for batch in self.batches(split):
            table = pa.Table.from_batches([batch])
            parts.append(table if chosen is None else table.filter(chosen))
        return pa.concat_tables(parts)

    def where(self, text: str | None = None, /, **values: Any) -> CandidateRows:
        """Return the accepted rows that keep to a condition.

        Args:
            text: A condition as in SQL, such as ``relation = 'IsA' and score < 0.3``.
            values: Columns and the value that each must have; None for an empty cell.

        Raises:
            InputError: The condition cannot be read, or names an unknown column.
        """
        return self.accepted.where(text, **values)

    def sample(self, n: int = 10, seed: int = 0) -> CandidateRows:
        """Return some accepted rows, drawn by the hash of their ids."""
        return self.accepted.sample(n, seed)

    def borderline(self, n: int = 20) -> CandidateRows:
        """Return the rows whose scores are closest to the critic's threshold, on both sides.

        These are the rows to read, or to label, first.

        Args:
            n: Rows at most, accepted and rejected ones together.

        Raises:
            InputError: No critic decided the rows.
        """
        critic = self._critic_record()
        rows = self.candidates.where("score is not null").to_arrow()
        scores = rows["score"].to_pylist()
        each = critic.get("each")
        limits: dict[str, float] = critic.get("thresholds") or {}
        values = rows[each].to_pylist() if each else [None] * len(scores)
        pool = critic.get("pool_threshold")
        distances = [
            abs(score - limit)
            if (limit := limits.get(str(value), pool) if each else critic.get("threshold"))
            is not None
            else float("inf")
            for score, value in zip(scores, values, strict=True)
        ]
        ids = rows["id"].to_pylist()
        places = sorted(range(len(ids)), key=lambda place: (distances[place], ids[place]))[:n]
        known = [place for place in places if distances[place] != float("inf")]
        chosen = rows.take(pa.array(known, pa.int64()))
        return CandidateRows.of_table(chosen, self.columns, "borderline")

    def at(
        self, precision: float, confidence: float | None = None, critic: Decider | None = None
    ) -> DecidedRows:
        """Decide the rows again at another target precision, by the scores that they have.

        Nothing is asked, scored or written; `run` with the same precision writes such a corpus.

        Args:
            precision: Target precision, above 0 and below 1.
            confidence: Confidence with which it is kept; default: as in the recipe.
            critic: The critic that scored the rows, for a corpus that was opened by its path.

        Raises:
            InputError: No critic decided the rows, or it is not known, or a filter came after it.
            NotReachableError: The critic cannot keep the precision.
        """
        record = self._critic_record()
        decided_later = sorted(self._rejected_after_critic())
        if decided_later:
            raise InputError(
                f"at: the filter {decided_later[0]!r} decided after the critic, so scores do not"
                " tell what would be left; run the recipe again with the other precision (nothing"
                " is bought)"
            )
        if critic is None:
            if self.load_critic is None:
                raise InputError(
                    f"at: {clean(self.path)} does not say where its critic is; give it:"
                    " corpus.at(precision=…, critic=synthkd.Critic.load(FOLDER))"
                )
            critic = self.load_critic()
        fingerprint = getattr(getattr(critic, "trained", None), "fingerprint", None)
        if fingerprint not in (None, record["fingerprint"]):
            raise InputError("at: another critic scored these rows; load the one of the recipe")
        rows = self.candidates.to_arrow()
        places = pc.and_(
            pc.is_valid(rows["score"]),
            pc.or_kleene(pc.is_null(rows["rejected_by"]), pc.equal(rows["rejected_by"], "critic")),
        )
        by_critic = rows.filter(pc.fill_null(places, False))
        others = rows.filter(pc.invert(pc.fill_null(places, False)))
        verdicts = critic.verdicts(
            by_critic, precision, confidence or record["confidence"], record.get("each")
        )
        kept = pa.array(verdicts, pa.bool_())
        empty = pa.nulls(sum(verdicts), pa.string())
        accepted = _with(by_critic.filter(kept), rejected_by=empty, reason=empty)
        lost = by_critic.filter(pc.invert(kept))
        why = pa.array([f"below the threshold for precision {precision:g}"] * lost.num_rows)
        name = pa.array(["critic"] * lost.num_rows, pa.string())
        rejected = pa.concat_tables([_with(lost, rejected_by=name, reason=why), others])
        return DecidedRows(
            CandidateRows.of_table(accepted, self.columns, "accepted"),
            CandidateRows.of_table(rejected, self.columns, "rejected"),
            precision,
        )

    def _critic_record(self) -> dict[str, Any]:
        critic: dict[str, Any] | None = self.manifest.get("critic")
        if not critic:
            raise InputError(
                f"{clean(self.path)}: no critic decided these rows; run the recipe with `critic`"
            )
        return critic

    def _rejected_after_critic(self) -> set[str]:
        """Return the filters by which rows with a score were rejected, after the critic."""
        rows = self.rejected.where("score is not null")
        return {name for name in rows["rejected_by"].unique().to_pylist() if name != "critic"}

    def to_pandas(self) -> Any:
        """Return the accepted rows as a pandas DataFrame."""
        return self.accepted.to_pandas()

    def to_polars(self) -> Any:
        """Return the accepted rows as a polars DataFrame."""
        return self.accepted.to_polars()

    def to_arrow(self) -> pa.Table:
        """Return the accepted rows as a pyarrow table."""
        return self.accepted.to_arrow()

    def to_dataset(self) -> Any:
        """Return the accepted rows as a `datasets.Dataset`."""
        return self.accepted.to_dataset()

    def find(self, candidate: str) -> Iterator[dict[str, Any]]:
        """Yield the accepted and rejected rows whose id begins with ``candidate``, whole."""
        known = {row["id"]: row for row in self._with_id(PROVENANCE, candidate)}
        for row in self._with_id("accepted", candidate):
            yield {**dict.fromkeys(OUTCOME), **row, **known.get(row["id"], {})}
        yield from self._with_id("rejected", candidate)

    def _with_id(self, split: str, candidate: str) -> list[dict[str, Any]]:
        import pyarrow.dataset as ds

        field = ds.field("id")
        with self._reading():
            chosen = (field >= candidate) & (field < candidate + "~")
            rows: list[dict[str, Any]] = self.dataset(split).to_table(filter=chosen).to_pylist()
        return rows

    def verify(self) -> None:
        """Compare the hashes of all files with the manifest.

        Raises:
            InputError: With the first file that differs.
        """
        for name, expected in self.manifest["files"].items():
            path = self.path / name
            if not path.is_file() or file_hash(path) != expected:
                raise InputError(f"{path}: missing, cut or altered since the corpus was written")

    def __len__(self) -> int:
        return int(self.manifest["counts"]["accepted"])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.accepted)

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: slice) -> CandidateRows: ...
    @overload
    def __getitem__(self, key: str) -> pa.ChunkedArray: ...
    def __getitem__(self, key: int | slice | str) -> Any:
        """Return an accepted row by its place, some by a slice, or a column by its name."""
        return self.accepted[key]

    def __repr__(self) -> str:
        rejected = self.manifest["counts"]["candidates"] - len(self)
        return f"<Corpus {clean(self.path)}: {len(self):,} accepted, {rejected:,} rejected>"

    def _repr_html_(self) -> str:
        columns = [*self.manifest["kind"]["columns"], "score", "recurrence"]
        rows = [[cell_shown(row[name]) for name in columns] for row in self.head(8, columns)]
        return html_table([columns, *rows], caption=repr(self)[1:-1])

    def __reduce__(self) -> tuple[type[Corpus], tuple[Path]]:
        return Corpus, (self.path,)


def load_corpus(path: str | PathLike[str]) -> Corpus:
    """Open a corpus. Reads stay consistent even if its folder is replaced later.

    Args:
        path: The folder, or an address: ``hf://OWNER/NAME``, ``s3://BUCKET/FOLDER``, or any other
            that fsspec knows. Of an address, a checked copy in the cache of this machine is read.

    Raises:
        InputError: If there is no corpus.
        StorageError: If its manifest is damaged.

    Example:
        >>> import synthkd
        >>> result = synthkd.run("recipe.yaml", limit=20, quiet=True)
        >>> synthkd.load_corpus("corpora/everyday")
        <Corpus corpora/everyday: 60 accepted, 139 rejected>
    """
    corpus = Corpus(fetched(path) if isinstance(path, str) and is_address(path) else Path(path))
    _ = corpus.manifest
    return corpus


def _with(table: pa.Table, **columns: pa.Array) -> pa.Table:
    """Return a table with other values of some columns."""
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), values)
    return table
