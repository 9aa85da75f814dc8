"""Compare graphs of triples with gold graphs: exact, by best match, and coverage.

A scorer says how alike two triples are; scores name it, since those of two scorers do not compare.

    scorer     likeness of two triples
    ---------  -----------------------------------------------------------------------
    `exact`    1 if all parts are equal after normalisation, else 0
    `words`    F1 of their words after normalisation
    a folder   BERTScore of their sentences by that encoder: greedy matches of tokens
    `vector:`  and a folder: cosine of the vectors of their sentences
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from synthkd.errors import InputError, require_extra
from synthkd.kinds.fact.kind import relation_key
from synthkd.statistics import Interval, draw_counts, percentile_interval
from synthkd.text.normal_forms import normal_phrase
from synthkd.text.overlap import rouge_1

#: Head, relation and tail.
GraphTriple = tuple[str, str, str]
Graphs = Mapping[str, Sequence[GraphTriple]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
#: Prefix of the scorer by vectors of sentences.
VECTOR = "vector:"
#: Sentences whose token vectors are kept.
_KEPT = 20_000
#: Tokens that an encoder reads of a triple.
_LONGEST = 128
#: Likeness from which a gold triple is covered, in Distill-SynthKG.
COVERED = 0.88


class TripleScorer(Protocol):
    """Gives the likeness of triples, in [0, 1]; scores name the scorer."""

    name: str

    def matrix(self, gold: Sequence[GraphTriple], predicted: Sequence[GraphTriple]) -> Floats:
        """Return the likeness of each gold triple with each predicted one (gold, predicted)."""


def triple_sentence(triple: GraphTriple) -> str:
    """Return a triple as words: its relation without underscores and humps."""
    head, relation, tail = triple
    return f"{head} {relation_key(relation)} {tail}"


def normal_graph_triple(triple: GraphTriple) -> GraphTriple:
    """Return the form under which two triples are equal."""
    head, relation, tail = triple
    return normal_phrase(head), relation_key(relation), normal_phrase(tail)


class ExactTriples:
    """1 for triples that are equal after normalisation, else 0."""

    name = "exact"

    def matrix(self, gold: Sequence[GraphTriple], predicted: Sequence[GraphTriple]) -> Floats:
        columns = [normal_graph_triple(triple) for triple in predicted]
        rows = [normal_graph_triple(triple) for triple in gold]
        return np.array([[float(one == other) for other in columns] for one in rows]).reshape(
            len(gold), len(predicted)
        )


class WordTriples:
    """F1 of the words of two triples, after normalisation."""

    name = "words"

    def matrix(self, gold: Sequence[GraphTriple], predicted: Sequence[GraphTriple]) -> Floats:
        columns = [" ".join(normal_graph_triple(triple)) for triple in predicted]
        rows = [" ".join(normal_graph_triple(triple)) for triple in gold]
        return np.array([[rouge_1(one, other) for other in columns] for one in rows]).reshape(
            len(gold), len(predicted)
        )


class TokenTriples:
    """BERTScore F1: each token with its most similar one, without idf and rescaling.

    Source: Zhang et al. 2020, arXiv 1904.09675; negative values count as 0.
    """

    def __init__(self, encoder: str, device: str | None = None) -> None:
        require_extra("a BERTScore", "local", "torch", "transformers")
        from synthkd.encoders.frozen import FrozenEncoder

        self._encoder = FrozenEncoder.load(encoder, _LONGEST, device)
        self.name = f"bertscore:{_encoder_name(encoder, self._encoder.sha256)}"
        self._vectors: dict[str, Floats] = {}

    def _of(self, sentences: Sequence[str]) -> list[Floats]:
        """Return the token vectors of sentences; those of the last ones are kept."""
        from synthkd.encoders.token_vectors import token_vectors

        if len(self._vectors) > _KEPT:
            self._vectors.clear()
        new = sorted({sentence for sentence in sentences if sentence not in self._vectors})
        self._vectors.update(zip(new, token_vectors(self._encoder, new), strict=True))
        return [self._vectors[sentence] for sentence in sentences]

    def matrix(self, gold: Sequence[GraphTriple], predicted: Sequence[GraphTriple]) -> Floats:
        scores = np.zeros((len(gold), len(predicted)))
        if not scores.size:
            return scores
        sentences = [triple_sentence(triple) for triple in (*gold, *predicted)]
        vectors = self._of(sentences)
        rows, columns = vectors[: len(gold)], vectors[len(gold) :]
        for i, one in enumerate(rows):
            for j, other in enumerate(columns):
                likeness = one @ other.T
                recall, precision = likeness.max(1).mean(), likeness.max(0).mean()
                total = precision + recall
                scores[i, j] = 2 * precision * recall / total if total > 0 else 0.0
        return scores.clip(0, 1)


class VectorTriples:
    """Cosine of the sentence vectors of two triples; negative values count as 0."""

    def __init__(self, encoder: str, device: str | None = None) -> None:
        require_extra("vectors of triples", "local", "torch", "transformers")
        from synthkd.encoders.frozen import FrozenEncoder

        self._encoder = FrozenEncoder.load(encoder, _LONGEST, device)
        self.name = f"{VECTOR}{_encoder_name(encoder, self._encoder.sha256)}"

    def matrix(self, gold: Sequence[GraphTriple], predicted: Sequence[GraphTriple]) -> Floats:
        if not gold or not predicted:
            return np.zeros((len(gold), len(predicted)))
        rows, columns = (
            self._encoder.embed([triple_sentence(triple) for triple in triples])
            for triples in (gold, predicted)
        )
        likeness: Floats = (rows @ columns.T).clip(0, 1)
        return likeness


def _encoder_name(encoder: str, sha256: str) -> str:
    """Name an encoder by its folder and its content, since many folders are called `model`."""
    return f"{Path(encoder).name}@{sha256[:8]}"


def triple_scorer_named(name: str, device: str | None = None) -> TripleScorer:
    """Return the scorer `exact` or `words`, or that of an encoder's folder or hub name.

    Raises:
        UserError: The encoder cannot be loaded.
    """
    if name in ("exact", "words"):
        return ExactTriples() if name == "exact" else WordTriples()
    if name.startswith(VECTOR):
        return VectorTriples(name.removeprefix(VECTOR), device)
    return TokenTriples(name, device)


@dataclass(frozen=True)
class GraphScores:
    """Figures of predicted graphs, as means over documents.

    Precision says nothing without recall and the number of triples: fewer triples are more precise.

    Attributes:
        scorer: What says how alike two triples are.
        documents: Documents with a gold graph.
        gold: Distinct gold triples.
        predicted: Distinct predicted triples of these documents.
        without_gold: Predicted triples of other documents, which are in no figure.
        precision: By best match, as recall and f1.
        exact_precision: By equality, as exact_recall and exact_f1.
        f1_interval: 95 % interval of f1, by a bootstrap over documents.
        coverage: Share of gold triples of which some predicted one is more alike than `covered_at`.
        semantic: Mean likeness of gold triples with their most similar predicted one.
        token_f1: Mean word F1 of gold triples with their most similar predicted one.
    """

    scorer: str
    documents: int
    gold: int
    predicted: int
    without_gold: int
    precision: float
    recall: float
    f1: float
    f1_interval: Interval
    exact_precision: float
    exact_recall: float
    exact_f1: float
    coverage: float
    covered_at: float
    semantic: float
    token_f1: float

    def rows(self) -> list[tuple[str, str]]:
        """Return the figures as lines of a table."""
        low, high = self.f1_interval
        return [
            ("documents", f"{self.documents:,}"),
            ("gold triples", f"{self.gold:,}"),
            ("predicted triples", f"{self.predicted:,}"),
            ("exact precision", f"{self.exact_precision:.4f}"),
            ("exact recall", f"{self.exact_recall:.4f}"),
            ("exact F1", f"{self.exact_f1:.4f}"),
            (f"precision ({self.scorer})", f"{self.precision:.4f}"),
            (f"recall ({self.scorer})", f"{self.recall:.4f}"),
            (f"F1 ({self.scorer})", f"{self.f1:.4f} [{low:.4f}, {high:.4f}]"),
            (f"semantic score ({self.scorer})", f"{self.semantic:.4f}"),
            (f"coverage above {self.covered_at:g}", f"{self.coverage:.4f}"),
            ("F1 of words", f"{self.token_f1:.4f}"),
        ]


def match_triples(likeness: Floats) -> list[tuple[int, int]]:
    """Return the one-to-one match of the greatest sum (Hungarian), as pairs of gold and predicted.

    Args:
        likeness: (gold, predicted).
    """
    require_extra("graph metrics", "critics", "scipy")
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(likeness, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def score_graphs(
    gold: Graphs,
    predicted: Graphs,
    scorer: TripleScorer,
    covered_at: float = COVERED,
    draws: int = 2000,
    seed: int = 0,
) -> GraphScores:
    """Compare predicted graphs with gold graphs.

    Best match follows G-BERTScore of GraphJudge (arXiv 2411.17388): precision and recall are the
    sum of the best one-to-one match over the number of predicted and of gold triples. Coverage,
    semantic score and word F1 follow Distill-SynthKG (arXiv 2410.16597). Repeated triples count
    once.

    Args:
        gold: Triples by document.
        predicted: Triples by document; a document without any has 0 in all figures.
        scorer: Likeness of two triples.
        covered_at: Likeness above which a gold triple is covered.
        draws: Draws of the bootstrap.
        seed: Its seed.

    Raises:
        InputError: No document has a gold triple.
    """
    documents = [name for name, triples in gold.items() if triples]
    if not documents:
        raise InputError("no gold triples to compare with")
    lines, best = [], list[Floats]()
    counts = [0, 0]
    for name in documents:
        own, other = _distinct(gold[name]), _distinct(predicted.get(name, ()))
        counts[0] += len(own)
        counts[1] += len(other)
        likeness = scorer.matrix(own, other)
        right = ExactTriples().matrix(own, other).sum()
        total = sum(likeness[pair] for pair in match_triples(likeness)) if other else 0.0
        lines.append((*_shares(total, own, other), *_shares(right, own, other)))
        best.append(_best(likeness, own, other))
    means = np.array(lines).mean(0)
    words = np.concatenate([part[1] for part in best])
    top = np.concatenate([part[0] for part in best])
    each = np.array(lines)[:, 2]
    ones = np.ones(len(each), dtype=np.int64)
    samples = [times @ each / len(each) for times in draw_counts(ones, draws, seed)]
    precision, recall, f1, *exact = (float(value) for value in means)
    return GraphScores(
        scorer=scorer.name,
        documents=len(documents),
        gold=counts[0],
        predicted=counts[1],
        without_gold=sum(
            len(_distinct(rows)) for name, rows in predicted.items() if not gold.get(name)
        ),
        precision=precision,
        recall=recall,
        f1=f1,
        f1_interval=percentile_interval(np.concatenate(samples)),
        exact_precision=exact[0],
        exact_recall=exact[1],
        exact_f1=exact[2],
        coverage=float((top > covered_at).mean()),
        covered_at=covered_at,
        semantic=float(top.mean()),
        token_f1=float(words.mean()),
    )


def _distinct(triples: Iterable[GraphTriple]) -> list[GraphTriple]:
    return list({normal_graph_triple(triple): triple for triple in triples}.values())


def _shares(
    total: float, gold: Sequence[GraphTriple], predicted: Sequence[GraphTriple]
) -> tuple[float, float, float]:
    """Return precision, recall and F1 of a sum of likeness."""
    precision, recall = total / max(len(predicted), 1), total / len(gold)
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


def _best(
    likeness: Floats, gold: Sequence[GraphTriple], predicted: Sequence[GraphTriple]
) -> Floats:
    """Return each gold triple's greatest likeness, and its word F1 with that triple (2, gold)."""
    if not predicted:
        return np.zeros((2, len(gold)))
    places = likeness.argmax(1)
    words = [
        rouge_1(*(" ".join(normal_graph_triple(each)) for each in (one, predicted[place])))
        for one, place in zip(gold, places.tolist(), strict=True)
    ]
    return np.array([likeness.max(1), words])
