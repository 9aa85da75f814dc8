"""Precision and recall of propositions by entailment: reference-free (RF) and reference-based (RB).

Scorers of entailment are words in common, equality, or a checkpoint for natural language inference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from synthkd.artifacts.checkpoint import unsafe_checkpoint
from synthkd.errors import InputError, require_extra
from synthkd.kinds.proposition.alignment import overlap_words
from synthkd.kinds.proposition.claims import text_numbers
from synthkd.text.normal_forms import normal_phrase


def entailment_class(labels: Mapping[int, str]) -> int:
    """Return the class of a checkpoint that is entailment, by its name.

    Raises:
        InputError: If not exactly one class is named so.
    """
    numbers_of_entailment = [
        number
        for number, name in labels.items()
        if "entail" in name.casefold()
        and not name.casefold().replace("-", "_").startswith(("not", "non", "no_"))
    ]
    if len(numbers_of_entailment) != 1:
        raise InputError(
            "no class of this checkpoint is named entailment (there are:"
            f" {', '.join(labels.values())}); set id2label in its config.json"
        )
    return numbers_of_entailment[0]


class EntailmentModel:
    """P(entailment) of (premise, hypothesis) by a transformers checkpoint.

    Premises that are too long are truncated; ``truncated`` counts them.
    """

    def __init__(self, folder: str, batch: int = 32, device: str | None = None) -> None:
        require_extra("an entailment model", "local", "torch", "transformers")
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        if not (Path(folder) / "config.json").is_file():
            raise InputError(
                f"{folder}: no checkpoint here (config.json is missing), and no scorer of that name"
            )
        self.name = Path(folder).resolve().name
        self.truncated = 0
        self._batch = batch
        self._torch: Any = torch
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        # Safetensors and no remote code: a pickle could run anything.
        if problem := unsafe_checkpoint(Path(folder)):
            raise InputError(
                f"{problem}; an entailment model is a transformers checkpoint with safetensors"
            )
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            # Padding on the left would shift positions, so that scores depended on the batch.
            self._tokenizer.padding_side = "right"
            model: Any = AutoModelForSequenceClassification.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True
            )
        except Exception as error:  # noqa: BLE001 (what a strange checkpoint raises is nowhere declared)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{folder}: not loaded: {reason}; an entailment model is a transformers checkpoint"
                " with safetensors"
            ) from None
        self._model: Any = model.to(self._device).eval()
        self._class = entailment_class(
            {int(number): str(name) for number, name in model.config.id2label.items()}
        )
        self._longest = min(
            self._tokenizer.model_max_length,
            getattr(model.config, "max_position_embeddings", 512),
            4096,
        )

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
        all_scores = [0.0] * len(pairs)
        for start in range(0, len(order), self._batch):
            places = order[start : start + self._batch]
            for place, score in zip(places, self._scores([pairs[i] for i in places]), strict=True):
                all_scores[place] = score
        return all_scores

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        premises, hypotheses = zip(*pairs, strict=True)
        read = self._tokenizer(
            list(premises), list(hypotheses), padding=True, truncation="only_first",
            max_length=self._longest, return_tensors="pt"
        )  # fmt: skip
        self.truncated += int((read["attention_mask"].sum(dim=1) >= self._longest).sum())
        with self._torch.inference_mode():
            logits = self._model(**read.to(self._device)).logits
        scores: list[float] = logits.float().softmax(dim=1)[:, self._class].clamp(0, 1).tolist()
        return scores


Pair = tuple[str, str]


class EntailmentScorer(Protocol):
    """A function from (premise, hypothesis) pairs to numbers in [0, 1]; scores name the scorer."""

    name: str

    def __call__(self, pairs: Sequence[Pair]) -> Sequence[float]: ...


@dataclass(frozen=True)
class PropositionScores:
    """Precision, recall and F1, with the names of measure and scorer."""

    measure: str
    scorer: str
    precision: float
    recall: float
    texts: int = 1

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def __str__(self) -> str:
        return (
            f"{self.measure} ({self.scorer}): precision {self.precision:.4f}, recall"
            f" {self.recall:.4f}, F1 {self.f1:.4f}"
        )


def reference_free(
    text: str, sentences: Sequence[str], predicted: Sequence[str], scorer: EntailmentScorer
) -> PropositionScores:
    """Return RF: entailment of each proposition by the text, and of each sentence by them all."""
    if not predicted or not sentences:
        return PropositionScores("RF", scorer.name, 0.0, 0.0)
    whole = " ".join(predicted)
    scores = _pair_scores(
        scorer, [*((text, one) for one in predicted), *((whole, one) for one in sentences)]
    )
    return PropositionScores(
        "RF",
        scorer.name,
        float(scores[: len(predicted)].mean()),
        float(scores[len(predicted) :].mean()),
    )


def reference_based(
    gold: Sequence[str], predicted: Sequence[str], scorer: EntailmentScorer
) -> PropositionScores:
    """Return RB: precision and recall of propositions by equivalence to gold ones."""
    if not predicted or not gold:
        return PropositionScores("RB", scorer.name, 0.0, 0.0)
    pairs = [(p, q) for p in gold for q in predicted]
    scores = _pair_scores(scorer, [*pairs, *((q, p) for p, q in pairs)])
    both = np.minimum(scores[: len(pairs)], scores[len(pairs) :]).reshape(len(gold), len(predicted))
    return PropositionScores(
        "RB", scorer.name, float(both.max(axis=0).mean()), float(both.max(axis=1).mean())
    )


def mean_scores(scores: Iterable[PropositionScores]) -> PropositionScores:
    """Return the mean over texts.

    Raises:
        ValueError: For no scores, or scores of different measures or scorers.
    """
    texts = list(scores)
    if not texts:
        raise ValueError("no scores to take the mean of")
    if len({(one.measure, one.scorer) for one in texts}) > 1:
        raise ValueError("scores of different measures or scorers do not compare")
    return PropositionScores(
        texts[0].measure,
        texts[0].scorer,
        float(np.mean([one.precision for one in texts])),
        float(np.mean([one.recall for one in texts])),
        sum(one.texts for one in texts),
    )


def _pair_scores(
    scorer: EntailmentScorer, pairs: Sequence[Pair]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the scores of pairs; each distinct pair is scored once."""
    distinct = list(dict.fromkeys(pairs))
    scores = np.asarray(list(scorer(distinct)), dtype=np.float64)
    if scores.shape != (len(distinct),):
        raise ValueError(
            f"the scorer {scorer.name!r} gave {scores.size} scores for {len(distinct)} pairs"
        )
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError(f"the scorer {scorer.name!r} gave a score outside 0 to 1")
    places = {pair: i for i, pair in enumerate(distinct)}
    return scores[[places[pair] for pair in pairs]]


