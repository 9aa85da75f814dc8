"""Results of a calibration: a threshold with a guarantee, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """A threshold that guarantees a target precision: accept rows with score >= threshold.

    Attributes:
        threshold: Lowest accepted score.
        target_precision: The guaranteed precision, which allows for the many thresholds tested.
        confidence: Confidence of the guarantee.
        lower_bound: Bound on the precision at this threshold alone.
        precision: Precision of the held-out rows, weighted if they have weights; likewise ``kept``
            and ``recall``.
        kept: Share of rows kept.
        recall: Share of valid rows kept.
        held_out: Number of held-out labels.
        decided: Number of rows whose accepted part the guarantee is about; None for the population.
        effective: Number of independent labels that clustered ones are worth; None if rows are not
            clustered.
    """

    threshold: float
    target_precision: float
    confidence: float
    lower_bound: float
    precision: float
    kept: float
    recall: float
    held_out: int
    decided: int | None = None
    effective: int | None = None

    def sentence(self) -> str:
        """Describe the result."""
        about = "" if self.decided is None else f", in the accepted part of {self.decided:,} rows"
        return (
            f"target precision {self.target_precision:.2f}: threshold {self.threshold:.4f} keeps"
            f" {self.kept:.1%} of the rows and {self.recall:.1%} of the valid ones; precision"
            f" {self.precision:.3f} on {self.held_out:,} held-out"
            f" labels{effective_labels_note(self.effective)}, at least {self.target_precision:.2f}"
            f" with {self.confidence:.0%} confidence{about}"
        )


@dataclass(frozen=True)
class Unreachable:
    """The result if no threshold passes.

    Attributes:
        target_precision: The precision that cannot be guaranteed.
        confidence: Confidence of the tests.
        best_precision: Highest precision observed at a cut that keeps a twentieth of the rows or a
            multiple of it, whatever the target.
        best_kept: Share of rows that this cut keeps.
        labels_needed: Held-out labels in all that would probably suffice, if the observed figures
            are true.
        held_out: Number of held-out labels.
        effective: Number of independent labels that clustered ones are worth; None if rows are not
            clustered.
        best_threshold: Threshold of the best cut.
        labels_safe: Like ``labels_needed``, if one more row of each verdict had been observed.
    """

    target_precision: float
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
        """The problem, and what would help."""
        seen = (
            f"the target precision {self.target_precision:.2f} cannot be reached with"
            f" {self.confidence:.0%} confidence: the best on"
            f" {self.held_out:,} held-out labels{effective_labels_note(self.effective)} was"
            f" {self.best_precision:.3f}, on the top {self.best_kept:.0%} of rows."
        )
        if self.labels_needed is None:
            return (
                seen + " More labels alone will not help: choose a lower target, or train a better"
                " critic."
            )
        more = max(self.labels_needed - self.held_out, 1)
        of = "" if self.effective is None else " of other groups"
        return (
            f"{seen} About {more:,} more held-out labels{of} would make it pass if that figure is"
            f" true{self._safe()}; or choose a lower target."
        )

    def _safe(self) -> str:
        """Say how many labels would suffice if the best cut looked too good."""
        if self.labels_safe is None:
            return ", and no number of them if one more wrong row shows"
        if self.labels_safe == self.labels_needed:
            return ""
        return f", and about {self.labels_safe - self.held_out:,} if one more wrong row shows"

    def sentence(self) -> str:
        """Describe the result."""
        return self.advice


def effective_labels_note(effective: int | None) -> str:
    """Return the note on the worth of clustered labels."""
    return "" if effective is None else f" (worth about {effective:,} independent ones)"
