"""The learning curve of a loop by rounds, as an SVG picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from synthkd.reporting.plots import Axis, Plot, picture, round_axis

_WIDTH, _HEIGHT = 560, 260
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 18, 130, 46
_COLOURS = ("#1f5fa8", "#c2571a", "#3a8a4d", "#8046a0", "#7a7a7a")
#: Rounds that the axis names at most.
_MOST_ROUNDS = 11


def curve(
    panels: Sequence[Mapping[str, Sequence[float | None]]],
    rows: Sequence[int],
    best: int | None = None,
    title: str = "learning curve by rounds",
) -> str:
    """Plot figures over rounds, one panel below the other.

    Args:
        panels: For each panel, the values of each figure by round; None for a round without one.
        rows: Training rows of each round, shown below the axis.
        best: Round to mark.
        title: Title of the picture.
    """
    kept = [
        finite
        for panel in panels
        if (finite := {n: p for n, v in panel.items() if (p := _finite_points(v))})
    ]
    plots = []
    for number, lines in enumerate(kept or [{}]):
        axis = round_axis([value for points in lines.values() for _, value in points])
        plot = _panel(number, rows, axis)
        if best is not None:
            _mark(plot, best)
        for place, (name, points) in enumerate(lines.items()):
            colour = _COLOURS[(place + 3 * number) % len(_COLOURS)]
            plot.line(points, colour)
            for point in points:
                plot.dot(point, colour)
            _legend(plot, name, colour, place)
        plots.append(plot)
    return picture(_WIDTH, _HEIGHT * len(plots), title, plots)


def _finite_points(values: Sequence[float | None]) -> list[tuple[float, float]]:
    return [
        (number, float(value))
        for number, value in enumerate(values)
        if value is not None and math.isfinite(value)
    ]


def _panel(number: int, rows: Sequence[int], axis: Axis) -> Plot:
    top, bottom = number * _HEIGHT + _TOP, (number + 1) * _HEIGHT - _BOTTOM
    plot = Plot(_LEFT, _WIDTH - _RIGHT, top, bottom, x=(0, max(1, len(rows) - 1)), y=axis[:2])
    plot.horizontal_grid(axis.ticks, axis.decimals)
    for round_ in range(0, len(rows), max(1, math.ceil(len(rows) / _MOST_ROUNDS))):
        x, y = plot.at(round_, axis.low)
        plot.text(x, y + 16, str(round_), anchor="middle")
        plot.text(x, y + 31, f"{rows[round_]:,}", anchor="middle", note=True)
    plot.text(plot.right + 24, bottom + 16, "round")
    plot.text(plot.right + 24, bottom + 31, "training rows", note=True)
    return plot


def _mark(plot: Plot, round_: int) -> None:
    x, _ = plot.at(round_, plot.y[0])
    plot.parts.append(
        f"<path d='M{x},{plot.top}V{plot.bottom}' stroke='#b9b9b9' stroke-dasharray='4 4'/>"
    )
    plot.text(x, plot.top - 5, "best", anchor="middle", note=True)


def _legend(plot: Plot, name: str, colour: str, place: int) -> None:
    left, y = plot.right + 10, plot.top + 14 + 18 * place
    plot.parts.append(f"<path d='M{left},{y - 4}h18' stroke='{colour}' stroke-width='2'/>")
    plot.text(left + 24, y, name)
