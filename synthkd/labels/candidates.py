"""The rows that may be labelled: of a corpus, a run, or a file.

A pool holds at most `LIMIT` rows, those with the smallest hashes of their ids. Of a larger whole it is a random
sample: given the other rows, a row is in it with the probability that is the smallest hash left out, and ``scale`` is
its inverse. So memory does not grow with the corpus, and weights still stand for all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.errors import InputError, KindError, StorageError, nearest
from synthkd.journal import Journal
from synthkd.keys import fraction
from synthkd.kinds.base import Kind
from synthkd.labels.sampling_design import Floats
from synthkd.rows.cells import CellError, cell_text, described, text_cell
from synthkd.rows.read import read_rows
from synthkd.storage.write import read_json

LIMIT = 50_000
#: Which rows of a corpus or run: those that a critic decides, or others.
WHICH = ("critic", "accepted", "rejected", "all")
#: What a critic also looks at; kept in the sheet where the rows have it.
NUMBERS = ("logprob", "tokens", "recurrence")
#: Where a candidate stands among those of the same input: `critics.siblings` makes them and says what they are.
SIBLINGS = (
    "sibling_rank", "sibling_lead", "sibling_likeness", "sibling_likest", "sibling_weighted", "sibling_harmony",
)  # fmt: skip
#: Columns in which rows keep what a candidate was made from.
SOURCES = ("source", "context", "document", "passage", "premise", "question", "input_text")


@dataclass(frozen=True)
class CandidatePool:
    """Rows with an ``id`` each, distinct; ``threshold`` is the critic's, where one is known."""

    rows: list[dict[str, Any]]
    columns: tuple[str, ...]
    scale: float = 1.0
    threshold: float | None = None
    stratum: str | None = None
    place: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.place.update({row["id"]: i for i, row in enumerate(self.rows)})

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows]

    @cached_property
    def texts(self) -> list[str]:
        return [" ".join(str(row[column]) for column in self.columns) for row in self.rows]

    @cached_property
    def strata(self) -> list[str] | None:
        return [str(row[self.stratum]) for row in self.rows] if self.stratum else None

    @cached_property
    def scores(self) -> Floats | None:
        """Scores of the rows; None where none has one, or where some were rejected before they were scored."""
        values = [row.get("score") for row in self.rows]
        missing = [row for row, value in zip(self.rows, values, strict=True) if value in (None, "")]
        if len(missing) == len(values) or (missing and all(row.get("rejected_by") for row in missing)):
            return None
        return np.array([_score(row, value) for row, value in zip(self.rows, values, strict=True)])

    @property
    def kept(self) -> list[str]:
        """Columns of the rows that a label sheet keeps: the kind's, the numbers, sources and the score."""
        have = self.rows[0]
        return [
            *self.columns,
            *(n for n in (*NUMBERS, *SIBLINGS, *SOURCES, "score") if n in have and n not in self.columns),
        ]


def read_candidates(
    path: Path, kind: Kind, which: str = "critic", stratum: str | None = None, limit: int = LIMIT
) -> CandidatePool:
    """Read a corpus folder, a run's folder, or a Parquet, CSV or JSONL file.

    ``which``: rows that reached the critic (accepted, or rejected by it), accepted, rejected, or all. Equal ids
    are one row. ``stratum`` is the column over which labels are spread; default: `relation` where there is one.
    """
    if which not in WHICH:
        raise InputError(f"no rows {which!r} to label{nearest(which, list(WHICH))}")
    kept, left_out = _smallest(_candidates(path, kind, which), limit)
    if not kept:
        raise InputError(
            f"{path}: no rows to label among {which!r}; --rows names others ({', '.join(WHICH)})"
        )
    stratum = stratum or ("relation" if "relation" in kept[0] else None)
    if stratum and stratum not in kept[0]:
        raise InputError(f"{path}: no column {stratum!r} to spread over{nearest(stratum, list(kept[0]))}")
    return CandidatePool(kept, tuple(kind.columns), 1 / left_out, _threshold(path), stratum)


def kind_name(path: Path) -> str | None:
    """The kind that a corpus's manifest or the rows of a run name."""
    if (path / "manifest.json").is_file():
        kind = _part(path / "manifest.json", "kind")
        if not isinstance(kind.get("name"), str):
            raise StorageError(f"{path / 'manifest.json'}: it names no kind; it was cut or altered")
        return str(kind["name"])
    rows: list[dict[str, Any]] = next(iter(read_rows(_files(path)[0], batch=1)), [{}])
    name = rows[0].get("kind")
    return None if name is None else str(name)


def candidate_sentence(kind: Kind, row: dict[str, Any]) -> str:
    """The candidate in words; its columns where the kind has none for it (an unknown relation)."""
    if row.get("text"):
        return str(row["text"])
    try:
        return kind.verbalize(row)
    except KindError:
        return " | ".join(str(row[column]) for column in kind.columns)


def sheet_text(value: Any) -> str:
    """A cell as a label sheet holds it: empty where there is none; a list or an object as JSON."""
    try:
        return cell_text(value) or ""
    except CellError:
        return json.dumps(value, ensure_ascii=False, default=described)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    for pattern in ("data/*-*.parquet", "judged/part-*.parquet", "*.parquet"):
        if files := sorted(path.glob(pattern)):
            return files
    raise InputError(f"{path}: neither a corpus, nor a run's folder, nor a folder of Parquet files")


