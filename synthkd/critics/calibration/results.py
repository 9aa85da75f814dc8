"""What a calibration ends with: a threshold that keeps the promise, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """A threshold that keeps the asked precision: accept where score >= threshold.

    ``precision``, ``kept`` and ``recall`` are those of the held-out rows (weighted, where they have weights).
    ``lower_bound`` is the bound at this threshold alone; the promise, which counts that many thresholds were
    looked at, is ``asked``. ``decided`` is the number of rows whose accepted part the promise is about; None
    means all that could ever be drawn.
    """

    threshold: float
    asked: float
    confidence: float
    lower_bound: float
    precision: float
    kept: float
    recall: float
    held_out: int
    decided: int | None = None
    #: Independent labels that tell as much, where rows hang together.
    effective: int | None = None

    def sentence(self) -> str:
        """In words."""
        about = "" if self.decided is None else f", in what is accepted of {self.decided:,} rows"
        return (
            f"precision {self.asked:.2f} asked: threshold {self.threshold:.4f} keeps {self.kept:.1%} of the rows and"
            f" {self.recall:.1%} of the valid ones; precision {self.precision:.3f} on {self.held_out:,} held-out"
            f" labels{effective_labels_note(self.effective)}, at least {self.asked:.2f} with {self.confidence:.0%} confidence{about}"
        )


@dataclass(frozen=True)
class Unreachable:
    """No threshold passes.

    ``best_precision`` is the highest seen at a cut that keeps a twentieth of the rows or a multiple of it;
    ``best_threshold`` makes that cut. No target enters. ``labels_needed``: held-out labels in all that would
    probably do, if the figures seen are true; ``labels_safe``: if one row of each verdict more had been seen.
    """

    asked: float
    confidence: float
    best_precision: float
    best_kept: float
    labels_needed: int | None
    held_out: int
    effective: int | None = None
    best_threshold: float = 0.0
    labels_safe: int | None = None

    @property
    def advice(self) -> str:
        """What is the matter and what would help."""
        seen = (
            f"a precision of {self.asked:.2f} with {self.confidence:.0%} confidence could not be had: the best on"
            f" {self.held_out:,} held-out labels{effective_labels_note(self.effective)} was {self.best_precision:.3f}, on the top {self.best_kept:.0%} of rows."
        )
        if self.labels_needed is None:
            return seen + " More labels alone will not help: ask for less, or train a better critic."
        more = max(self.labels_needed - self.held_out, 1)
        of = "" if self.effective is None else " of other groups"
        return (
            f"{seen} About {more:,} more held-out labels{of} would make it pass if that figure is true{self._safe()}; or ask"
            " for less."
        )

    def _safe(self) -> str:
        """How many labels would do if the best cut was seen too good."""
        if self.labels_safe is None:
            return ", and no number of them if one more wrong row shows"
        if self.labels_safe == self.labels_needed:
            return ""
        return f", and about {self.labels_safe - self.held_out:,} if one more wrong row shows"

    def sentence(self) -> str:
        """In words."""
        return self.advice


def effective_labels_note(effective: int | None) -> str:
    """In words, for labels of clustered rows."""
    return "" if effective is None else f" (worth about {effective:,} independent ones)"
