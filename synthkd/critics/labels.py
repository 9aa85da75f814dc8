"""Read a label sheet: rows of a kind with a verdict each, divided into a training and a held-out part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.errors import CriticError, InputError, nearest
from synthkd.keys import fraction
from synthkd.kinds.base import Kind
from synthkd.rows import read_rows

#: Numbers that a critic also looks at, where the sheet has them.
NUMBERS = ("logprob", "tokens", "recurrence")
_TRUE = {"true", "1", "1.0", "yes", "accept", "valid"}
_FALSE = {"false", "0", "0.0", "no", "reject", "invalid"}
_HELD = {"held_out", "held-out", "test", "dev", "validation", "val"}
#: Fewest labels on either side of the split.
FEWEST = 20


@dataclass(frozen=True)
class LabelSheet:
    """``rows`` (kind's columns and numbers), ``labels`` and ``held_out`` (bool), ``groups``: equal lengths.

    ``conflicts`` names the candidates that were labelled both ways; they are in neither part.
    """

    rows: pa.Table
    labels: np.ndarray[Any, np.dtype[np.bool_]]
    held_out: np.ndarray[Any, np.dtype[np.bool_]]
    groups: list[str]
    conflicts: list[str] = field(default_factory=list)
    repeated: int = 0
    source: str = ""

    def part(self, held_out: bool) -> tuple[pa.Table, np.ndarray[Any, np.dtype[np.bool_]], list[str]]:
        """Rows, labels and groups of one side of the split."""
        chosen = self.held_out == held_out
        groups = [group for group, here in zip(self.groups, chosen, strict=True) if here]
        return self.rows.filter(pa.array(chosen)), self.labels[chosen], groups


def read_labels(
    path: Path,
    kind: Kind,
    *,
    label: str = "label",
    columns: dict[str, str] | None = None,
    held_out: float = 0.3,
    group: str | None = None,
    seed: int = 0,
) -> LabelSheet:
    """Read and check a sheet. ``columns`` maps a column of the sheet to one of the kind.

    The split is the sheet's own ``split`` column (train / held_out), or else by a hash of the group's value,
    so that no group stands on both sides and the order of rows never matters.
    """
    rename = columns or {}
    group = group or kind.group_column
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    clashes: dict[tuple[str, ...], str] = {}
    repeated = 0
    for number, raw in _numbered(path):
        row = {rename.get(name, name): value for name, value in raw.items()}
        _need(path, row, [*kind.columns, label])
        row["label"] = _verdict(path, number, row[label])
        key = kind.normalize(row)
        before = found.setdefault(key, row)
        if before is not row:
            repeated += 1
            if before["label"] != row["label"]:
                clashes[key] = " | ".join(str(row[column]) for column in kind.columns)
    rows = [row for key, row in found.items() if key not in clashes]
    sheet = _sheet(path, kind, rows, group, held_out, seed)
    return LabelSheet(*sheet, conflicts=sorted(clashes.values()), repeated=repeated, source=path.name)


def _numbered(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for rows in read_rows(path):
        for row in rows:
            number += 1
            yield number, row
    if not number:
        raise InputError(f"{path}: no rows")


def _need(path: Path, row: dict[str, Any], names: list[str]) -> None:
    for name in names:
        if name not in row:
            raise CriticError(f"{path}: no column {name!r}{nearest(name, list(row))}")


def _verdict(path: Path, number: int, value: Any) -> bool:
    word = str(value).strip().casefold()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise CriticError(f"{path} row {number}: verdict {value!r} is neither true nor false")


def _sheet(
    path: Path, kind: Kind, rows: list[dict[str, Any]], group: str, share: float, seed: int
) -> tuple[pa.Table, Any, Any, list[str]]:
    if rows and group not in rows[0]:
        raise CriticError(f"{path}: no column {group!r} to group by{nearest(group, list(rows[0]))}")
    groups = [str(row[group]) for row in rows]
    labels = np.array([row["label"] for row in rows], dtype=bool)
    held = _split(rows, groups, share, seed)
    _check(path, labels, held, groups)
    table = pa.table(
        {column: pa.array([str(row[column]) for row in rows]) for column in kind.columns}
        | {name: pa.array([_number(row.get(name)) for row in rows], pa.float64()) for name in NUMBERS}
    )
    return table, labels, held, groups


def _split(rows: list[dict[str, Any]], groups: list[str], share: float, seed: int) -> Any:
    """The sheet's own split where it names both sides; a column that names one side divides nothing."""
    said = [str(row.get("split") or "").casefold() in _HELD for row in rows]
    if any(said) and not all(said):
        return np.array(said, dtype=bool)
    return np.array([fraction(f"{seed}:{group}") < share for group in groups], dtype=bool)


def _check(path: Path, labels: Any, held: Any, groups: list[str]) -> None:
    if len(labels) and (labels.all() or not labels.any()):
        raise CriticError(f"{path}: all verdicts are {bool(labels[0])}; a critic needs rows of both")
    for name, part in (("training", ~held), ("held-out", held)):
        if int(part.sum()) < FEWEST:
            raise CriticError(
                f"{path}: {int(part.sum())} {name} rows, {FEWEST} are needed at least; label more"
            )
        if labels[part].all() or not labels[part].any():
            raise CriticError(
                f"{path}: the {name} part has verdicts of one sort only; label more or split anew"
            )
    both = {g for g, h in zip(groups, held, strict=True) if h} & {
        g for g, h in zip(groups, held, strict=True) if not h
    }
    if both:
        raise CriticError(
            f"{path}: {len(both):,} groups stand on both sides of the split, such as {sorted(both)[0]!r};"
            " the held-out figures would be too good"
        )


def _number(value: Any) -> float | None:
    if value in (None, ""):
        return None
    number = float(value)
    return number if np.isfinite(number) else None
