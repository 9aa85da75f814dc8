"""Batches of a contrastive start: some texts of each of many classes.

As in SetFit (Tunstall et al. 2022, arXiv 2209.11055) the encoder is tuned by comparing texts, and a
logistic head learns from the tuned vectors. SetFit encodes two texts for each pair; here every pair
of a batch counts, so that 32 texts are 496 pairs (`losses.supervised_contrastive`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from synthkd.students.base import Ints

#: Texts of one class that meet in a batch.
TEXTS_PER_CLASS = 2


def class_batches(labels: Ints, size: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield batches with some texts of each of size / 2 classes; every text comes once.

    A class with an odd number of texts has one group of three; a class with one text is compared
    with other classes alone.

    Args:
        labels: (n,) class indices.
        size: Texts of a batch at least, unless few are left.
        rng: Draws groups and their order.
    """
    groups: list[Ints] = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        groups += np.array_split(rows, max(1, len(rows) // TEXTS_PER_CLASS))
    batch: list[Ints] = []
    left = len(labels)
    for at in rng.permutation(len(groups)):
        batch.append(groups[at])
        left -= len(groups[at])
        # A remainder below half a batch joins the last batch.
        if sum(len(part) for part in batch) >= size and (left >= size / 2 or not left):
            yield np.concatenate(batch)
            batch = []
    if batch:
        yield np.concatenate(batch)
