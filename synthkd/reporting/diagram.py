"""A picture of steps as boxes below one another, each with what it is fed by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synthkd.reporting.plots import GRID, NOTE, TEXT
from synthkd.reporting.safe_text import html_text

#: Pixels: of a box and the gap below it, and from the left for the lines.
_WIDTH, _HEIGHT, _GAP, _LEFT = 460, 46, 26, 150
_FONT = "font-family='sans-serif'"
#: Characters of a line in a box.
_LONGEST = 64


@dataclass(frozen=True)
class Box:
    """A step in the picture: its name, two lines about it, and the boxes that feed it."""

    name: str
    about: str
    sources: tuple[str, ...]


def steps_picture(boxes: Sequence[Box]) -> str:
    """Draw boxes below one another, with an arrow from each source, as SVG."""
    tops = {box.name: 10 + place * (_HEIGHT + _GAP) for place, box in enumerate(boxes)}
    height = 10 + len(boxes) * (_HEIGHT + _GAP)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_LEFT + _WIDTH + 10}'"
        f" height='{height}' viewBox='0 0 {_LEFT + _WIDTH + 10} {height}'>",
        "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7'"
        f" markerHeight='7' orient='auto'><path d='M0 0L8 4L0 8z' fill='{NOTE}'/></marker></defs>",
    ]
    places = {box.name: place for place, box in enumerate(boxes)}
    for box in boxes:
        top = tops[box.name]
        parts.append(
            f"<rect x='{_LEFT}' y='{top}' width='{_WIDTH}' height='{_HEIGHT}' rx='6'"
            f" fill='#fafafa' stroke='{GRID}'/>"
            f"<text x='{_LEFT + 14}' y='{top + 19}' {_FONT} font-size='14' font-weight='bold'"
            f" fill='{TEXT}'>{html_text(box.name)}</text>"
            f"<text x='{_LEFT + 14}' y='{top + 37}' {_FONT} font-size='12'"
            f" fill='{TEXT}'>{html_text(box.about[:_LONGEST])}</text>"
        )
        for source in box.sources:
            parts.append(_arrow(tops[source], top, places[box.name] - places[source]))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrow(source: int, target: int, distance: int) -> str:
    """Draw an arrow between neighbours, or around the boxes between."""
    if distance == 1:
        x = _LEFT + 40
        path = f"M{x} {source + _HEIGHT}L{x} {target - 1}"
    else:
        out = max(12, _LEFT - 30 * distance)
        begin, end = source + _HEIGHT // 2, target + _HEIGHT // 2 - 6
        path = f"M{_LEFT} {begin}C{out} {begin} {out} {end} {_LEFT - 1} {end}"
    return f"<path d='{path}' fill='none' stroke='{NOTE}' marker-end='url(#tip)'/>"


def counts_in_words(counts: Mapping[str, int]) -> str:
    """Describe a step's counts in a line."""
    return (
        f"{counts['asked']:,} asked, {counts['candidates']:,} candidates,"
        f" {counts['accepted']:,} accepted"
    )
