"""Line plots as SVG pictures: axes, bands, lines and dots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from synthkd.reporting.safe_text import html_text

Point = tuple[float, float]
#: Colours of text, of small text and of grid lines.
TEXT, NOTE, GRID = "#444", "#888", "#e6e6e6"
#: Multiples of a power of ten that an axis may have as its step.
_STEPS = (1, 2, 5)
_MOST_STEPS = 6


class Axis(NamedTuple):
    """Lowest and highest value of an axis, and the step between its ticks."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [self.low + i * self.step for i in range(count + 1)]

    @property
    def decimals(self) -> int:
        """Decimals with which all ticks can be told apart."""
        return max(0, -math.floor(math.log10(self.step) + 1e-9))


def round_axis(values: Sequence[float]) -> Axis:
    """Return an axis in round numbers that contains all values; from 0 to 1 if there are none."""
    if not values:
        return Axis(0.0, 1.0, 0.2)
    low, high = min(values), max(values)
    width = max(high - low, 0.01)
    power = 10.0 ** math.floor(math.log10(width / 5))
    step = next((s * power for s in _STEPS if width / (s * power) <= _MOST_STEPS), 10 * power)
    top = math.ceil(high / step - 1e-9) * step + (step if low == high else 0)
    return Axis(math.floor(low / step + 1e-9) * step, top, step)


class Plot:
    """One panel of a picture; `parts` are its SVG elements.

    Args:
        left: Left edge of the panel, in pixels; likewise ``right``, ``top`` and ``bottom``.
        x: Lowest and highest value across.
        y: Lowest and highest value upwards; lower values are drawn on the lower edge.
    """

    def __init__(
        self,
        left: float,
        right: float,
        top: float,
        bottom: float,
        x: Point = (0, 1),
        y: Point = (0, 1),
    ) -> None:
        self.left, self.right, self.top, self.bottom = left, right, top, bottom
        self.x, self.y = x, y
        self.parts: list[str] = []

    def at(self, x: float, y: float) -> Point:
        """Return the pixel of a point."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        down = (self.y[1] - max(y, self.y[0])) / (self.y[1] - self.y[0])
        return (
            round(self.left + across * (self.right - self.left), 1),
            round(self.top + down * (self.bottom - self.top), 1),
        )

    def horizontal_grid(self, ticks: Iterable[float], decimals: int) -> None:
        """Draw a line across and its value for each tick."""
        for tick in ticks:
            _, y = self.at(self.x[0], tick)
            self.parts.append(f"<path d='M{self.left},{y}H{self.right}' stroke='{GRID}'/>")
            self.text(self.left - 6, y + 4, f"{tick:.{decimals}f}", anchor="end")

    def vertical_grid(self, ticks: Iterable[float], decimals: int) -> None:
        """Draw a line upwards and its value for each tick."""
        for tick in ticks:
            x, _ = self.at(tick, self.y[0])
            self.parts.append(f"<path d='M{x},{self.bottom}V{self.top}' stroke='{GRID}'/>")
            self.text(x, self.bottom + 16, f"{tick:.{decimals}f}", anchor="middle")

    def band(self, points: Sequence[tuple[float, float, float]], colour: str) -> None:
        """Fill the area between two lines, given as (x, low, high)."""
        there = [self.at(x, high) for x, _, high in points]
        back = [self.at(x, low) for x, low, _ in reversed(points)]
        self.parts.append(f"<polygon points='{_path(there + back)}' fill='{colour}'/>")

    def line(self, points: Sequence[Point], colour: str) -> None:
        """Join points by a line."""
        path = _path([self.at(*point) for point in points])
        self.parts.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>"
        )

    def dot(self, point: Point, colour: str, radius: float = 3) -> None:
        """Draw a point."""
        x, y = self.at(*point)
        self.parts.append(f"<circle cx='{x}' cy='{y}' r='{radius}' fill='{colour}'/>")

    def text(
        self, x: float, y: float, text: str, anchor: str = "start", note: bool = False
    ) -> None:
        """Write at a pixel; ``note``: smaller and lighter."""
        self.parts.append(f"<text x='{x}' y='{y}'{_style(anchor, note)}>{html_text(text)}</text>")

    def axis_names(self, x: str, y: str) -> None:
        """Name both axes."""
        self.text((self.left + self.right) / 2, self.bottom + 36, x, anchor="middle")
        down = (self.top + self.bottom) / 2
        self.parts.append(
            f"<text x='12' y='{down}' transform='rotate(-90 12"
            f" {down})'{_style('middle', False)}>{html_text(y)}</text>"
        )


def picture(width: int, height: int, title: str, plots: Iterable[Plot]) -> str:
    """Return the SVG of some panels; screen readers read ``title``."""
    body = "\n".join(part for plot in plots for part in plot.parts)
    size = f"width='{width}' height='{height}' viewBox='0 0 {width} {height}'"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' {size}"
        f" role='img'>\n<title>{html_text(title)}</title>\n"
        f"<rect width='100%' height='100%' fill='white'/>\n{body}\n</svg>\n"
    )


def _path(points: Sequence[Point]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _style(anchor: str, note: bool) -> str:
    size, colour = ("10", NOTE) if note else ("12", TEXT)
    at = "" if anchor == "start" else f" text-anchor='{anchor}'"
    return f"{at} font-family='sans-serif' font-size='{size}' fill='{colour}'"
