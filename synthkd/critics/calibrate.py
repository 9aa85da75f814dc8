"""From held-out scores and labels to a threshold that keeps an asked precision: the names of `calibration`."""

from synthkd.critics.calibration import (
    Curve,
    Evidence,
    GroupThresholds,
    Plan,
    Threshold,
    Unreachable,
    choose_by_group,
    choose_threshold,
    clopper_pearson_lower,
    clopper_pearson_upper,
)

__all__ = [
    "Curve",
    "Evidence",
    "GroupThresholds",
    "Plan",
    "Threshold",
    "Unreachable",
    "choose_by_group",
    "choose_threshold",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
]
