"""Divide labelled rows into a training and a held-out part, and find what stands on both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synthkd.errors import CriticError, nearest
from synthkd.keys import fraction
from synthkd.labels.near import twins

Bools = np.ndarray[Any, np.dtype[np.bool_]]
_HELD = {"held_out", "held-out", "test", "dev", "validation", "val", "calibration"}
_TRAIN = {"train", "training", ""}
#: Groups on both sides that a refusal names.
_NAMED = 3
#: Fewest labels on either side of the split.
FEWEST = 20


def division(path: Path, rows: list[dict[str, Any]], groups: list[str], share: float, seed: int) -> Bools:
    """The rows' own ``split`` where it names both sides; one that names one side only divides nothing.

    A share of 1 holds all rows out, whatever they say.
    """
    if share == 1:
        return np.ones(len(rows), dtype=bool)
    names = [str(row.get("split") or "").strip().casefold() for row in rows]
    if len(set(names)) > 1:
        if unknown := sorted(set(names) - _HELD - _TRAIN):
            known = nearest(unknown[0], sorted((_HELD | _TRAIN) - {""}))
            raise CriticError(f"{path}: `split` says {unknown[0]!r}, neither training nor held out{known}")
        said = np.array([name in _HELD for name in names], dtype=bool)
        if said.any() and not said.all():
            return said
    return np.array([fraction(f"{seed}:{group}") < share for group in groups], dtype=bool)


def leaks(texts: list[str], held: Bools, kept: Bools) -> dict[int, int]:
    """Training rows that nearly repeat a held-out row, and which: they would make held-out figures too good."""
    train, rest = np.flatnonzero(~held & kept), np.flatnonzero(held & kept)
    found = twins([texts[i] for i in train], [texts[j] for j in rest])
    return {int(train[i]): int(rest[j]) for i, j in found}


def check(path: Path, labels: Bools, held: Bools, groups: list[str], whole: bool = False) -> None:
    """Refuse parts that are too small, have verdicts of one sort only, or share a group.

    ``whole``: there is to be no training part.
    """
    for name, part in (("training", ~held), ("held-out", held)):
        if name == "training" and whole:
            continue
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
            f"{path}: {len(both):,} groups stand on both sides of the split, such as"
            f" {', '.join(map(repr, sorted(both)[:_NAMED]))}; the held-out figures would be too good"
        )
