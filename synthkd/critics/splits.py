"""Group labelled rows, and split them without near-duplicates across the split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.errors import CriticError, nearest
from synthkd.keys import fraction
from synthkd.kinds.base import Kind
from synthkd.text.near_duplicates import twins

Bools = np.ndarray[Any, np.dtype[np.bool_]]
_HELD = {
    "held_out",
    "held-out",
    "heldout",
    "held out",
    "holdout",
    "test",
    "testing",
    "dev",
    "validation",
    "valid",
    "val",
    "eval",
    "evaluation",
    "calibration",
}
_TRAIN = {"train", "training", ""}
#: Groups on both sides that an error names.
_NAMED = 3
#: Fewest labels on either side of the split.
FEWEST = 20


#: Instead of a column: each row is its own group.
UNGROUPED = "none"


def group_names(kind: Kind, rows: list[dict[str, Any]], column: str) -> list[str]:
    """Name the group of each row: the normal form of ``column``.

    With `UNGROUPED`, or in an empty cell, the row itself.
    """
    alone = [column == UNGROUPED or row.get(column) in (None, "") for row in rows]
    return [
        "\0".join(kind.normalize(row)) if one else kind.group(row, column)
        for row, one in zip(rows, alone, strict=True)
    ]


def assign_split(
    path: Path, rows: list[dict[str, Any]], groups: list[str], share: float, seed: int
) -> Bools:
    """Return which rows are held out: by their ``split`` column, or by a hash of the group.

    A share of 1 holds out all rows, 0 none, whatever the column says.
    """
    if share in (0, 1):
        return np.full(len(rows), share == 1)
    names = [_named(row.get("split")) for row in rows]
    if len(set(names)) > 1:
        if unknown := sorted(set(names) - _HELD - _TRAIN):
            hint = nearest(unknown[0], sorted((_HELD | _TRAIN) - {""}))
            raise CriticError(
                f"{path}: `split` is {unknown[0]!r}, neither training nor held out{hint}"
            )
        named = np.array([name in _HELD for name in names], dtype=bool)
        if named.any() and not named.all():
            return named
    return np.array([fraction(f"{seed}:{group}") < share for group in groups], dtype=bool)


def _named(split: Any) -> str:
    return str(split or "").strip().casefold()


def split_side(split: Any) -> bool | None:
    """Return whether a value of ``split`` means held out; None if it names no side."""
    name = _named(split)
    return True if name in _HELD else False if name and name in _TRAIN else None


def find_leaks(texts: list[str], held_out: Bools, kept: Bools) -> dict[int, int]:
    """Find training rows that are near-duplicates of a held-out row."""
    train, rest = np.flatnonzero(~held_out & kept), np.flatnonzero(held_out & kept)
    pairs = twins([texts[i] for i in train], [texts[j] for j in rest])
    return {int(train[i]): int(rest[j]) for i, j in pairs}


def check_split(
    path: Path, labels: Bools, held_out: Bools, groups: list[str], whole: bool = False
) -> None:
    """Refuse parts that are too small, have one verdict only, or share a group.

    ``whole``: one part holds all rows.
    """
    for name, part in (("training", ~held_out), ("held-out", held_out)):
        if whole and not part.any():
            continue
        if int(part.sum()) < FEWEST:
            raise CriticError(
                f"{path}: {int(part.sum())} {name} rows, {FEWEST} are needed at least; label more"
            )
        if labels[part].all() or not labels[part].any():
            raise CriticError(
                f"{path}: all verdicts of the {name} part are the same; label more or split anew"
            )
    both = {g for g, h in zip(groups, held_out, strict=True) if h} & {
        g for g, h in zip(groups, held_out, strict=True) if not h
    }
    if both:
        raise CriticError(f"{path}: {straddling_groups(sorted(both))}")


def straddling_groups(groups: list[str]) -> str:
    """Return the message about groups on both sides of a sheet's split."""
    count = "1 group is" if len(groups) == 1 else f"{len(groups):,} groups are"
    return (
        f"{count} on both sides of the split, such as {', '.join(map(repr, groups[:_NAMED]))},"
        " compared in the kind's normal form; the held-out figures would be too good: move the rows"
        " of each to one side, or drop the column `split`"
    )


#: Column of held-out rows: their bucket.
NOVELTY = "novelty"
#: Buckets of novelty, from the most seen to the newest.
SEEN_REST, SEEN_WORDS, NEW_WORDS = "the rest was seen", "its words were seen", "new words"
BUCKETS = (SEEN_REST, SEEN_WORDS, NEW_WORDS)
_WORD = re.compile(r"\w+")


def novelty(train: pa.Table, held_out: pa.Table, columns: Sequence[str], group: str) -> list[str]:
    """Assign a novelty bucket to each held-out row.

    ``the rest was seen``: a training row is equal in all columns but the ``group`` one (for
    triples: relation and tail with another head). ``its words were seen``: each word of these
    columns occurs in some training row. ``new words``: one does not.
    """
    rest = [name for name in columns if name != group] or list(columns)
    training_texts = list(_texts(train, rest))
    whole, words = set(training_texts), {word for text in training_texts for word in _words(text)}
    groups = []
    for text in _texts(held_out, rest):
        seen = all(word in words for word in _words(text))
        groups.append(SEEN_REST if text in whole else SEEN_WORDS if seen else NEW_WORDS)
    return groups


def _texts(rows: pa.Table, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for values in zip(*(rows.column(name).to_pylist() for name in columns), strict=True):
        yield tuple(" ".join(str(value).casefold().split()) for value in values)


def _words(text: Iterable[str]) -> list[str]:
    return [word for part in text for word in _WORD.findall(part)]
