"""A critic's curves as SVG pictures: precision over what is kept, and reliability."""

from __future__ import annotations

from collections.abc import Sequence

from synthkd.critics.calibration import Curve
from synthkd.critics.calibration.bands import precision_bands
from synthkd.critics.calibration.reliability import reliability
from synthkd.reporting.safe_text import html_text

Point = tuple[float, float]
_WIDTH, _HEIGHT, _LEFT, _TOP, _EDGE = 420, 300, 52, 14, 42
#: Where the axis of precision may begin: five steps from each come to round numbers.
_FLOORS = (0.9, 0.75, 0.5, 0.0)
_TEXT = "font-family='sans-serif' font-size='12' fill='#444'"


def precision_picture(curve: Curve, confidence: float = 0.9) -> str:
    """Precision over the share of rows kept: pointwise band (dark) and simultaneous band (light)."""
    bands = precision_bands(curve, confidence, places=40)
    low = min(band.simultaneous[0] for band in bands)
    plot = _Plot("share of rows kept", "precision", floor=next(f for f in _FLOORS if f <= low))
    plot.band([(b.kept, *b.simultaneous) for b in bands], "#cfe0f2")
    plot.band([(b.kept, *b.pointwise) for b in bands], "#9dbfe3")
    plot.line([(b.kept, b.precision) for b in bands], "#1f5fa8")
    return plot.svg(f"precision over what is kept, with {confidence:.0%} bands")


def reliability_picture(curve: Curve) -> str:
    """The share that is valid over the score, in bins of equal mass with 95 % intervals; the diagonal is perfect."""
    plot = _Plot("score", "share valid")
    plot.line([(0, 0), (1, 1)], "#bbb")
    for place in reliability(curve):
        plot.line([(place.score, place.low), (place.score, place.high)], "#9dbfe3")
        plot.dot((place.score, place.valid), "#1f5fa8")
    return plot.svg("reliability: is a score of 0.8 right eight times of ten?")


class _Plot:
    """Axes from 0 (or ``floor``) to 1, and what is drawn between them."""

    def __init__(self, x: str, y: str, floor: float = 0.0) -> None:
        self._floor = min(floor, 0.9)
        self._parts = [*self._grid(), *self._names(x, y)]

    def band(self, points: Sequence[tuple[float, float, float]], colour: str) -> None:
        """Fill between two lines: (x, low, high)."""
        there = [self._at(x, high) for x, _, high in points]
        back = [self._at(x, low) for x, low, _ in reversed(points)]
        self._parts.append(f"<polygon points='{' '.join(there + back)}' fill='{colour}'/>")

    def line(self, points: Sequence[Point], colour: str) -> None:
        path = " ".join(self._at(*point) for point in points)
        self._parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")

    def dot(self, point: Point, colour: str) -> None:
        x, y = self._at(*point).split(",")
        self._parts.append(f"<circle cx='{x}' cy='{y}' r='3.5' fill='{colour}'/>")

    def svg(self, title: str) -> str:
        """The picture; ``title`` is read aloud where it cannot be seen."""
        size = f"width='{_WIDTH}' height='{_HEIGHT}' viewBox='0 0 {_WIDTH} {_HEIGHT}'"
        body = "\n".join(self._parts)
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img'>\n<title>{html_text(title)}</title>\n"
            f"<rect width='100%' height='100%' fill='white'/>\n{body}\n</svg>\n"
        )

    def _at(self, x: float, y: float) -> str:
        right = _LEFT + x * (_WIDTH - _LEFT - _TOP)
        share = (max(y, self._floor) - self._floor) / (1 - self._floor)
        down = _TOP + (1 - share) * (_HEIGHT - _TOP - _EDGE)
        return f"{right:.1f},{down:.1f}"

    def _grid(self) -> list[str]:
        parts = []
        for step in range(6):
            share = step / 5
            height = self._floor + share * (1 - self._floor)
            (x, bottom), (left, y) = self._at(share, self._floor).split(","), self._at(0, height).split(",")
            right, top = self._at(1, 1).split(",")
            parts += [
                f"<path d='M{left},{y}H{right}M{x},{bottom}V{top}' stroke='#e6e6e6'/>",
                f"<text x='{x}' y='{float(bottom) + 16}' text-anchor='middle' {_TEXT}>{share:.1f}</text>",
                f"<text x='{_LEFT - 6}' y='{float(y) + 4}' text-anchor='end' {_TEXT}>{height:.2f}</text>",
            ]
        return parts

    def _names(self, x: str, y: str) -> list[str]:
        across, down = (_WIDTH + _LEFT) / 2, (_HEIGHT - _EDGE) / 2
        return [
            f"<text x='{across}' y='{_HEIGHT - 6}' text-anchor='middle' {_TEXT}>{html_text(x)}</text>",
            f"<text x='12' y='{down}' text-anchor='middle' transform='rotate(-90 12 {down})' {_TEXT}>{html_text(y)}</text>",
        ]
