"""How well propositions say what a text says: reference-free (RF) and reference-based (RB) precision, recall and F1
(Hosseini et al. 2024, arXiv 2406.19803).

With T the text, s its sentences, q the predicted and p the gold propositions, Q all q in one text, and
e(premise, hypothesis) in [0, 1] an entailment scorer:

    RF precision = mean over q of e(T, q)            RB precision = mean over q of max over p of b(p, q)
    RF recall    = mean over s of e(Q, s)            RB recall    = mean over p of max over q of b(p, q)
    b(p, q) = min(e(p, q), e(q, p))                  F1 = harmonic mean of precision and recall

Scores of two scorers do not compare, so the name of the scorer goes with every number. Of several texts the mean is
taken. A text without predictions has precision and recall 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from synthkd.kinds.answer_text import normal_phrase
from synthkd.kinds.proposition.align import words
from synthkd.kinds.proposition.claims import numbers

Pair = tuple[str, str]


class Entailment(Protocol):
    """A scorer: for each (premise, hypothesis) a number in [0, 1]. ``name`` is printed with what it scored."""

    name: str

    def __call__(self, pairs: Sequence[Pair]) -> Sequence[float]: ...


@dataclass(frozen=True)
class Scores:
    """Precision, recall and F1, with the name of the measure and of the scorer."""

    measure: str
    scorer: str
    precision: float
    recall: float
    texts: int = 1

    @property
    def f1(self) -> float:
        """The harmonic mean."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def __str__(self) -> str:
        return f"{self.measure} ({self.scorer}): precision {self.precision:.4f}, recall {self.recall:.4f}, F1 {self.f1:.4f}"


def reference_free(
    text: str, sentences: Sequence[str], predicted: Sequence[str], scorer: Entailment
) -> Scores:
    """RF: whether the text entails each proposition, and all propositions together each sentence."""
    if not predicted or not sentences:
        return Scores("RF", scorer.name, 0.0, 0.0)
    whole = " ".join(predicted)
    found = _asked(scorer, [*((text, one) for one in predicted), *((whole, one) for one in sentences)])
    return Scores(
        "RF", scorer.name, float(found[: len(predicted)].mean()), float(found[len(predicted) :].mean())
    )


def reference_based(gold: Sequence[str], predicted: Sequence[str], scorer: Entailment) -> Scores:
    """RB: whether each proposition has a gold one that says the same, and the other way round."""
    if not predicted or not gold:
        return Scores("RB", scorer.name, 0.0, 0.0)
    there = [(p, q) for p in gold for q in predicted]
    found = _asked(scorer, [*there, *((q, p) for p, q in there)])
    both = np.minimum(found[: len(there)], found[len(there) :]).reshape(len(gold), len(predicted))
    return Scores("RB", scorer.name, float(both.max(axis=0).mean()), float(both.max(axis=1).mean()))


def mean_of(scores: Iterable[Scores]) -> Scores:
    """The mean over texts; all must be of one measure and one scorer."""
    found = list(scores)
    if not found:
        raise ValueError("no scores to take the mean of")
    if len({(one.measure, one.scorer) for one in found}) > 1:
        raise ValueError("scores of different measures or scorers do not compare")
    return Scores(
        found[0].measure,
        found[0].scorer,
        float(np.mean([one.precision for one in found])),
        float(np.mean([one.recall for one in found])),
        sum(one.texts for one in found),
    )


def _asked(scorer: Entailment, pairs: Sequence[Pair]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Scores of pairs; each distinct pair is asked once."""
    distinct = list(dict.fromkeys(pairs))
    scores = np.asarray(list(scorer(distinct)), dtype=np.float64)
    if scores.shape != (len(distinct),):
        raise ValueError(f"the scorer {scorer.name!r} gave {scores.size} scores for {len(distinct)} pairs")
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError(f"the scorer {scorer.name!r} gave a score outside 0 to 1")
    places = {pair: i for i, pair in enumerate(distinct)}
    return scores[[places[pair] for pair in pairs]]


class Exact:
    """1 where both texts are the same but for case, articles and edge punctuation."""

    name = "exact"

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        return [float(normal_phrase(premise) == normal_phrase(hypothesis)) for premise, hypothesis in pairs]


class Overlap:
    """Share of the hypothesis's words that the premise has; a number counts by its value. Knows nothing of meaning:
    it takes `the dog bit the man` for `the man bit the dog`."""

    name = "overlap"

    def __init__(self) -> None:
        self._known: dict[str, frozenset[str]] = {}

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        found = [self._share(self._words(premise), self._words(hypothesis)) for premise, hypothesis in pairs]
        self._known.clear()
        return found

    @staticmethod
    def _share(premise: frozenset[str], hypothesis: frozenset[str]) -> float:
        return len(premise & hypothesis) / len(hypothesis) if hypothesis else 0.0

    def _words(self, text: str) -> frozenset[str]:
        known = self._known.get(text)
        if known is None:
            values = {f"#{value}" for value in numbers(text)}
            plain = {word for word in words(text) if not word.isdecimal()}
            known = self._known[text] = frozenset(plain | values)
        return known


def entailment_model(folder: str, batch: int = 32, device: str | None = None) -> Entailment:
    """A scorer from the folder of a transformers checkpoint for natural language inference. Needs the extra `local`."""
    from synthkd.corpora.entailment import EntailmentModel

    return EntailmentModel(folder, batch, device)


def scorer_named(name: str) -> Entailment:
    """`overlap`, `exact`, or the folder of an entailment model."""
    known: dict[str, Callable[[], Entailment]] = {"overlap": Overlap, "exact": Exact}
    return known[name]() if name in known else entailment_model(name)
