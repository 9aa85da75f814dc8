"""Precision, recall and F1 of spans: exact places and types, over all spans (micro).

The definition is that of seqeval and of the CoNLL-2003 task (Tjong Kim Sang & De Meulder 2003): a
predicted span counts if start, end and type are those of a true one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from synthkd.errors import StudentError
from synthkd.reporting.tables import html_table, text_table
from synthkd.statistics import Interval, draw_counts, percentile_interval
from synthkd.students.base import Floats, Ints
from synthkd.students.spans import Spans, TypedSpan


@dataclass(frozen=True)
class TypeFigures:
    """Figures of the spans of one type; recall is None without a true span."""

    type: str
    precision: float
    recall: float | None
    f1: float
    true: int
    predicted: int


@dataclass(frozen=True)
class SpanEvaluation:
    """The result of `evaluate_spans`.

    Attributes:
        rows: Texts.
        true: True spans.
        predicted: Predicted spans.
        counts: (rows, 3) of each text: right, predicted and true spans.
        intervals: 95 % intervals of `precision`, `recall` and `f1`, by a bootstrap over texts.
    """

    rows: int
    true: int
    predicted: int
    precision: float
    recall: float
    f1: float
    per_type: tuple[TypeFigures, ...]
    counts: Ints
    intervals: dict[str, Interval] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            "rows": self.rows, "true": self.true, "predicted": self.predicted,
            "precision": self.precision, "recall": self.recall, "f1": self.f1,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "per_type": [asdict(one) for one in self.per_type],
        }  # fmt: skip

    def __str__(self) -> str:
        return "\n\n".join(text_table(lines) for lines in self._tables())

    def _repr_html_(self) -> str:
        return "".join(html_table(lines) for lines in self._tables())

    def _tables(self) -> list[list[list[str]]]:
        figures = [["", "value", "95 % interval" if self.intervals else ""]]
        for name, value in (
            ("texts", self.rows), ("true spans", self.true), ("predicted spans", self.predicted),
        ):  # fmt: skip
            figures.append([name, f"{value:,}", ""])
        for name in ("precision", "recall", "f1"):
            ends = self.intervals.get(name)
            interval = f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else ""
            figures.append([name, f"{getattr(self, name):.3f}", interval])
        types = [["type", "spans", "precision", "recall", "f1"]]
        for one in self.per_type:
            recall = "" if one.recall is None else f"{one.recall:.3f}"
            types.append(
                [one.type, f"{one.true:,}", f"{one.precision:.3f}", recall, f"{one.f1:.3f}"]
            )
        return [figures, types]


def count_spans(true: Sequence[Spans], predicted: Sequence[Spans]) -> Ints:
    """Return (n, 3) counts of each text: spans that are right, predicted and true.

    Raises:
        StudentError: There are other texts on one side.
    """
    if len(true) != len(predicted):
        raise StudentError(f"{len(true)} texts with true spans, {len(predicted)} with predicted")
    counts = np.zeros((len(true), 3), np.int64)
    for row, (gold, found) in enumerate(zip(true, predicted, strict=True)):
        own, others = {span.key for span in gold}, {span.key for span in found}
        counts[row] = len(own & others), len(others), len(own)
    return counts


def micro_scores(counts: Any) -> tuple[float, float, float]:
    """Return precision, recall and F1 of summed counts (3,); 0 where nothing is divided by."""
    right, predicted, true = (float(count) for count in counts)
    precision, recall = right / predicted if predicted else 0.0, right / true if true else 0.0
    return precision, recall, 2 * right / (predicted + true) if predicted + true else 0.0


def evaluate_spans(
    true: Sequence[Spans], predicted: Sequence[Spans], draws: int = 1000, seed: int = 0
) -> SpanEvaluation:
    """Evaluate predicted spans.

    Args:
        true: The true spans of each text.
        predicted: The predicted ones.
        draws: Draws of the bootstrap over texts; 0 for no intervals.
        seed: Seed of the draws.

    Raises:
        StudentError: There are no texts, or not the same number on both sides.
    """
    if not len(true):
        raise StudentError("no rows to evaluate the student on")
    counts = count_spans(true, predicted)
    precision, recall, f1 = micro_scores(counts.sum(0))
    names = sorted({span.type for side in (true, predicted) for spans in side for span in spans})
    return SpanEvaluation(
        rows=len(true), true=int(counts[:, 2].sum()), predicted=int(counts[:, 1].sum()),
        precision=precision, recall=recall, f1=f1,
        per_type=tuple(_of_type(name, true, predicted) for name in names), counts=counts,
        intervals=_intervals(counts, draws, seed) if draws else {},
    )  # fmt: skip


def _of_type(name: str, true: Sequence[Spans], predicted: Sequence[Spans]) -> TypeFigures:
    def of_name(side: Sequence[Spans]) -> list[tuple[TypedSpan, ...]]:
        return [tuple(span for span in spans if span.type == name) for spans in side]

    counts = count_spans(of_name(true), of_name(predicted)).sum(0)
    precision, recall, f1 = micro_scores(counts)
    return TypeFigures(
        name, precision, recall if counts[2] else None, f1, int(counts[2]), int(counts[1])
    )


def _intervals(counts: Ints, draws: int, seed: int) -> dict[str, Interval]:
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    samples = np.concatenate([drawn @ patterns for drawn in draw_counts(times, draws, seed)])
    right, predicted, true = samples.T
    return {
        "precision": percentile_interval(right / np.maximum(predicted, 1)),
        "recall": percentile_interval(right / np.maximum(true, 1)),
        "f1": percentile_interval(_f1(samples)),
    }


def _f1(counts: Any) -> Floats:
    f1: Floats = 2 * counts[..., 0] / np.maximum(counts[..., 1] + counts[..., 2], 1)
    return f1


def paired_span_bootstrap(
    counts_a: Any, counts_b: Any, draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Return the difference a - b of two micro F1 on the same texts, with its 95 % interval.

    Args:
        counts_a: (n, 3) counts of `count_spans`, or (s, n, 3) for s trainings (seeds) evaluated on
            the same texts; then trainings and texts are both drawn, and the difference is the mean
            over the trainings.
        counts_b: The same for b.
        draws: Draws of the bootstrap.
        seed: Seed of the draws.
    """
    a, b = (np.asarray(each, dtype=np.int64) for each in (counts_a, counts_b))
    a, b = (each[None] if each.ndim == 2 else each for each in (a, b))
    if a.shape != b.shape or not a.size:
        raise ValueError(f"a pair needs the same texts on both sides, not {a.shape} and {b.shape}")
    trainings, texts = a.shape[:2]
    both = np.concatenate([a, b], axis=2).transpose(1, 0, 2).reshape(texts, -1)
    point = float((_f1(a.sum(1)) - _f1(b.sum(1))).mean())
    rng = np.random.default_rng([seed, 1])
    differences = []
    for drawn in draw_counts(np.ones(texts), draws, seed):
        sums = (drawn @ both).reshape(len(drawn), trainings, 6)
        per_training = _f1(sums[..., :3]) - _f1(sums[..., 3:])
        shares = rng.multinomial(trainings, np.full(trainings, 1 / trainings), len(drawn))
        differences.append((per_training * shares).sum(1) / trainings)
    return (point, *percentile_interval(np.concatenate(differences)))
