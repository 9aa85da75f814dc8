"""Read a label sheet: rows of a kind with verdicts, divided into a training and a held-out part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.critics.splits import (
    UNGROUPED,
    Bools,
    assign_split,
    check_split,
    find_leaks,
    group_names,
    split_side,
    straddling_groups,
)
from synthkd.errors import CriticError, InputError, nearest
from synthkd.keys import fraction
from synthkd.kinds.base import Kind
from synthkd.labels.agreement import krippendorff_alpha
from synthkd.labels.candidates import SIBLINGS
from synthkd.labels.merge import METHODS
from synthkd.labels.merge import merge_verdicts as merged
from synthkd.labels.verdicts import ACCEPT, EMPTY, REJECT, SPELLINGS, UNSURE, verdict_of
from synthkd.rows import describe_cell, is_empty, read_rows, text_cell

#: Column of the text that rows were made from, which critics of kinds with it may read.
SOURCE = "source"
#: Number columns that critics read if the sheet has them.
NUMBERS = ("logprob", "tokens", "recurrence")
#: Distinct rows of a sheet that are kept.
MAX_ROWS = 200_000
Weights = np.ndarray[Any, np.dtype[np.float64]]
Key = tuple[str, ...]


@dataclass(frozen=True)
class LabelSheet:
    """Labelled rows and their split.

    Attributes:
        rows: The kind's columns and numbers, and the source of kinds that have one.
        labels: Whether each row is valid (n,).
        held_out: Whether each row is held out (n,).
        groups: Group of each row.
        conflicts: Rows left out since one annotator, or an unnamed one, labelled them both ways.
        repeated: Number of repeated rows of one annotator, which were joined.
        source: Name of the sheet.
        weights: Rows of the population that each row represents (inverse inclusion probability);
            None if all are alike. Held-out rows always have known weights.
        uniform: Whether each row is part of a simple random sample; None if the sheet does not say
            how rows were chosen.
        unsure: Number of rows left out as unsure, or with annotators in a tie.
        unlabelled: Number of rows without a verdict.
        unweighed: Number of rows left out since they have no known weight and share a group with
            held-out rows.
        leaks: Rows left out since they are near-duplicates of a held-out row.
        annotators: Names of the annotators.
        agreement: Krippendorff's alpha of the annotators.
        how: Options of `synthkd critic train` with which the sheet was read, to make the same split
            again.
        sampled_from: Rows of the sheet if these are a sample of them, else 0.
    """

    rows: pa.Table
    labels: Bools
    held_out: Bools
    groups: list[str]
    conflicts: list[str] = field(default_factory=list)
    repeated: int = 0
    source: str = ""
    weights: Weights | None = None
    uniform: Bools | None = None
    unsure: int = 0
    unlabelled: int = 0
    unweighed: int = 0
    leaks: list[str] = field(default_factory=list)
    annotators: list[str] = field(default_factory=list)
    agreement: float | None = None
    how: dict[str, Any] = field(default_factory=dict)
    sampled_from: int = 0

    def part(self, held_out: bool) -> tuple[pa.Table, Bools, list[str]]:
        """Return rows, labels and groups of one side of the split."""
        chosen = self.held_out == held_out
        groups = [group for group, here in zip(self.groups, chosen, strict=True) if here]
        return self.rows.filter(pa.array(chosen)), self.labels[chosen], groups

    def part_weights(self, held_out: bool) -> Weights | None:
        """Return the weights of one side of the split; None if all rows are alike."""
        return None if self.weights is None else self.weights[self.held_out == held_out]


@dataclass
class _Read:
    """Rows by their normal form, and the verdicts of each annotator."""

    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)
    votes: dict[Key, dict[str, str]] = field(default_factory=dict)
    verdicts: dict[tuple[Key, str], set[str]] = field(default_factory=dict)
    clashes: set[Key] = field(default_factory=set)
    sides: dict[Key, set[bool]] = field(default_factory=dict)
    repeated: int = 0
    unlabelled: int = 0
    rows_read: int = 0

    def forget(self, keys: Iterable[Key]) -> None:
        """Remove rows and their verdicts."""
        for key in keys:
            for who in self.votes.pop(key, {}):
                self.verdicts.pop((key, who), None)
            self.rows.pop(key, None)
            self.clashes.discard(key)
            self.sides.pop(key, None)


@dataclass
class _Sample:
    """A bound on the rows that are kept: those whose group, then row, have the smallest hashes.

    A row is forgotten for good when the bound falls below it, so that what is kept does not depend
    on the order of rows.
    """

    size: int
    seed: int
    bound: tuple[float, float] = (2.0, 0.0)
    draws: dict[Key, tuple[float, float]] = field(default_factory=dict)

    @property
    def was_full(self) -> bool:
        """True if a row was left out."""
        return self.bound < (2.0, 0.0)

    def takes(self, key: Key, group: str) -> bool:
        """Return whether a row belongs to the smallest so far."""
        row = "\0".join(key)
        draw = fraction(f"sample {self.seed}|{group}"), fraction(f"sample {self.seed}|{row}")
        if draw > self.bound:
            return False
        self.draws[key] = draw
        return True

    def forgotten(self, room: int) -> list[Key]:
        """Return the rows to forget where more than a number are kept, and lower the bound."""
        if len(self.draws) <= room:
            return []
        order = sorted(self.draws, key=self.draws.__getitem__)
        self.bound = self.draws[order[self.size - 1]]
        for key in order[self.size :]:
            del self.draws[key]
        return order[self.size :]


def verdict_column(kind: Kind) -> str:
    """Return the verdict column: ``label``, or ``verdict`` if the kind has a ``label``."""
    return "verdict" if "label" in kind.columns else "label"


def read_labels(
    path: str | Path,
    kind: Kind,
    *,
    label: str = "label",
    columns: dict[str, str] | None = None,
    held_out: float = 0.3,
    group: str | None = None,
    seed: int = 0,
    merge: str = "majority",
    max_rows: int = MAX_ROWS,
) -> LabelSheet:
    """Read and check a label sheet.

    The split is the sheet's own ``split`` column (train / held_out), or else a hash of the group,
    so that no group is on both sides and the order of rows never matters.

    Args:
        path: CSV, JSONL or Parquet file.
        kind: Kind of the rows.
        label: Column of the verdicts; `verdict` if a sheet of `synthkd label` has no such column or
            the kind has it.
        columns: Columns of the sheet, by the kind's column that each is renamed to.
        held_out: Share of groups to hold out. 1 holds out all rows, to evaluate or calibrate an
            existing critic; 0 none, to train on all.
        group: Column of the groups, compared in the kind's normal form; `none` makes each row its
            own group.
        seed: Seed of the split.
        merge: How several annotators are merged: ``majority`` or ``dawid-skene``.
        max_rows: Rows that are kept at most, each with all its verdicts. Of more, a seeded sample
            of groups by their hash is taken, so that memory does not grow with the sheet; all rows
            are read and checked.

    Raises:
        CriticError: The sheet cannot be read or is too small.
    """
    group = group or kind.group_column
    if merge not in METHODS:
        raise CriticError(
            f"unknown way to merge annotators {merge!r}{nearest(merge, list(METHODS))}"
        )
    if not 0 <= held_out <= 1:
        raise CriticError(
            f"the held-out share is {held_out:g}; it must lie between 0 and 1, such as 0.3"
        )
    if max_rows < 1:
        raise CriticError(f"max_rows counts from 1, not {max_rows}")
    path = Path(path)
    read, sample = _Read(), _Sample(max_rows, seed)
    _read(read, path, kind, label, columns or {}, group, sample)
    names = sorted({name for votes in read.votes.values() for name in votes})
    named = {"\0".join(key): votes for key, votes in read.votes.items() if key not in read.clashes}
    verdicts = (
        merged(named, merge)
        if len(names) > 1
        else {key: next(iter(v.values())) for key, v in named.items()}
    )
    rows = []
    for key, row in read.rows.items():
        verdict = verdicts.get("\0".join(key), UNSURE)
        if verdict != UNSURE:
            rows.append(row | {verdict_column(kind): verdict == ACCEPT})
    divided = sorted(
        {kind.group(read.rows[key]) for key, sides in read.sides.items() if len(sides) > 1}
    )
    if divided and 0 < held_out < 1:
        raise CriticError(f"{path}: {straddling_groups(divided)}")
    sheet = _sheet(path, kind, rows, group, held_out, seed)
    return LabelSheet(
        **sheet,
        conflicts=sorted(_words(kind, read.rows[key]) for key in read.clashes),
        repeated=read.repeated,
        source=path.name,
        unsure=sum(verdict == UNSURE for verdict in verdicts.values()),
        unlabelled=read.unlabelled,
        annotators=[name for name in names if name],
        agreement=krippendorff_alpha(named) if len(names) > 1 else None,
        how={
            "label": label,
            "held_out": held_out,
            "group": group,
            "seed": seed,
            "merge": merge,
            **({"max_rows": max_rows} if sample.was_full else {}),
        },
        sampled_from=read.rows_read if sample.was_full else 0,
    )


def _read(
    read: _Read,
    path: Path,
    kind: Kind,
    label: str,
    rename: dict[str, str],
    group: str,
    sample: _Sample,
) -> None:
    """Read and check all rows; keep those of the sample."""
    for number, raw in _numbered(path):
        place = f"{path} row {number}"
        row = {rename.get(name, name): value for name, value in raw.items()}
        if number == 1:
            _check_names(path, list(raw), list(row), rename, group)
        taken = label in kind.columns or label not in row
        column = "verdict" if label == "label" and taken and "verdict" in row else label
        if column in kind.columns:
            raise CriticError(
                f"{path}: {column!r} is a column of the kind {kind.name!r} and cannot hold the"
                " verdicts too; name theirs with --label (critic.label in a recipe), such as"
                " `verdict`"
            )
        _need(path if number == 1 else Path(place), row, [*kind.columns, column])
        verdict = verdict_of(row[column])
        if verdict == "" and column == "verdict":
            read.unlabelled += 1
            continue
        if not verdict:
            raise CriticError(
                f"{path} row {number}: {column!r} is {_short(row[column])}, which is no verdict;"
                f" write {SPELLINGS}"
            )
        for name in dict.fromkeys([*kind.columns, *([group] if group in row else [])]):
            row[name] = text_cell(row[name], place, name)
            if row[name] is None and name in kind.nullable:
                row[name] = ""
            if row[name] is None and name in kind.columns:
                raise CriticError(f"{place}: {name!r} is missing; give it, or leave the row out")
        if (blank := _blank(kind, row)) is not None:
            raise CriticError(f"{place}: {blank!r} is empty; give it, or leave the row out")
        row["weight"] = _weight(path, number, row.get("weight"))
        row |= {name: _number(path, number, name, row.get(name)) for name in _numbers(row)}
        key = _key(path, number, kind, row)
        read.rows_read = number
        if not sample.takes(key, group_names(kind, [row], group)[0]):
            continue
        read.forget(sample.forgotten(2 * sample.size))
        if key not in sample.draws:
            continue
        votes = read.votes.setdefault(key, {})
        who = text_cell(row.get("annotator"), place, "annotator") or ""
        read.rows.setdefault(key, row)
        if (side := split_side(row.get("split"))) is not None:
            read.sides.setdefault(key, set()).add(side)
        if who in votes:
            read.repeated += 1
        votes[who] = verdict
        ever = read.verdicts.setdefault((key, who), set())
        ever.add(verdict)
        if {ACCEPT, REJECT} <= ever:
            read.clashes.add(key)
    read.forget(sample.forgotten(sample.size))


def _check_names(
    path: Path, raw: list[str], names: list[str], rename: dict[str, str], group: str
) -> None:
    """Refuse renamed or grouping columns that the sheet does not have."""
    odd = next((name for name in rename if name not in raw), None)
    if odd is not None:
        raise CriticError(
            f"{path}: no column {odd!r} to rename{nearest(odd, raw)}; see critic.columns"
        )
    if group not in (UNGROUPED, *names):
        raise CriticError(f"{path}: no column {group!r} to group by{nearest(group, names)}")


def _blank(kind: Kind, row: dict[str, Any]) -> str | None:
    """Return an empty input column, or the last answer column if all answers are empty.

    None if there is neither, or if these may be empty, as in the row of a sentence without spans.
    """
    inputs = [name for name in kind.columns if name in kind.input_columns]
    empty = [name for name in inputs if not row[name].strip() and name not in kind.nullable]
    answers = [name for name in kind.columns if name not in inputs]
    if not (set(answers) <= kind.nullable or any(row[name].strip() for name in answers)):
        empty.append(answers[-1])
    return empty[0] if empty else None


def _is_blank(value: Any) -> bool:
    """Return True if a number's cell is empty, in the spelling of any tool."""
    return is_empty(value) or (isinstance(value, str) and value.strip().casefold() in EMPTY)


