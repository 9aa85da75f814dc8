"""Names of classes as training rows: `card_arrival` says what its texts are about."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from synthkd.students.base import LabelledTexts

_JOINTS = re.compile(r"[_\-./:]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def class_name_words(name: str) -> str:
    """Return the words of a name: `card_arrival` and `CardArrival` are "card arrival"."""
    return " ".join(_JOINTS.sub(" ", name).lower().split())


def add_class_name_rows(
    rows: LabelledTexts, classes: Sequence[str], weight: float
) -> LabelledTexts:
    """Append the name of each class as a row of `weight` times the mean weight; 0 adds none."""
    if not weight:
        return rows
    weights = (
        np.ones(len(rows)) if rows.weights is None else np.asarray(rows.weights, dtype=np.float64)
    )
    return LabelledTexts(
        (*rows.texts, *(class_name_words(name) for name in classes)),
        (*rows.labels, *classes),
        weights=np.concatenate([weights, np.full(len(classes), weight * weights.mean())]),
        soft=None if rows.soft is None else np.concatenate([rows.soft, np.eye(len(classes))]),
    )


def are_descriptive(classes: Sequence[str]) -> bool:
    """Return True if names have words, and differ in more than a number."""
    bare = [re.sub(r"[\d\W_]+", " ", class_name_words(name)).strip() for name in classes]
    return len(set(bare)) == len(bare) and all(
        any(len(word) > 2 for word in name.split()) for name in bare
    )
