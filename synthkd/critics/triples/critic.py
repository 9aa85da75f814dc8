"""The knowledge-base critic: a reference of true triples as evidence about candidates.

Its features are counts of slots, words and word pairs; neighbours by word or sentence vectors; and
a learned score. Boosted trees over all features are trained on corrupted triples and on labelled
rows, if there are any. A candidate that is in the reference counts itself, and so scores high.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.artifacts.settings import Count, Name, Weight
from synthkd.critics.base import CriticModel, Labels, Scores
from synthkd.critics.files import ARRAYS, CriticSettings, read_files, write_files
from synthkd.critics.logistic import sigmoid
from synthkd.critics.triples.array_checks import check_reference_arrays
from synthkd.critics.triples.phrases import Triple, Vocabulary
from synthkd.critics.triples.reference import (
    COLUMNS,
    check_reference_size,
    distinct_triples,
    read_true_triples,
    triples_of,
)
from synthkd.critics.triples.reference_features import ReferenceFeatures
from synthkd.critics.triples.training import (
    FOLDS,
    LabelledTriples,
    ReferenceTrainingSet,
    fold_of_group,
    make_training_set,
)
from synthkd.critics.triples.trees import Trees
from synthkd.critics.triples.vectors import (
    EncoderVectors,
    load_named_phrase_encoder,
    load_phrase_encoder,
)
from synthkd.encoders.reference import EncoderReference
from synthkd.errors import CriticError, require_extra
from synthkd.keys import content_hash
from synthkd.kinds.base import Kind
from synthkd.options import BaseOptions

#: The last training set, by the hash of its inputs.
_LAST: dict[str, ReferenceTrainingSet] = {}


def cached_training_set(
    known: list[Triple], labelled: LabelledTriples, vectors: Any, seed: int, hard: float
) -> ReferenceTrainingSet:
    """Return `make_training_set` of these inputs, or the cached result.

    ``vectors``: the encoder's, if any.
    """
    encoder_content = None if vectors is None else vectors.sha256
    key = content_hash(
        [known, labelled.triples, list(labelled.groups), encoder_content, seed, hard]
    )
    if key not in _LAST:
        _LAST.clear()
        encoder = None
        if vectors is not None:
            encoder = EncoderVectors.learn(vectors, Vocabulary.of(known).read(known).phrases)
        _LAST[key] = make_training_set(known, labelled, encoder, seed, hard)
    return _LAST[key]


_LICENCE_NOTE = (
    "This critic holds hashes, counts and vectors that were made from its reference, and no text of"
    " it. The reference's licence may cover them (share-alike for ConceptNet): settle that before"
    " sharing the critic."
)
#: Rows scored at a time.
_SLICE = 2048
#: Share of the weight of all labelled rows beside generated ones, and the largest weight of one:
#: that of a generated row.
_LABELLED_SHARE, _HEAVIEST = 0.3, 1.0


class _Settings(CriticSettings):
    encoder: EncoderReference | None
    known_triples: Count
    folds: Count
    hard: Weight
    seed: int
    slope: Weight
    shift: Weight
    note: Name


class KnowledgeBaseCritic(CriticModel):
    """Boosted trees on features of a reference of true triples."""

    name: ClassVar[str] = "knowledge-base"
    load_options: ClassVar[frozenset[str]] = frozenset({"encoder"})
    path_options: ClassVar[frozenset[str]] = frozenset({"reference", "embedder", "encoder"})

    class Options(BaseOptions):
        reference: str | Path | None = Field(
            None, description="File of true triples. Default: the accepted training rows."
        )
        embedder: str | None = Field(
            None,
            description="Folder or hub name of an encoder for neighbours by meaning. Default: words"
            " alone.",
        )
        seed: int = Field(0, ge=0, description="Seed of negatives and models.")
        hard: float = Field(
            0.0,
            ge=0,
            le=1,
            description="Share of the negatives' heads and tails drawn from phrases near the true"
            " one.",
        )

    options: Options

    def __init__(self, kind: Kind, reference: str | Path | None = None, **options: Any) -> None:
        require_extra("the knowledge-base critic", "critics", "sklearn", "safetensors")
        super().__init__(kind, reference=reference, **options)
        missing = [column for column in COLUMNS if column not in kind.columns]
        if missing:
            raise CriticError(
                f"the knowledge-base critic reads head, relation and tail; the kind {kind.name!r}"
                f" has no {missing[0]!r}"
            )
        self.reference = None if reference is None else str(reference)
        given = self.options
        self.embedder, self.hard, self.seed = given.embedder, given.hard, given.seed
        self._vectors = load_phrase_encoder(given.embedder) if given.embedder else None
        self._reference_features: ReferenceFeatures | None = None
        self._trees: Trees | None = None
        self._labelled: LabelledTriples | None = None
        self._slope, self._shift = 1.0, 0.0
        #: Out-of-fold scores of the labelled rows of `fit`; None if all verdicts are the same.
        self.out_of_fold: Scores | None = None

    @property
    def note(self) -> str:
        return _LICENCE_NOTE

    def prepare(self, rows: pa.Table, groups: Sequence[str]) -> None:
        """Compute reference features once for all trainings on some of these rows."""
        self._labelled = LabelledTriples(triples_of(rows), groups)

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Train on labelled rows and generated negatives. Labels may be few, or all positive."""
        triples, labels = triples_of(rows), np.asarray(labels, dtype=bool)
        groups = groups or [head for head, _, _ in triples]
        generated, labelled = self._training_set(LabelledTriples(triples, groups), labels)
        features, verdicts = (
            np.concatenate([generated.features, labelled]),
            np.concatenate([generated.labels, labels]),
        )
        weight = _weights(generated.labels, len(labels), weights)
        self._reference_features = generated.reference
        self._trees = Trees.grow(features, verdicts, weight, self.seed)
        fold = np.concatenate(
            [np.full(len(generated.labels), -1), [fold_of_group(group) for group in groups]]
        )
        self._scale(features, verdicts, weight, fold)

    def _training_set(
        self, mine: LabelledTriples, labels: Labels
    ) -> tuple[ReferenceTrainingSet, Scores]:
        """Return the training set, and the features of the rows of `fit` (m, d)."""
        if self.reference is None:
            accepted = [triple for triple, label in zip(mine.triples, labels, strict=True) if label]
            reference, labelled = (
                check_reference_size(distinct_triples(accepted), "the accepted rows"),
                mine,
            )
        else:
            reference, labelled = (
                check_reference_size(read_true_triples(Path(self.reference)), self.reference),
                self._labelled or mine,
            )
        place = {
            row: i for i, row in enumerate(zip(labelled.triples, labelled.groups, strict=True))
        }
        wanted = list(zip(mine.triples, mine.groups, strict=True))
        if any(row not in place for row in wanted):
            labelled, place = mine, {row: i for i, row in enumerate(wanted)}
        training = cached_training_set(reference, labelled, self._vectors, self.seed, self.hard)
        return training, training.labelled_features[[place[row] for row in wanted]]

    def _scale(self, features: Scores, labels: Labels, weight: Scores, fold: Any) -> None:
        """Fit Platt scaling on out-of-fold logits, if there are labels of both verdicts."""
        from sklearn.linear_model import LogisticRegression

        self._slope, self._shift, self.out_of_fold = 1.0, 0.0, None
        mine = fold >= 0
        if len(set(labels[mine])) < 2:
            return
        logits = np.zeros(len(labels))
        for here in sorted(set(fold[mine])):
            test = fold == here
            trees = Trees.grow(features[~test], labels[~test], weight[~test], self.seed)
            logits[test] = trees.logits(features[test])
        model = LogisticRegression(C=1e3).fit(logits[mine, None], labels[mine])
        self._slope, self._shift = float(model.coef_[0, 0]), float(model.intercept_[0])
        self.out_of_fold = self._probability(logits[mine])

    def _probability(self, logits: Scores) -> Scores:
        return sigmoid(logits * self._slope + self._shift)

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        if self._reference_features is None or self._trees is None:
            raise CriticError("this critic was not trained yet")
        parts = [
            self._score(batch.slice(start, _SLICE)) for start in range(0, batch.num_rows, _SLICE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _score(self, rows: pa.RecordBatch | pa.Table) -> Scores:
        assert self._reference_features is not None
        assert self._trees is not None
        features = self._reference_features.features(
            self._reference_features.vocabulary.read(triples_of(rows))
        )
        return self._probability(self._trees.logits(features))

    def _encoder_name(self, folder: Path) -> dict[str, Any] | None:
        if self._vectors is None or self.embedder is None:
            return None
        return EncoderReference.of(self.embedder, self._vectors.sha256, folder).model_dump()

    def save(self, folder: Path) -> None:
        assert self._reference_features is not None
        assert self._trees is not None
        config: dict[str, Any] = {
            "critic": self.name, "version": 1, "kind": self.kind.name, "columns": list(COLUMNS),
            "encoder": self._encoder_name(folder),
            "known_triples": len(self._reference_features.rows), "folds": FOLDS, "hard": self.hard,
            "seed": self.seed,
            "slope": self._slope, "shift": self._shift,
            "note": self.note,
        }  # fmt: skip
        write_files(folder, self._reference_features.arrays() | self._trees.arrays("trees"), config)

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> KnowledgeBaseCritic:
        """Load a critic; ``encoder`` names its encoder if that is not found by itself."""
        arrays, settings = read_files(folder, cls.name, 1, _Settings)
        critic = cls(kind)
        given = options.get("encoder")
        if settings.encoder is not None:
            where = None if given is None else str(given)
            critic._vectors, critic.embedder = load_named_phrase_encoder(
                settings.encoder, folder, where
            )
        elif given is not None:
            raise CriticError(f"{folder}: it was trained without an encoder; leave `encoder` out")
        check_reference_arrays(folder / ARRAYS, arrays, critic._vectors)
        critic._reference_features = ReferenceFeatures.from_arrays(arrays, critic._vectors)
        critic._trees = Trees.from_arrays(arrays, "trees")
        if critic._trees.feature.max(initial=-1) >= critic._reference_features.width:
            raise CRITIC_ARTIFACT.refuse(
                folder / ARRAYS, "trees_feature: a feature that the reference does not give"
            )
        critic._slope, critic._shift = settings.slope, settings.shift
        return critic


def _weights(made: Labels, labelled: int, weights: Scores | None) -> Scores:
    """Weight generated rows equally by verdict, and labelled rows by a share of the whole."""
    weight = np.ones(len(made))
    for verdict in (True, False):
        part = made == verdict
        if part.any():
            weight[part] = len(made) / (2 * part.sum())
    if not labelled:
        return weight
    own = np.ones(labelled) if weights is None else np.asarray(weights, dtype=np.float64)
    each = len(made) * _LABELLED_SHARE / (1 - _LABELLED_SHARE) / labelled
    return np.concatenate([weight, own / own.mean() * (min(each, _HEAVIEST) if len(made) else 1.0)])