def _candidates(path: Path, kind: Kind, which: str) -> Iterator[dict[str, Any]]:
    for file in _files(path):
        done = 0
        for rows in read_rows(file):
            for column in kind.columns:
                if not done and column not in rows[0]:
                    raise InputError(f"{file}: no column {column!r}{nearest(column, list(rows[0]))}")
            for row in rows:
                done += 1
                place = f"{file} row {done:,}"
                if missing := next((column for column in kind.columns if column not in row), None):
                    raise InputError(f"{place}: no column {missing!r}{nearest(missing, list(row))}")
                if not _wanted(row, which):
                    continue
                if empty := next((column for column in kind.columns if row[column] is None), None):
                    # What was malformed has no content; in a table of somebody's own, a cell was forgotten.
                    if "rejected_by" in row:
                        continue
                    raise InputError(f"{place}: {empty!r} is empty; give it, or leave the row out")
                for column in (*kind.columns, *(("text",) if "text" in row else ())):
                    row[column] = text_cell(row[column], place, column)
                row["id"] = text_cell(row.get("id"), place, "id") or _identity(file, kind, row)
                yield row


def _identity(file: Path, kind: Kind, row: dict[str, Any]) -> str:
    try:
        return kind.identity(row)
    except (AttributeError, TypeError, ValueError):
        odd = next((n for n in kind.columns if not isinstance(row[n], str)), kind.columns[0])
        raise InputError(f"{file}: the column {odd!r} holds {row[odd]!r}, which is no text") from None


def _wanted(row: dict[str, Any], which: str) -> bool:
    outcome = row.get("rejected_by")
    return {
        "critic": outcome in (None, "critic"),
        "accepted": outcome is None,
        "rejected": outcome is not None,
        "all": True,
    }[which]


def _smallest(rows: Iterator[dict[str, Any]], limit: int) -> tuple[list[dict[str, Any]], float]:
    """The rows with the smallest hashes, sorted by id; and the smallest hash that was left out (1 if none was)."""
    kept: dict[str, tuple[float, dict[str, Any]]] = {}
    bound = 1.0
    for row in rows:
        draw = fraction(f"pool:{row['id']}")
        if draw >= bound:
            continue
        known = kept.get(row["id"])
        # An accepted row stands for equal rows that were rejected, such as duplicates.
        if known is None or (known[1].get("rejected_by") is not None and row.get("rejected_by") is None):
            kept[row["id"]] = (draw, row)
        if len(kept) >= 2 * limit:
            kept, bound = _pruned(kept, limit, bound)
    kept, bound = _pruned(kept, limit, bound)
    return [row for _, (_, row) in sorted(kept.items())], bound


def _pruned(
    kept: dict[str, tuple[float, dict[str, Any]]], limit: int, bound: float
) -> tuple[dict[str, tuple[float, dict[str, Any]]], float]:
    if len(kept) <= limit:
        return kept, bound
    ordered = sorted(kept.items(), key=lambda item: item[1][0])
    return dict(ordered[:limit]), ordered[limit][1][0]


def _threshold(path: Path) -> float | None:
    for name in ("manifest.json", "judged.json"):
        if (path / name).is_file():
            found = _part(path / name, "critic").get("threshold")
            return float(found) if isinstance(found, int | float) and np.isfinite(found) else None
    return None


def _part(path: Path, name: str) -> dict[str, Any]:
    """An object in a JSON file of ours; empty where there is none."""
    found = read_json(path)
    part = (found.get(name) or {}) if isinstance(found, dict) else None
    if not isinstance(part, dict):
        raise StorageError(f"{path}: not of its form ({name!r}); it was cut or altered")
    return part


def _score(row: dict[str, Any], value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not np.isfinite(number):
        raise InputError(
            f"row {row['id']!r}: the score is {value!r}; each row needs a number, or none has one"
        )
    return number


def _journal_name(manifest: Any) -> str | None:
    recipe = manifest.get("recipe") if isinstance(manifest, dict) else None
    named = recipe.get("journal") if isinstance(recipe, dict) else None
    return Path(named).name if isinstance(named, str) else None


def prompt_reader(path: Path) -> Callable[[dict[str, Any]], str | None]:
    """A function from a row to its prompt; to ``None`` where no journal near ``path`` has it."""
    name = "journal.sqlite"
    if (path / "manifest.json").is_file():
        name = _journal_name(read_json(path / "manifest.json")) or name
    here = path.resolve()
    journals = [folder / name for folder in [here, *here.parents][:4] if (folder / name).is_file()]

    def prompt(row: dict[str, Any]) -> str | None:
        request = str(row.get("completion_key") or "").rpartition("-")[0]
        for file in journals if request else []:
            try:
                with Journal(file, read_only=True) as journal:
                    sent = journal.request(request)
            except StorageError:
                continue
            if sent:
                return "\n".join(f"{m['role']}: {m['content']}" for m in sent["messages"])
        return None

    return prompt
