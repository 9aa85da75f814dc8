"""The rule `alias`: names of one thing are joined, and rows that say the same are one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from synthkd.errors import RecipeError, nearest
from synthkd.filters.corpus_level import LastFilter
from synthkd.keys import content_hash, fraction
from synthkd.kinds.base import Kind
from synthkd.options import BaseOptions
from synthkd.storage import TemporaryFolder
from synthkd.text.aliases import JoinedNames, join_names, near_brackets

if TYPE_CHECKING:
    import pyarrow as pa

_ENDS = ("head", "tail")
#: Column of the documents of kinds that have one.
_DOCUMENT = "document_id"
#: Joins that report and card list.
_LISTED = 50


#: Files that rows wait in, by the hash of their group: a file is decided at a time.
_BUCKETS = 64


@dataclass
class _Group:
    """The rows of a document: number, values by column, recurrence, id; and its brackets."""

    rows: list[tuple[int, dict[str, str], int, str]] = field(default_factory=list)
    brackets: list[str] = field(default_factory=list)


class _WaitingRows:
    """Rows in files, each group of them in one file."""

    def __init__(self) -> None:
        self._folder = TemporaryFolder()
        folder = Path(self._folder.name)
        self._files: list[IO[str]] = [
            (folder / f"{bucket:02d}").open("w+", encoding="utf-8", errors="surrogatepass")
            for bucket in range(_BUCKETS)
        ]
        self.count = 0

    def add(
        self, group: str, row: Mapping[str, str], recurrence: int, identity: str, near: str
    ) -> None:
        """Take in a row, and what stands around the brackets of its document."""
        record = [self.count, group, row, recurrence, identity, near]
        bucket = int(fraction(f"alias:{group}") * _BUCKETS)
        self._files[bucket].write(json.dumps(record, ensure_ascii=False) + "\n")
        self.count += 1

    def groups(self) -> Iterator[tuple[str, _Group]]:
        """Yield the groups of one file after another, then remove the files."""
        for file in self._files:
            file.seek(0)
            groups: dict[str, _Group] = {}
            for line in file:
                number, group, row, recurrence, identity, near = json.loads(line)
                of_group = groups.setdefault(group, _Group())
                of_group.rows.append((number, row, recurrence, identity))
                if near and near not in of_group.brackets[-4:]:
                    of_group.brackets.append(near)
            file.close()
            yield from sorted(groups.items())
        self._folder.cleanup()


class AliasRule(LastFilter):
    """Join names of one thing inside a document; a row that then repeats another is rejected.

    The most frequent name becomes canonical. Of kinds with the details `head_name` and `tail_name`,
    such as `fact`, these hold the canonical names. Every join is in report and card. Decided last,
    over all that was accepted.
    """

    name: ClassVar[str] = "alias"

    class Options(BaseOptions):
        columns: tuple[str, ...] = Field(_ENDS, description="Columns of names.")
        within: str | None = Field(
            None,
            description="Column inside whose values names are joined; `corpus` joins over all rows."
            " Default: `document_id` of kinds that have it, otherwise `corpus`.",
        )
        ways: tuple[Literal["forms", "initials", "names"], ...] = Field(
            ("forms", "initials"),
            description="`forms`: case, accents, hyphens and plural; `initials`: `NLP` for `natural"
            " language processing`; `names`: `Curie` for `Marie Curie`, which is wrong for places"
            " now and then.",
        )
        source: str = Field(
            "source",
            description="Column of the text whose brackets explain short forms, if rows have it.",
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiting: _WaitingRows | None = None
        self._joins: list[tuple[str, str, str, str]] = []
        self._ways: Counter[str] = Counter()
        self._changes: dict[int, dict[str, Any]] = {}
        self._repeats = 0

    def columns(self, kind: Kind) -> list[str]:
        known = [*kind.columns, *kind.details]
        own = list(self.options.columns)
        within = self._within(kind)
        for name in [*own, *([within] if within else [])]:
            if name not in known:
                raise RecipeError(
                    f"rule 'alias': rows of the kind {kind.name!r} have no column"
                    f" {name!r}{nearest(name, known)}"
                )
        source = [self.options.source] if self.options.source in known else []
        return list(
            dict.fromkeys(
                [*kind.columns, *own, *([within] if within else []), *source, "id", "recurrence"]
            )
        )

    def _within(self, kind: Kind) -> str | None:
        given = self.options.within
        if given is None:
            return _DOCUMENT if _DOCUMENT in (*kind.columns, *kind.details) else None
        return None if given == "corpus" else given

    def take(self, batch: pa.RecordBatch, kind: Kind) -> None:
        within = self._within(kind)
        if self._waiting is None:
            self._waiting = _WaitingRows()
        for row in batch.to_pylist():
            group = str(row[within] or "") if within else ""
            columns = dict.fromkeys((*kind.columns, *self.options.columns))
            content = {column: str(row[column] or "") for column in columns}
            near = near_brackets(str(row.get(self.options.source) or ""))
            self._waiting.add(group, content, int(row["recurrence"] or 1), row["id"], near)

    def settle(self, kind: Kind) -> Iterable[tuple[int, str]]:
        waiting, self._waiting = self._waiting, None
        self._joins, self._ways, self._changes = [], Counter(), {}
        rejected: list[tuple[int, str]] = []
        for name, group in waiting.groups() if waiting else ():
            joined = self._join(group)
            canonical = {other: one.canonical for one in joined for other in one.names}
            rejected += self._decide(group, canonical, kind)
            joins = [(name, one.canonical, *pair) for one in joined for pair in one.names.items()]
            self._ways.update(way for *_, way in joins)
            self._joins = sorted([*self._joins, *joins])[:_LISTED]
        self._repeats = len(rejected)
        return rejected

    def _join(self, group: _Group) -> list[JoinedNames]:
        names = Counter(
            name
            for _, row, _, _ in group.rows
            for column in self.options.columns
            if (name := row[column]).strip()
        )
        return join_names(names, self.options.ways, " ".join(group.brackets))

    def _decide(
        self, group: _Group, canonical: Mapping[str, str], kind: Kind
    ) -> Iterator[tuple[int, str]]:
        """Yield the rows that repeat another under canonical names; note the names of the others.

        The row with the fewest other names stays, of equal ones the one that came most often.
        """
        columns = self.options.columns
        best: dict[str, tuple[tuple[int, int, str], int, Mapping[str, str]]] = {}
        keys: list[str] = []
        for number, row, recurrence, identity in group.rows:
            new = {column: canonical.get(row[column], row[column]) for column in columns}
            renamed = {column: name for column, name in new.items() if name != row[column]}
            details = {f"{column}_name": name for column, name in renamed.items()}
            if details := {key: name for key, name in details.items() if key in kind.details}:
                self._changes[number] = details
            keys.append(content_hash(kind.normalize({**row, **new})))
            rank = (len(renamed), -recurrence, identity)
            if keys[-1] not in best or rank < best[keys[-1]][0]:
                best[keys[-1]] = (rank, number, row)
        for (number, row, _, _), key in zip(group.rows, keys, strict=True):
            _, kept, other = best[key]
            if number != kept:
                pairs = [f"{row[c]!r} is {other[c]!r}" for c in columns if row[c] != other[c]]
                yield number, f"{', '.join(pairs) or 'equal names'}: says the same as another row"

    def changes(self) -> Mapping[int, Mapping[str, Any]]:
        changes, self._changes = self._changes, {}
        return changes

    def findings(self) -> dict[str, Any]:
        """Return the joins: a sentence, and a table of the first of them."""
        count = self._ways.total()
        how = ", ".join(f"{joins:,} by {way}" for way, joins in sorted(self._ways.items()))
        title = ("within", "canonical", "name", "joined by")
        return {
            "joins": count,
            "by": dict(sorted(self._ways.items())),
            "repeats": self._repeats,
            "sentence": f"{count:,} names were joined to others"
            + (f" ({how})" if how else "")
            + f"; {self._repeats:,} rows that then said the same as another were rejected",
            "table": [title, *self._joins] if count else [],
        }
