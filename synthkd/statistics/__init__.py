"""Statistics that several rooms need: calibration error, bootstrap, expectation maximisation."""

from synthkd.statistics.bootstrap import Interval, draw_counts, percentile_interval
from synthkd.statistics.calibration_error import calibration_error, equal_mass_bins
from synthkd.statistics.latent_truth import expectation_maximisation

__all__ = [
    "Interval",
    "calibration_error",
    "draw_counts",
    "equal_mass_bins",
    "expectation_maximisation",
    "percentile_interval",
]