def _short(value: Any) -> str:
    """Return a cell as a message shows it."""
    if isinstance(value, str):
        return repr(value[:60]) if value.strip() else "empty"
    return (
        "empty"
        if is_empty(value)
        else str(value)[:60]
        if isinstance(value, int | float)
        else describe_cell(value)
    )


def _key(path: Path, number: int, kind: Kind, row: dict[str, Any]) -> Key:
    try:
        return kind.normalize(row)
    except (AttributeError, TypeError, ValueError):
        odd = next(
            (name for name in kind.columns if not isinstance(row[name], str)), kind.columns[0]
        )
        raise CriticError(
            f"{path} row {number}: {odd!r} is {row[odd]!r}, which is no text"
        ) from None


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


def _weight(path: Path, number: int, value: Any) -> float | None:
    """Return a weight; None for an empty cell: the row's inclusion probability is unknown."""
    if is_empty(value):
        return None
    try:
        weight = float(value)
    except (TypeError, ValueError, OverflowError):
        weight = float("nan")
    if not 0 < weight < float("inf"):
        raise CriticError(
            f"{path} row {number}: the weight is {value!r}; it must be a number above 0, or empty"
            " where unknown"
        )
    return weight


def _words(kind: Kind, row: dict[str, Any]) -> str:
    return " | ".join(str(row[column]) for column in kind.columns)


