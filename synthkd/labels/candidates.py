"""The pool of candidates that may be labelled: rows of a corpus, a run or a file.

A pool holds at most `LIMIT` rows: those with the smallest hashes of their ids. For more rows it is
a random sample: given the other rows, a row's inclusion probability is the smallest hash left out,
and ``scale`` is its inverse. Memory is bounded, and weights still stand for all rows.
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
from synthkd.rows import CellError, cell_text, describe_cell, read_rows, text_cell
from synthkd.storage import read_json

LIMIT = 50_000
#: Subsets of a corpus or run; `critic` has the rows that reached the critic.
WHICH = ("critic", "accepted", "rejected", "all")
#: Numbers of a candidate that critics use as features.
NUMBERS = ("logprob", "tokens", "recurrence")
#: Features that compare a candidate with others of the same input; `critics.siblings` computes
#: them.
SIBLINGS = (
    "sibling_rank", "sibling_lead", "sibling_likeness", "sibling_likest", "sibling_weighted",
    "sibling_harmony",
)  # fmt: skip
#: Columns with the text that a candidate was made from.
SOURCES = ("source", "context", "document", "passage", "premise", "question", "input_text")


@dataclass(frozen=True)
class CandidatePool:
    """Rows that may be labelled, each with a distinct ``id``.

    Attributes:
        columns: The kind's columns.
        scale: Rows of the whole data for each row of the pool.
        threshold: The critic's threshold, if there is one.
        stratum: Column over which labels are spread.
        positions: Id -> position in ``rows``.
    """

    rows: list[dict[str, Any]]
    columns: tuple[str, ...]
    scale: float = 1.0
    threshold: float | None = None
    stratum: str | None = None
    positions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.positions.update({row["id"]: i for i, row in enumerate(self.rows)})

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
        """Scores of the rows; None if no row has one, or if some were rejected before scoring."""
        values = [row.get("score") for row in self.rows]
        missing = [row for row, value in zip(self.rows, values, strict=True) if value in (None, "")]
        if len(missing) == len(values) or (
            missing and all(row.get("rejected_by") for row in missing)
        ):
            return None
        return np.array([_score(row, value) for row, value in zip(self.rows, values, strict=True)])

    @property
    def sheet_columns(self) -> list[str]:
        """Columns for a label sheet: the kind's, numbers, sources and the score."""
        optional = (*NUMBERS, *SIBLINGS, *SOURCES, "score")
        return [
            *self.columns,
            *(name for name in optional if name in self.rows[0] and name not in self.columns),
        ]


def read_candidates(
    path: Path, kind: Kind, which: str = "critic", stratum: str | None = None, limit: int = LIMIT
) -> CandidatePool:
    """Read a corpus folder, a run's folder, or a Parquet, CSV or JSONL file.

    Args:
        path: The folder or file.
        kind: The rows' kind.
        which: `critic` (accepted rows, and rows that the critic rejected), `accepted`, `rejected`,
            `all`.
        stratum: Column over which labels are spread; default: `relation`, if there is one.
        limit: Maximum number of rows.

    Returns:
        The pool; rows of equal ids are one row.
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
        raise InputError(
            f"{path}: no column {stratum!r} to spread over{nearest(stratum, list(kept[0]))}"
        )
    return CandidatePool(kept, tuple(kind.columns), 1 / left_out, _threshold(path), stratum)


def kind_name(path: Path) -> str | None:
    """Return the kind that a corpus's manifest or the first row names; None if there is none."""
    if (path / "manifest.json").is_file():
        kind = _part(path / "manifest.json", "kind")
        if not isinstance(kind.get("name"), str):
            raise StorageError(f"{path / 'manifest.json'}: it names no kind; it was cut or altered")
        return str(kind["name"])
    rows: list[dict[str, Any]] = next(iter(read_rows(_files(path)[0], batch=1)), [{}])
    name = rows[0].get("kind")
    return None if name is None else str(name)


def candidate_sentence(kind: Kind, row: dict[str, Any]) -> str:
    """Return the candidate as a sentence; its columns if the kind cannot verbalize the row."""
    if row.get("text"):
        return str(row["text"])
    try:
        return kind.verbalize(row)
    except KindError:
        return " | ".join(str(row[column]) for column in kind.columns)


def sheet_text(value: Any) -> str:
    """Return a cell as text: "" for a missing value, JSON for a list or an object."""
    try:
        return cell_text(value) or ""
    except CellError:
        return json.dumps(value, ensure_ascii=False, default=describe_cell)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    for pattern in ("data/*-*.parquet", "filtered/part-*.parquet", "*.parquet"):
        if files := sorted(path.glob(pattern)):
            return files
    raise InputError(f"{path}: neither a corpus, nor a run's folder, nor a folder of Parquet files")


