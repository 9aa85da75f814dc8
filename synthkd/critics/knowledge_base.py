"""The knowledge-base critic: what a reference of triples known to be true says about a candidate.

Counts of slots, words and pairs of words; neighbours in the space of word or sentence vectors; a learned score; and
boosted trees over all of them, trained on corrupted triples and on labelled rows where there are any. A candidate
that is in the reference itself counts itself, and so scores high.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from synthkd.critics.base import Critic, Labels, Scores
from synthkd.critics.files import read_files, write_files
from synthkd.critics.kb.evidence import Evidence
from synthkd.critics.kb.phrases import Vocabulary
from synthkd.critics.kb.training import FOLDS, Labelled, Rows, fold_of, held_out_rows
from synthkd.critics.kb.trees import Trees
from synthkd.critics.kb.vectors import EncoderVectors, load_encoder
from synthkd.critics.negatives import Triple
from synthkd.errors import CriticError, MissingExtraError
from synthkd.kinds.base import Kind
from synthkd.rows import read_rows

COLUMNS = ("head", "relation", "tail")
#: Rows that are scored at a time.
_SLICE = 2048
#: What all labelled rows together weigh beside all made ones, and the most that one may weigh.
_LABELLED_SHARE, _HEAVIEST = 0.3, 10.0
#: Fewest distinct known triples that say anything.
FEWEST = 20


class KnowledgeBaseCritic(Critic):
    """``reference``: a file of true triples (default: the accepted rows). ``embedder``: folder or hub name of an
    encoder for neighbours by meaning (default: none, words alone).
    """

    name: ClassVar[str] = "knowledge-base"
    #: For the card: what whoever shares the critic must know.
    note: ClassVar[str] = (
        "This critic holds hashes, counts and vectors that were made from its reference, and no text of it. The"
        " reference's licence may cover them (share-alike for ConceptNet): settle that before sharing the critic."
    )

    def __init__(
        self, kind: Kind, reference: str | Path | None = None, embedder: str | None = None, seed: int = 0
    ) -> None:
        _need_sklearn()
        super().__init__(kind)
        missing = [column for column in COLUMNS if column not in kind.columns]
        if missing:
            raise CriticError(
                f"the knowledge-base critic reads head, relation and tail; the kind {kind.name!r} has no {missing[0]!r}"
            )
        self.reference = None if reference is None else str(reference)
        self.embedder, self.seed = embedder, seed
        self._vectors = load_encoder(embedder) if embedder else None
        self._evidence: Evidence | None = None
        self._trees: Trees | None = None
        self._slope, self._shift = 1.0, 0.0
        #: Scores of the labelled rows of `fit`, each by trees that did not see its fold; none where all are valid.
        self.out_of_fold: Scores | None = None

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Labels may be few, or all positive: then made negatives are all that stands against them."""
        triples, labels = _triples(rows), np.asarray(labels, dtype=bool)
        known = self._known([triple for triple, label in zip(triples, labels, strict=True) if label])
        labelled = Labelled(triples, labels, groups or [f"{head}" for head, _, _ in triples])
        encoder = None
        if self._vectors is not None:
            encoder = EncoderVectors.learn(self._vectors, Vocabulary.of(known).read(known).phrases)
        self._evidence, found = held_out_rows(known, labelled, encoder, self.seed)
        weight = _weights(found, weights)
        self._trees = Trees.grow(found.features, found.labels, weight, self.seed)
        self._scale(found, weight, labelled)

    def _known(self, accepted: list[Triple]) -> list[Triple]:
        if self.reference is None:
            known, where = accepted, "the accepted rows"
        else:
            where = self.reference
            known = [_triple(row) for part in read_rows(Path(where), list(COLUMNS)) for row in part]
        known = list(dict.fromkeys(known))
        if len(known) < FEWEST:
            raise CriticError(f"{where}: {len(known)} distinct true triples, {FEWEST} are needed at least")
        return known

    def _scale(self, found: Rows, weight: Scores, labelled: Labelled) -> None:
        """Platt scaling on logits of trees that did not see the labelled row, where labels are of both sorts."""
        from sklearn.linear_model import LogisticRegression

        self._slope, self._shift, self.out_of_fold = 1.0, 0.0, None
        if labelled.labels.all() or not labelled.labels.any():
            return
        mine = np.flatnonzero(found.labelled >= 0)
        logits = self._cross_fitted(found, weight, labelled)
        model = LogisticRegression(C=1e3).fit(logits[:, None], found.labels[mine])
        self._slope, self._shift = float(model.coef_[0, 0]), float(model.intercept_[0])
        self.out_of_fold = np.zeros(len(labelled.labels))
        self.out_of_fold[found.labelled[mine]] = self._probability(logits)

    def _probability(self, logits: Scores) -> Scores:
        scores: Scores = 1 / (1 + np.exp(-(logits * self._slope + self._shift)))
        return scores

    def _cross_fitted(self, found: Rows, weight: Scores, labelled: Labelled) -> Scores:
        """Logits of the labelled rows, each by trees that saw no row of its fold."""
        mine = np.flatnonzero(found.labelled >= 0)
        fold = np.full(len(found.labels), -1)
        fold[mine] = [fold_of(labelled.groups[place]) for place in found.labelled[mine]]
        logits = np.zeros(len(found.labels))
        for here in sorted(set(fold[mine])):
            rest = fold != here
            trees = Trees.grow(found.features[rest], found.labels[rest], weight[rest], self.seed)
            logits[~rest] = trees.logits(found.features[~rest])
        return logits[mine]

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        if self._evidence is None or self._trees is None:
            raise CriticError("this critic was not trained yet")
        parts = [self._score(batch.slice(start, _SLICE)) for start in range(0, batch.num_rows, _SLICE)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _score(self, rows: pa.RecordBatch | pa.Table) -> Scores:
        assert self._evidence is not None
        assert self._trees is not None
        features = self._evidence.features(self._evidence.vocabulary.read(_triples(rows)))
        return self._probability(self._trees.logits(features))

    def save(self, folder: Path) -> None:
        assert self._evidence is not None
        assert self._trees is not None
        config: dict[str, Any] = {
            "critic": self.name, "version": 1, "kind": self.kind.name, "columns": list(COLUMNS),
            "embedder": self.embedder, "embedder_content": getattr(self._vectors, "content", None),
            "known_triples": len(self._evidence.rows), "folds": FOLDS, "seed": self.seed,
            "slope": self._slope, "shift": self._shift,
            "note": self.note,
        }  # fmt: skip
        write_files(folder, self._evidence.arrays() | self._trees.arrays("trees"), config)

    @classmethod
    def load(cls, folder: Path, kind: Kind) -> KnowledgeBaseCritic:
        arrays, config = read_files(folder, cls.name, 1, {"embedder", "embedder_content", "slope", "shift"})
        critic = cls(kind, embedder=config["embedder"])
        content = getattr(critic._vectors, "content", None)
        if content != config["embedder_content"]:
            raise CriticError(
                f"{folder}: trained with another encoder than {config['embedder']!r} is now; train the critic again"
            )
        critic._evidence = Evidence.from_arrays(arrays, critic._vectors)
        critic._trees = Trees.from_arrays(arrays, "trees")
        critic._slope, critic._shift = config["slope"], config["shift"]
        return critic


def _weights(found: Rows, weights: Scores | None) -> Scores:
    """Made rows: both verdicts weigh alike. Labelled rows: a share of the whole, divided by their own weights."""
    mine, made = found.labelled >= 0, found.labelled < 0
    weight = np.ones(len(found.labels))
    for verdict in (True, False):
        part = made & (found.labels == verdict)
        if part.any():
            weight[part] = made.sum() / (2 * part.sum())
    if mine.any():
        own = np.ones(int(mine.sum())) if weights is None else np.asarray(weights)[found.labelled[mine]]
        each = made.sum() * _LABELLED_SHARE / (1 - _LABELLED_SHARE) / mine.sum()
        weight[mine] = own / own.mean() * (min(each, _HEAVIEST) if made.any() else 1.0)
    return weight


def _triples(rows: pa.Table | pa.RecordBatch) -> list[Triple]:
    missing = [column for column in COLUMNS if column not in rows.schema.names]
    if missing:
        raise CriticError(f"the rows have no column {missing[0]!r}; the knowledge-base critic reads it")
    return [_triple(row) for row in rows.select(list(COLUMNS)).to_pylist()]


def _triple(row: Any) -> Triple:
    return str(row["head"]), str(row["relation"]), str(row["tail"])


def _need_sklearn() -> None:
    from importlib.util import find_spec

    if find_spec("sklearn") is None or find_spec("safetensors") is None:
        raise MissingExtraError("the knowledge-base critic", "critics")
