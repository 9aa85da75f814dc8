"""Training set of the knowledge-base critic, from triples held out of the reference.

A true triple counts itself, and a corrupted one its source, so features from the whole reference
would leak the answer. Therefore true triples are held out in folds: features of the fold, of its
corruptions and of the labelled rows in the fold come from a reference without them. Models that
serve all folds (vectors and score of a large reference) are trained on no fold. No verdict enters,
so one training set serves all trainings of a cross-fitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthkd.critics.base import Labels, Scores
from synthkd.critics.triples.negatives import Similar, TrueTriples, corrupt
from synthkd.critics.triples.phrases import Ints, Triple, Vocabulary
from synthkd.critics.triples.reference import normal_triple
from synthkd.critics.triples.reference_features import ReferenceFeatures, ReferenceModel
from synthkd.critics.triples.vectors import EncoderVectors
from synthkd.keys import fraction

FOLDS = 5
#: Most true triples held out in all. A reference larger than `_SHARE` times as many is learned from
#: once.
MOST, NEGATIVES = 12_000, 2
_SHARE = 4


@dataclass(frozen=True)
class LabelledTriples:
    """Triples of labelled rows, used in a training or not, and their groups, without verdicts."""

    triples: list[Triple]
    groups: Sequence[str]


@dataclass(frozen=True)
class ReferenceTrainingSet:
    """Features of the whole reference, and out-of-fold features of training rows.

    Attributes:
        reference: Features of the whole reference.
        features: Features of generated rows (n, d): true and corrupted triples, none of them
            labelled.
        labels: Verdicts of generated rows (n,).
        labelled_features: Features of labelled triples (m, d).
    """

    reference: ReferenceFeatures
    features: Scores
    labels: Labels
    labelled_features: Scores


def make_training_set(
    reference: list[Triple],
    labelled: LabelledTriples,
    encoder: EncoderVectors | None,
    seed: int = 0,
    hard: float = 0.0,
) -> ReferenceTrainingSet:
    """Hold true triples out in folds, corrupt them, and compute features from the other folds."""
    vocabulary = Vocabulary.of(reference)
    rows, folds = vocabulary.read(reference), _folds(reference, labelled, seed)
    once = len(reference) > _SHARE * MOST
    learned = ReferenceModel.of(
        vocabulary, rows.take(folds < 0 if once else slice(None)), encoder, seed
    )
    near = learned.near(rows.phrases)
    similar = Similar(reference, encoder or learned.words, vocabulary, seed) if hard else None
    generator = _Generator(
        TrueTriples(reference),
        {normal_triple(triple) for triple in labelled.triples},
        similar,
        hard,
    )
    where, labelled_features, parts = (
        _labelled_folds(labelled),
        np.zeros((len(labelled.triples), 0)),
        [],
    )
    for fold in range(FOLDS):
        inside, here = folds == fold, np.flatnonzero(where == fold)
        generated, labels = generator.rows(
            [reference[i] for i in np.flatnonzero(inside)], seed * FOLDS + fold
        )
        if not generated and not len(here):
            continue
        rest = rows.take(~inside)
        seen = learned if once else ReferenceModel.of(vocabulary, rest, encoder, seed)
        evidence = ReferenceFeatures(
            vocabulary, rest, seen, near if once or encoder is not None else None
        )
        features = evidence.features(
            vocabulary.read([*generated, *(labelled.triples[i] for i in here)])
        )
        if not labelled_features.shape[1]:
            labelled_features = np.zeros((len(where), features.shape[1]))
        labelled_features[here] = features[len(generated) :]
        parts.append((features[: len(generated)], labels))
    training_rows, verdicts = (np.concatenate(some) for some in zip(*parts, strict=True))
    return ReferenceTrainingSet(
        ReferenceFeatures(vocabulary, rows, learned, near),
        training_rows,
        verdicts,
        labelled_features,
    )


@dataclass(frozen=True)
class _Generator:
    """Generate rows from true triples: never a labelled one, nor a corruption known to be true."""

    known: TrueTriples
    labelled: set[Triple]
    similar: Similar | None
    hard: float

    def rows(self, positives: list[Triple], seed: int) -> tuple[list[Triple], Labels]:
        generated = corrupt(
            positives, self.known, NEGATIVES, seed, similar=self.similar, hard=self.hard
        ).triples
        plain, false = (
            [t for t in some if normal_triple(t) not in self.labelled]
            for some in (positives, generated)
        )
        return plain + false, np.arange(len(plain) + len(false)) < len(plain)


def _folds(reference: list[Triple], labelled: LabelledTriples, seed: int) -> Ints:
    """Assign folds to true triples, -1 for those never held out.

    A labelled triple gets the fold of its group.
    """
    rng, count = np.random.default_rng(seed), len(reference)
    folds = np.full(count, -1)
    chosen = rng.permutation(count)[: min(MOST, count)]
    folds[chosen] = np.arange(len(chosen)) % FOLDS
    of_labelled = dict(
        zip(map(normal_triple, labelled.triples), _labelled_folds(labelled).tolist(), strict=True)
    )
    for place, triple in enumerate(reference):
        folds[place] = of_labelled.get(normal_triple(triple), folds[place])
    return folds


def _labelled_folds(labelled: LabelledTriples) -> Ints:
    """Assign folds to labelled triples by group.

    Triples of one normal form share a fold, since one reveals all.
    """
    first: dict[Triple, int] = {}
    for triple, group in zip(labelled.triples, labelled.groups, strict=True):
        first.setdefault(normal_triple(triple), fold_of_group(group))
    return np.array([first[normal_triple(triple)] for triple in labelled.triples], dtype=np.int64)


def fold_of_group(group: str) -> int:
    """Return the fold of a group of labelled rows, by its name alone."""
    return int(fraction(f"kb:{group}") * FOLDS)