def _candidates(path: Path, kind: Kind, which: str) -> Iterator[dict[str, Any]]:
    for file in _files(path):
        number = 0
        for rows in read_rows(file):
            for column in kind.columns:
                if not number and column not in rows[0]:
                    raise InputError(
                        f"{file}: no column {column!r}{nearest(column, list(rows[0]))}"
                    )
            for row in rows:
                number += 1
                place = f"{file} row {number:,}"
                if missing := next((column for column in kind.columns if column not in row), None):
                    raise InputError(f"{place}: no column {missing!r}{nearest(missing, list(row))}")
                if not _is_included(row, which):
                    continue
                needed = (column for column in kind.columns if column not in kind.nullable)
                if empty := next((column for column in needed if row[column] is None), None):
                    # A malformed completion has no content; in other tables the cell was forgotten.
                    if "rejected_by" in row:
                        continue
                    raise InputError(f"{place}: {empty!r} is empty; give it, or leave the row out")
                for column in (*kind.columns, *(("text",) if "text" in row else ())):
                    cell = text_cell(row[column], place, column)
                    row[column] = "" if cell is None and column in kind.nullable else cell
                row["id"] = text_cell(row.get("id"), place, "id") or _identity(file, kind, row)
                yield row


def _identity(file: Path, kind: Kind, row: dict[str, Any]) -> str:
    try:
        return kind.identity(row)
    except (AttributeError, TypeError, ValueError):
        odd = next((n for n in kind.columns if not isinstance(row[n], str)), kind.columns[0])
        raise InputError(
            f"{file}: the column {odd!r} holds {row[odd]!r}, which is no text"
        ) from None


def _is_included(row: dict[str, Any], which: str) -> bool:
    rejected_by = row.get("rejected_by")
    return {
        "critic": rejected_by in (None, "critic"),
        "accepted": rejected_by is None,
        "rejected": rejected_by is not None,
        "all": True,
    }[which]


def _smallest(rows: Iterator[dict[str, Any]], limit: int) -> tuple[list[dict[str, Any]], float]:
    """Return the rows with the smallest hashes, by id, and the smallest hash left out (or 1)."""
    sample: dict[str, tuple[float, dict[str, Any]]] = {}
    bound = 1.0
    for row in rows:
        draw = fraction(f"pool:{row['id']}")
        if draw >= bound:
            continue
        _, twin = sample.get(row["id"], (draw, None))
        # An accepted row takes precedence over an equal rejected one, such as its duplicate.
        if twin is None or (twin.get("rejected_by") is not None and row.get("rejected_by") is None):
            sample[row["id"]] = (draw, row)
        if len(sample) >= 2 * limit:
            sample, bound = _prune(sample, limit, bound)
    sample, bound = _prune(sample, limit, bound)
    return [row for _, (_, row) in sorted(sample.items())], bound


def _prune(
    sample: dict[str, tuple[float, dict[str, Any]]], limit: int, bound: float
) -> tuple[dict[str, tuple[float, dict[str, Any]]], float]:
    if len(sample) <= limit:
        return sample, bound
    ordered = sorted(sample.items(), key=lambda item: item[1][0])
    return dict(ordered[:limit]), ordered[limit][1][0]


def _threshold(path: Path) -> float | None:
    for name in ("manifest.json", "filtered.json"):
        if (path / name).is_file():
            value = _part(path / name, "critic").get("threshold")
            return float(value) if isinstance(value, int | float) and np.isfinite(value) else None
    return None


def _part(path: Path, name: str) -> dict[str, Any]:
    """Return an object in a JSON file of a corpus or run; {} if there is none."""
    content = read_json(path)
    part = (content.get(name) or {}) if isinstance(content, dict) else None
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
    journal = recipe.get("journal") if isinstance(recipe, dict) else None
    return Path(journal).name if isinstance(journal, str) else None


def prompt_reader(path: Path) -> Callable[[dict[str, Any]], str | None]:
    """Return a function from a row to its prompt, or to None if no journal near ``path`` has it."""
    name = "journal.sqlite"
    if (path / "manifest.json").is_file():
        name = _journal_name(read_json(path / "manifest.json")) or name
    folder = path.resolve()
    journals = [at / name for at in [folder, *folder.parents][:4] if (at / name).is_file()]

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