def _sheet(
    path: Path, kind: Kind, rows: list[dict[str, Any]], group: str, share: float, seed: int
) -> dict[str, Any]:
    """Return the fields of a `LabelSheet` with one value for each row, and what was left out."""
    labels = np.array([row[verdict_column(kind)] for row in rows], dtype=bool)
    if len(labels) and (labels.all() or not labels.any()):
        word = ACCEPT if labels[0] else REJECT
        raise CriticError(
            f"{path}: all {len(labels):,} verdicts are {word!r}; a critic needs rows of both"
        )
    groups = group_names(kind, rows, group)
    held_out = assign_split(path, rows, groups, share, seed)
    has_weight = np.array([row["weight"] is not None for row in rows], dtype=bool)
    # Rows chosen other than uniformly represent the population only by their weights.
    weighed = any(row["weight"] is not None or row.get("chosen") for row in rows)
    if weighed and share and not has_weight.any():
        raise CriticError(
            f"{path}: no row has a weight yet, so none can check a precision; `synthkd label` on"
            " the same rows and this sheet fills them in"
        )
    kept = np.ones(len(rows), dtype=bool)
    if weighed:
        taken = {name for name, one in zip(groups, held_out & has_weight, strict=True) if one}
        kept = has_weight | ~np.array([name in taken for name in groups], dtype=bool)
        held_out = held_out & has_weight
    texts = [_words(kind, row) for row in rows]
    twins = find_leaks(texts, held_out, kept)
    kept[list(twins)] = False
    rows = [row for row, one in zip(rows, kept, strict=True) if one]
    groups = [name for name, one in zip(groups, kept, strict=True) if one]
    labels, held_out, has_weight = labels[kept], held_out[kept], has_weight[kept]
    check_split(path, labels, held_out, groups, whole=share in (0, 1))
    return {
        "rows": _table(kind, rows),
        "labels": labels,
        "held_out": held_out,
        "groups": groups,
        "weights": _weights(rows),
        "uniform": _uniform(rows),
        "unweighed": int((~kept).sum()) - len(twins),
        "leaks": [f"{texts[i]} ~ {texts[j]}" for i, j in twins.items()],
    }


