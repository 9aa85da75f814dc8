"""Rows for the last step of the knowledge-base critic: what a reference says of triples that were held out of it.

A known triple counts itself, and a corrupted one the triple it was made from; so features of training rows would
know the answer. Here known triples are held out in folds: the fold, what was made from it, and the labelled rows
that fell into it are asked of a reference without them. What is learned once for all folds (vectors and score of a
large reference) never saw any fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.base import Labels, Scores
from synthkd.critics.kb.evidence import Evidence, Learned
from synthkd.critics.kb.phrases import Triples, Vocabulary
from synthkd.critics.kb.vectors import EncoderVectors
from synthkd.critics.negatives import Known, Triple, corrupt
from synthkd.keys import fraction

FOLDS = 5
#: Known triples that are held out in all, at most; a reference larger than `_SHARE` of it learns once.
MOST, NEGATIVES = 12_000, 2
_SHARE = 4


@dataclass(frozen=True)
class Rows:
    """Features (n, d) and verdicts (n,) of rows that their evidence did not know; ``labelled``: place or -1."""

    features: Scores
    labels: Labels
    labelled: np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Labelled:
    """Labelled triples, their verdicts and groups."""

    triples: list[Triple]
    labels: Labels
    groups: Sequence[str]


def held_out_rows(
    reference: list[Triple], labelled: Labelled, encoder: EncoderVectors | None, seed: int = 0
) -> tuple[Evidence, Rows]:
    """The whole reference's evidence, and the rows to train the last step on."""
    vocabulary = Vocabulary.of(reference)
    rows, known = vocabulary.read(reference), Known(reference)
    folds = _folds(len(reference), labelled, reference, seed)
    once = len(reference) > _SHARE * MOST
    learned = Learned.of(vocabulary, rows.take(folds < 0 if once else slice(None)), encoder, seed)
    near = learned.near(rows.phrases)
    parts = []
    for fold in range(FOLDS):
        inside = folds == fold
        rest = rows.take(~inside)
        seen = learned if once else Learned.of(vocabulary, rest, encoder, seed)
        evidence = Evidence(vocabulary, rest, seen, near if once or encoder is not None else None)
        positives = [reference[i] for i in np.flatnonzero(inside)]
        parts.append(_fold(evidence, positives, known, labelled, fold, seed))
    features, labels, places = (np.concatenate(found) for found in zip(*parts, strict=True))
    return Evidence(vocabulary, rows, learned, near), Rows(features, labels, places)


def _folds(count: int, labelled: Labelled, reference: list[Triple], seed: int) -> Any:
    """The fold of each known triple, -1 for those that stay. A labelled triple goes where its group goes."""
    rng = np.random.default_rng(seed)
    folds = np.full(count, -1)
    chosen = rng.permutation(count)[: min(MOST, count)]
    folds[chosen] = np.arange(len(chosen)) % FOLDS
    of_label = dict(zip(labelled.triples, map(fold_of, labelled.groups), strict=True))
    for place, triple in enumerate(reference):
        folds[place] = of_label.get(triple, folds[place])
    return folds


def fold_of(group: str) -> int:
    """The fold of a group of labelled rows: by its name alone."""
    return int(fraction(f"kb:{group}") * FOLDS)


def _fold(
    evidence: Evidence, positives: list[Triple], known: Known, labelled: Labelled, fold: int, seed: int
) -> tuple[Scores, Labels, Any]:
    here = [i for i, group in enumerate(labelled.groups) if fold_of(group) == fold]
    said = {labelled.triples[i] for i in here}
    made = corrupt(positives, known, NEGATIVES, seed * FOLDS + fold) if positives else None
    plain = [triple for triple in positives if triple not in said]
    false = [triple for triple in made.triples if triple not in said] if made else []
    asked: Triples = evidence.vocabulary.read([*plain, *false, *(labelled.triples[i] for i in here)])
    labels = np.concatenate([np.ones(len(plain), bool), np.zeros(len(false), bool), labelled.labels[here]])
    places = np.concatenate([np.full(len(plain) + len(false), -1), np.array(here, dtype=np.int64)])
    return evidence.features(asked), labels.astype(bool), places
