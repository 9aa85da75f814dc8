"""Plots with matplotlib: precision over yield, reliability, and learning curves.

Each function draws on the axes that it is given, or on new ones, and returns them, so that a
notebook can change and save them: ``axes.figure.savefig("curve.pdf")``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synthkd.critics.calibration.bands import precision_bands
from synthkd.critics.plots import reliability
from synthkd.errors import InputError, nearest, require_extra
from synthkd.loops.summary import METRIC_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from synthkd.critics.of_rows import Critic
    from synthkd.loops.result import DistillResult

_LINE, _BAND = "#1f5fa8", "#9dbfe3"


def plot_precision_yield(critic: Critic, axes: Axes | None = None, confidence: float = 0.9) -> Axes:
    """Plot a critic's precision over the share of rows that it keeps, with its band.

    Args:
        critic: A critic with held-out rows.
        axes: Where it is drawn; by default on new axes.
        confidence: Confidence of the pointwise band.

    Raises:
        CriticError: The critic has no held-out rows.
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> import synthkd
        >>> axes = synthkd.plot_precision_yield(synthkd.Critic.load("everyday"))
        >>> axes.get_xlabel()
        'share of rows kept'
    """
    axes = _axes(axes, "plot_precision_yield")
    bands = precision_bands(critic.curve, confidence, places=40)
    kept = [band.kept for band in bands]
    axes.fill_between(
        kept, [band.pointwise[0] for band in bands], [band.pointwise[1] for band in bands],
        color=_BAND, alpha=0.6, linewidth=0, label=f"{confidence:.0%} interval",
    )  # fmt: skip
    axes.plot(kept, [band.precision for band in bands], color=_LINE, label=critic.name)
    axes.set(xlabel="share of rows kept", ylabel="precision", xlim=(0, 1), ylim=(None, 1))
    axes.legend()
    return axes


def plot_reliability(critic: Critic, axes: Axes | None = None, bins: int = 15) -> Axes:
    """Plot the share of valid rows over the score, in bins with as many rows each.

    Args:
        critic: A critic with held-out rows.
        axes: Where it is drawn; by default on new axes.
        bins: Number of bins.

    Raises:
        CriticError: The critic has no held-out rows.
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> import synthkd
        >>> axes = synthkd.plot_reliability(synthkd.Critic.load("everyday"), bins=10)
        >>> axes.get_ylabel()
        'share valid'
    """
    axes = _axes(axes, "plot_reliability")
    rows = reliability(critic.curve, bins)
    axes.plot((0, 1), (0, 1), color="#bbbbbb", label="perfect")
    axes.errorbar(
        [one.score for one in rows], [one.valid for one in rows],
        ([one.valid - one.low for one in rows], [one.high - one.valid for one in rows]),
        fmt="o", color=_LINE, ecolor=_BAND, label=f"{critic.name}, 95% intervals",
    )  # fmt: skip
    axes.set(xlabel="score", ylabel="share valid", xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    return axes


def plot_learning_curve(
    result: DistillResult, metric: str | None = None, axes: Axes | None = None
) -> Axes:
    """Plot a figure of a loop's students over the training rows of its rounds.

    Args:
        result: The result of `distill`.
        metric: Name of the figure; by default the first of the loop.
        axes: Where it is drawn; by default on new axes.

    Raises:
        InputError: The loop has no such figure.
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> import synthkd
        >>> path = synthkd.write_starter("loop", "pgkd")
        >>> recipe = synthkd.Recipe.load(path, ["loop.rounds=1", "loop.rows=24"])
        >>> axes = synthkd.plot_learning_curve(synthkd.distill(recipe, quiet=True))
        >>> axes.get_xlabel()
        'training rows'
    """
    metric = result.metrics[0] if metric is None else metric
    if metric not in result.metrics:
        raise InputError(f"no figure {metric!r}{nearest(metric, list(result.metrics))}")
    axes = _axes(axes, "plot_learning_curve")
    points = [
        (one.record["rows"], value, one.number)
        for one, figures in zip(result.rounds, result.figures, strict=True)
        if (value := figures.get(metric)) is not None
    ]
    axes.plot([rows for rows, *_ in points], [value for _, value, _ in points], "o-", color=_LINE)
    for rows, value, number in points:
        if number == result.best:
            axes.plot([rows], [value], "o", color="#c2571a", label=f"best: round {number}")
            axes.legend()
    axes.set(xlabel="training rows", ylabel=METRIC_NAMES.get(metric, metric))
    return axes


def _axes(axes: Axes | None, name: str) -> Any:
    """Return the axes, or new ones of a figure of their own."""
    if axes is not None:
        return axes
    require_extra(name, "plots", "matplotlib")
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained")[1]
