"""What the knowledge-base critic learns its last step from: what a reference says of triples held out of it.

A known triple counts itself, and a corrupted one the triple it was made from; so features of training rows would
know the answer. Here known triples are held out in folds: the fold, what was made from it, and the labelled rows
that fell into it are asked of a reference without them. What is learned once for all folds (vectors and score of a
large reference) never saw any fold. No verdict enters here, so that one `Prepared` serves all trainings of a
cross-fitting, which differ in the verdicts that they may see.
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
#: Known triples that are held out in all, at most; a reference larger than `_SHARE` of it learns once.
MOST, NEGATIVES = 12_000, 2
_SHARE = 4


@dataclass(frozen=True)
class LabelledTriples:
    """Triples that people gave a verdict on, used or not, and their groups. The verdicts are not here."""

    triples: list[Triple]
    groups: Sequence[str]


@dataclass(frozen=True)
class ReferenceTrainingSet:
    """The whole reference's evidence, and features of rows that their evidence did not know.

    ``features`` (n, d) and ``labels`` (n,) of made rows: known triples and corrupted ones, none of them told.
    ``told`` (m, d) of the told triples.
    """

    evidence: ReferenceFeatures
    features: Scores
    labels: Labels
    told: Scores


def make_training_set(
    reference: list[Triple],
    told: LabelledTriples,
    encoder: EncoderVectors | None,
    seed: int = 0,
    hard: float = 0.0,
) -> ReferenceTrainingSet:
    """Hold the reference's triples out in folds, corrupt them, and ask the rest of each fold."""
    vocabulary = Vocabulary.of(reference)
    rows, folds = vocabulary.read(reference), _folds(reference, told, seed)
    once = len(reference) > _SHARE * MOST
    learned = ReferenceModel.of(vocabulary, rows.take(folds < 0 if once else slice(None)), encoder, seed)
    near = learned.near(rows.phrases)
    similar = Similar(reference, encoder or learned.words, vocabulary, seed) if hard else None
    makes = _Makes(TrueTriples(reference), {normal_triple(triple) for triple in told.triples}, similar, hard)
    where, said, parts = _told_folds(told), np.zeros((len(told.triples), 0)), []
    for fold in range(FOLDS):
        inside, here = folds == fold, np.flatnonzero(where == fold)
        made, labels = makes.rows([reference[i] for i in np.flatnonzero(inside)], seed * FOLDS + fold)
        if not made and not len(here):
            continue
        rest = rows.take(~inside)
        seen = learned if once else ReferenceModel.of(vocabulary, rest, encoder, seed)
        evidence = ReferenceFeatures(vocabulary, rest, seen, near if once or encoder is not None else None)
        features = evidence.features(vocabulary.read([*made, *(told.triples[i] for i in here)]))
        if not said.shape[1]:
            said = np.zeros((len(where), features.shape[1]))
        said[here] = features[len(made) :]
        parts.append((features[: len(made)], labels))
    found, verdicts = (np.concatenate(some) for some in zip(*parts, strict=True))
    return ReferenceTrainingSet(ReferenceFeatures(vocabulary, rows, learned, near), found, verdicts, said)


@dataclass(frozen=True)
class _Makes:
    """How rows are made from known triples: never one of ``told``, nor a corruption that is known to be true."""

    known: TrueTriples
    told: set[Triple]
    similar: Similar | None
    hard: float

    def rows(self, positives: list[Triple], seed: int) -> tuple[list[Triple], Labels]:
        made = corrupt(positives, self.known, NEGATIVES, seed, similar=self.similar, hard=self.hard).triples
        plain, false = ([t for t in some if normal_triple(t) not in self.told] for some in (positives, made))
        return plain + false, np.arange(len(plain) + len(false)) < len(plain)


def _folds(reference: list[Triple], told: LabelledTriples, seed: int) -> Ints:
    """The fold of each known triple, -1 for those that stay. A told triple goes where its group goes."""
    rng, count = np.random.default_rng(seed), len(reference)
    folds = np.full(count, -1)
    chosen = rng.permutation(count)[: min(MOST, count)]
    folds[chosen] = np.arange(len(chosen)) % FOLDS
    of_told = dict(zip(map(normal_triple, told.triples), _told_folds(told).tolist(), strict=True))
    for place, triple in enumerate(reference):
        folds[place] = of_told.get(normal_triple(triple), folds[place])
    return folds


def _told_folds(told: LabelledTriples) -> Ints:
    """The fold of each, by its group. Triples of one form share a fold: one of them in the reference tells of all."""
    first: dict[Triple, int] = {}
    for triple, group in zip(told.triples, told.groups, strict=True):
        first.setdefault(normal_triple(triple), fold_of_group(group))
    return np.array([first[normal_triple(triple)] for triple in told.triples], dtype=np.int64)


def fold_of_group(group: str) -> int:
    """The fold of a group of labelled rows: by its name alone."""
    return int(fraction(f"kb:{group}") * FOLDS)
