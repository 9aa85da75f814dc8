"""The learning curve of a loop by rounds, as an SVG picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from synthkd.reporting.safe_text import html_text

Point = tuple[float, float]
_WIDTH, _HEIGHT, _LEFT, _TOP, _EDGE, _RIGHT = 560, 260, 56, 18, 46, 130
_COLOURS = ("#1f5fa8", "#c2571a", "#3a8a4d", "#8046a0", "#7a7a7a")
_TEXT = "font-family='sans-serif' font-size='12' fill='#444'"
#: Steps that an axis may have.
_STEPS = (1, 2, 5)


def curve(
    panels: Sequence[Mapping[str, Sequence[float | None]]],
    rows: Sequence[int],
    best: int | None = None,
    title: str = "learning curve by rounds",
) -> str:
    """An SVG of figures over rounds, one panel above the other, each with an axis of its own. A panel has for each figure a
    value of each round (None: none); ``rows`` are the training rows of each round, below the axis; ``best``: the round that is
    marked."""
    parts: list[str] = []
    kept = [
        lines for panel in panels if (lines := {n: v for n, v in panel.items() if any(map(_is_number, v))})
    ]
    for number, lines in enumerate(kept or [{}]):
        values = [
            float(value)
            for line in lines.values()
            for value in line
            if value is not None and _is_number(value)
        ]
        plot = _Plot(len(rows), number * _HEIGHT, *_ends(values))
        parts += plot.grid(rows)
        if best is not None:
            parts.append(plot.mark(best))
        for place, (name, line) in enumerate(lines.items()):
            colour = _COLOURS[(place + 3 * number) % len(_COLOURS)]
            parts += plot.line(name, line, colour, place)
    height = _HEIGHT * max(1, len(kept))
    size = f"width='{_WIDTH}' height='{height}' viewBox='0 0 {_WIDTH} {height}'"
    body = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img'>\n<title>{html_text(title)}</title>\n"
        f"<rect width='100%' height='100%' fill='white'/>\n{body}\n</svg>\n"
    )


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _ends(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower end, upper end and step of an axis that holds the values, in round numbers."""
    if not values:
        return 0.0, 1.0, 0.2
    low, high = min(values), max(values)
    width = max(high - low, 0.01)
    power = 10.0 ** math.floor(math.log10(width / 5))
    step = next((s * power for s in _STEPS if width / (s * power) <= 6), 10 * power)
    return (
        math.floor(low / step + 1e-9) * step,
        math.ceil(high / step - 1e-9) * step + (step if low == high else 0),
        step,
    )


class _Plot:
    """Rounds from left to right, figures from ``low`` to ``high``."""

    def __init__(self, rounds: int, top: int, low: float, high: float, step: float) -> None:
        self.rounds, self.top, self.low, self.high, self.step = rounds, top, low, high, step

    def at(self, number: float, value: float) -> Point:
        across = _LEFT + (_WIDTH - _LEFT - _RIGHT) * number / max(1, self.rounds - 1)
        down = self.top + _TOP + (_HEIGHT - _TOP - _EDGE) * (self.high - value) / (self.high - self.low)
        return round(across, 1), round(down, 1)

    def grid(self, rows: Sequence[int]) -> list[str]:
        parts: list[str] = []
        right, digits = _WIDTH - _RIGHT, max(0, -math.floor(math.log10(self.step) + 1e-9))
        for i in range(round((self.high - self.low) / self.step) + 1):
            value = self.low + i * self.step
            _, y = self.at(0, value)
            parts.append(f"<path d='M{_LEFT},{y}H{right}' stroke='#e6e6e6'/>")
            parts.append(
                f"<text x='{_LEFT - 6}' y='{y + 4}' text-anchor='end' {_TEXT}>{value:.{digits}f}</text>"
            )
        every = max(1, math.ceil(self.rounds / 11))
        for number in range(0, self.rounds, every):
            x, y = self.at(number, self.low)
            parts.append(f"<text x='{x}' y='{y + 16}' text-anchor='middle' {_TEXT}>{number}</text>")
            parts.append(
                f"<text x='{x}' y='{y + 31}' text-anchor='middle' font-family='sans-serif' font-size='10'"
                f" fill='#888'>{rows[number]:,}</text>"
            )
        bottom = self.top + _HEIGHT - _EDGE
        parts.append(f"<text x='{right + 24}' y='{bottom + 16}' {_TEXT}>round</text>")
        parts.append(
            f"<text x='{right + 24}' y='{bottom + 31}' font-family='sans-serif' font-size='10' fill='#888'>training rows</text>"
        )
        return parts

    def mark(self, number: int) -> str:
        x, bottom = self.at(number, self.low)
        _, top = self.at(number, self.high)
        return (
            f"<path d='M{x},{top}V{bottom}' stroke='#b9b9b9' stroke-dasharray='4 4'/>"
            f"<text x='{x}' y='{top - 5}' text-anchor='middle' font-family='sans-serif' font-size='10' fill='#888'>best</text>"
        )

    def line(self, name: str, values: Sequence[float | None], colour: str, place: int) -> list[str]:
        points = [
            self.at(number, value)
            for number, value in enumerate(values)
            if value is not None and math.isfinite(value)
        ]
        path = " ".join(f"{x},{y}" for x, y in points)
        height = self.top + _TOP + 14 + 18 * place
        left = _WIDTH - _RIGHT + 10
        return [
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>",
            *(f"<circle cx='{x}' cy='{y}' r='3' fill='{colour}'/>" for x, y in points),
            f"<path d='M{left},{height - 4}h18' stroke='{colour}' stroke-width='2'/>",
            f"<text x='{left + 24}' y='{height}' {_TEXT}>{html_text(name)}</text>",
        ]
