"""Texts that a language model finds hardly likelier among the real rows of their class.

    (log p(text | list of real rows of its class) - log p(text | list without rows)) / tokens

The label is judged by how well it explains the text, as by a noisy channel (Min et al. 2022, arXiv
2108.04106), beside what the model thinks of the text anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from synthkd.errors import require_extra
from synthkd.filters.base import Reasons
from synthkd.filters.real_rows import Numbers, RealRowsRule
from synthkd.kinds.base import Kind
from synthkd.text.normal_forms import normal_text

if TYPE_CHECKING:
    from synthkd.teachers.transformers.scoring import TextScorer

#: Real rows that stand for a class.
_SHOTS = 5
#: A list without rows.
_REFERENCE = "Texts:\n-"


class LikelihoodRatio(RealRowsRule):
    """Reject texts that their class does not explain.

    A local model reads a list of real rows of a class, and gives a text that goes on with it a
    log-probability; a list without rows is the measure of the text itself. The threshold lets all
    but `real_rows_lost` of the real rows pass, each held against a list without it.
    """

    name: ClassVar[str] = "likelihood_ratio"
    path_options: ClassVar[frozenset[str]] = frozenset({"model"})

    class Options(RealRowsRule.Options):
        real_rows_lost: float = Field(
            0.2,
            ge=0,
            lt=1,
            description="Share of the real rows that the rule would reject, each held against a"
            " list without it. It sets the threshold.",
        )
        model: str = Field(
            description="Causal model: checkpoint folder, GGUF file or hub name (extra `local`)."
            " The teacher itself, or a better one."
        )
        heading: str = Field(
            'Texts of the class "{label}":',
            description="What stands above a list of real rows; `{label}` is the class.",
        )
        threads: int | None = Field(None, ge=1, description="CPU threads of the model.")
        max_real_rows: int = Field(
            400,
            ge=2,
            description="Real rows at most, drawn evenly from the classes. For the threshold, each"
            " needs a list without it, which has to be read.",
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._loaded: TextScorer | None = None

    def check_kind(self, kind: Kind) -> None:
        super().check_kind(kind)
        require_extra(f"the rule {self.name!r}", "local", "torch", "transformers")

    def fit(self, rows: Sequence[tuple[str, str]]) -> None:
        by_label: dict[str, list[str]] = defaultdict(list)
        for text, label in rows:
            by_label[label].append(text)
        self._real = dict(by_label)
        # A class of one row has none left without it.
        held = [(text, label) for text, label in rows if len(self._real[label]) > 1]
        own = [self._score(self._list(label, without=text), [text])[0] for text, label in held]
        ratios = np.array(own) - self._score(_REFERENCE, [text for text, _ in held])
        self._known = {
            (normal_text(text), label): ratio
            for (text, label), ratio in zip(held, ratios.tolist(), strict=True)
        }
        self.threshold = self.threshold_at()

    def threshold_at(self, share: float | None = None) -> float:
        """Return the threshold that loses a share of the real rows; see `allowed`."""
        ordered = sorted(self._known.values())
        return ordered[self.allowed(len(ordered), share)] if ordered else -np.inf

    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Reasons:
        places = [place for place, label in enumerate(labels) if label in self._real]
        ratios = self.ratios(
            [texts[place] for place in places], [labels[place] for place in places]
        )
        reasons: Reasons = [None] * len(texts)
        for place, ratio in zip(places, ratios.tolist(), strict=True):
            # A real row that comes again is held against the list without it.
            found = self._known.get((normal_text(texts[place]), labels[place]), ratio)
            if found < self.threshold:
                reasons[place] = (
                    f"hardly likelier as {labels[place]!r} ({found:+.2f} nats a token, at least"
                    f" {self.threshold:+.2f})"
                )
        return reasons

    def ratios(self, texts: Sequence[str], labels: Sequence[str]) -> Numbers:
        """Return how much likelier each text is under its class, in nats a token."""
        ratios = -self._score(_REFERENCE, texts)
        by_label: dict[str, list[int]] = defaultdict(list)
        for place, label in enumerate(labels):
            by_label[label].append(place)
        for label, places in by_label.items():
            ratios[places] += self._score(self._list(label), [texts[place] for place in places])
        return ratios

    @property
    def _scorer(self) -> TextScorer:
        """The model, loaded when the first text is judged."""
        if self._loaded is None:
            from synthkd.recipe import TeacherPart
            from synthkd.teachers.transformers.scoring import TextScorer

            part = TeacherPart(
                backend="transformers", model=self.options.model, threads=self.options.threads
            )
            self._loaded = TextScorer.load(part, Path())
        return self._loaded

    def _list(self, label: str, without: str | None = None) -> str:
        """Return a list of real rows of a class that a text can go on with."""
        texts = [text for text in self._real[label] if text != without][:_SHOTS]
        lines = "".join(f"- {' '.join(text.split())}\n" for text in texts)
        return f"{self.options.heading.replace('{label}', label)}\n{lines}-"

    def _score(self, beginning: str, texts: Sequence[str]) -> Numbers:
        """Return the log-probability of each text as the next line, a token."""
        lines = [f" {' '.join(text.split())}\n" for text in texts]
        sums, counts = self._scorer.log_probabilities(beginning, lines)
        return np.asarray(sums / np.maximum(counts, 1))
