"""A critic's curves as SVG pictures: precision over the share kept, and reliability in bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthkd.critics.calibration import Curve
from synthkd.critics.calibration.bands import precision_bands
from synthkd.critics.calibration.bounds import clopper_pearson_lower, clopper_pearson_upper
from synthkd.reporting.plots import Axis, Plot, picture
from synthkd.statistics import equal_mass_bins

_WIDTH, _HEIGHT = 420, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 14, 14, 42
#: Possible lower ends of the precision axis: five steps from each to 1 are round numbers.
_FLOORS = (0.9, 0.75, 0.5, 0.0)
_LINE, _DARK, _LIGHT, _DIAGONAL = "#1f5fa8", "#9dbfe3", "#cfe0f2", "#bbb"


def precision_picture(curve: Curve, confidence: float = 0.9) -> str:
    """Plot precision over the share of rows kept, with two bands."""
    bands = precision_bands(curve, confidence, places=40)
    low = min(band.simultaneous[0] for band in bands)
    plot = unit_plot("share of rows kept", "precision", floor=next(f for f in _FLOORS if f <= low))
    plot.band([(band.kept, *band.simultaneous) for band in bands], _LIGHT)
    plot.band([(band.kept, *band.pointwise) for band in bands], _DARK)
    plot.line([(band.kept, band.precision) for band in bands], _LINE)
    title = f"precision over the share of rows kept, with {confidence:.0%} bands"
    return picture(_WIDTH, _HEIGHT, title, [plot])


def reliability_picture(curve: Curve) -> str:
    """Plot the share valid over the score, in bins of equal mass with 95 % intervals.

    The diagonal is perfect.
    """
    plot = unit_plot("score", "share valid")
    plot.line([(0, 0), (1, 1)], _DIAGONAL)
    for bin_ in reliability(curve):
        plot.line([(bin_.score, bin_.low), (bin_.score, bin_.high)], _DARK)
        plot.dot((bin_.score, bin_.valid), _LINE, radius=3.5)
    return picture(_WIDTH, _HEIGHT, "reliability: share valid over the score", [plot])


def unit_plot(x: str, y: str, floor: float = 0.0) -> Plot:
    """Return an empty plot of shares: from 0 to 1 across, from ``floor`` to 1 upwards."""
    plot = Plot(_LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM, y=(floor, 1))
    plot.vertical_grid(Axis(0, 1, 0.2).ticks, 1)
    plot.horizontal_grid(Axis(floor, 1, (1 - floor) / 5).ticks, 2)
    plot.axis_names(x, y)
    return plot


@dataclass(frozen=True)
class Bin:
    """One bin of the reliability table: rows, mean score, share valid and its 95 % interval."""

    rows: int
    score: float
    valid: float
    low: float
    high: float


def reliability(curve: Curve, bins: int = 15) -> list[Bin]:
    """Return bins with equal numbers of rows, from the lowest scores to the highest.

    Equal scores share a bin.
    """
    scores, labels = curve.scores[::-1], curve.labels[::-1]
    weights = np.ones(len(scores)) if curve.weights is None else curve.weights[::-1]
    places = equal_mass_bins(scores, bins)
    table = []
    for place in np.unique(places):
        here = places == place
        share = weights[here] / weights[here].sum()
        size = max(int(1 / float((share**2).sum()) + 1e-6), 1)
        valid = float(share @ labels[here])
        count = min(round(valid * size), size)
        table.append(
            Bin(
                int(here.sum()), float(share @ scores[here]), valid,
                clopper_pearson_lower(count, size, 0.025), clopper_pearson_upper(count, size,
                0.025),
            )
        )  # fmt: skip
    return table