class ExactScorer:
    """1 if both texts are equal except for case, articles and edge punctuation, else 0."""

    name = "exact"

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        return [
            float(normal_phrase(premise) == normal_phrase(hypothesis))
            for premise, hypothesis in pairs
        ]


class OverlapScorer:
    """Share of the hypothesis's words in the premise; numbers count by value.

    Order and meaning are ignored: `the dog bit the man` equals `the man bit the dog`.
    """

    name = "overlap"

    def __init__(self) -> None:
        self._known: dict[str, frozenset[str]] = {}

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        shares = [
            self._share(self._words(premise), self._words(hypothesis))
            for premise, hypothesis in pairs
        ]
        self._known.clear()
        return shares

    @staticmethod
    def _share(premise: frozenset[str], hypothesis: frozenset[str]) -> float:
        return len(premise & hypothesis) / len(hypothesis) if hypothesis else 0.0

    def _words(self, text: str) -> frozenset[str]:
        words = self._known.get(text)
        if words is None:
            values = {f"#{value}" for value in text_numbers(text)}
            plain = {word for word in overlap_words(text) if not word.isdecimal()}
            words = self._known[text] = frozenset(plain | values)
        return words


def scorer_named(name: str) -> EntailmentScorer:
    """Return the scorer `overlap` or `exact`, or that of an entailment model's folder.

    A model needs the extra `local`.
    """
    if name == "overlap":
        return OverlapScorer()
    if name == "exact":
        return ExactScorer()
    return EntailmentModel(name)