def _weights(rows: list[dict[str, Any]]) -> Weights | None:
    """Return the weights, 1 for an unknown one; None if all are alike."""
    values = np.array([row["weight"] or 1.0 for row in rows])
    alike = len({row["weight"] for row in rows}) < 2 or np.allclose(values, values[0], rtol=1e-6)
    return None if alike else values


def _uniform(rows: list[dict[str, Any]]) -> Bools | None:
    ways = [row.get("chosen") or "" for row in rows]
    return np.array([how == "uniform" for how in ways], dtype=bool) if any(ways) else None


def _table(kind: Kind, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table(
        {column: pa.array([str(row[column]) for row in rows]) for column in kind.columns}
        | {name: pa.array([str(row[name] or "") for row in rows]) for name in _sources(kind, rows)}
        | {
            name: pa.array([row.get(name) for row in rows], pa.float64())
            for name in _numbers(rows[0] if rows else {})
        }
    )


def _sources(kind: Kind, rows: list[dict[str, Any]]) -> list[str]:
    """Return the column of the text that rows were made from, if the kind and the rows have it."""
    return [SOURCE] if SOURCE in kind.details and rows and SOURCE in rows[0] else []


def _numbers(row: dict[str, Any]) -> list[str]:
    """Return the number columns: `NUMBERS`, and those of siblings if the sheet has them."""
    return [*NUMBERS, *(name for name in SIBLINGS if name in row)]


def _number(path: Path, number: int, name: str, value: Any) -> float | None:
    """Return a number; None for an empty cell or NaN, by which many tools write one."""
    if _is_blank(value):
        return None
    try:
        amount = float(value)
    except (TypeError, ValueError, OverflowError):
        raise CriticError(
            f"{path} row {number}: {name} is {str(value)[:40]!r}, which is no number"
        ) from None
    return amount if np.isfinite(amount) else None
