"""A critic's curves as SVG pictures: precision over the share kept, and reliability."""

from __future__ import annotations

from synthkd.critics.calibration import Curve
from synthkd.critics.calibration.bands import precision_bands
from synthkd.critics.calibration.reliability import reliability
from synthkd.reporting.plots import Axis, Plot, picture

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
