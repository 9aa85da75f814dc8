#!/usr/bin/env python3
"""Draw docs/flow.svg: the way from a recipe to a corpus and a student.

python scripts/flow.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "docs" / "flow.svg"
WIDTH, HEIGHT, GAP, TOP = 118, 58, 34, 28
ROWS = [
    [("recipe", "what is wanted"), ("inputs", "rows"), ("prompts", "templates"), ("teacher",
    "any model"), ("journal", "every completion")],
    [("parse", "a kind's rows"), ("rules", "fixed checks"), ("votes", "agreement"), ("critic",
    "target precision"), ("corpus", "accepted, rejected")],
]  # fmt: skip
STYLE = """
  .box { fill: #eef3fb; stroke: #3b5b92; stroke-width: 1.3 }
  .kept { fill: #e6f4ea; stroke: #2f7d4f }
  text { font: 600 14px system-ui, sans-serif; fill: #1c2b45; text-anchor: middle }
  .small { font-weight: 400; font-size: 11px; fill: #44546e }
  path { fill: none; stroke: #3b5b92; stroke-width: 1.6 }
  .loop { stroke: #b3541e; stroke-dasharray: 5 4 }
  .caption { fill: #b3541e }
  @media (prefers-color-scheme: dark) {
    .box { fill: #1f2a3d; stroke: #8fb0ea } .kept { fill: #1d3327; stroke: #7fcf9f }
    text { fill: #e6edf8 } .small { fill: #b6c3d8 } path { stroke: #8fb0ea }
    .loop { stroke: #f0a36f } .caption { fill: #f0a36f }
  }
"""


def left(column: int) -> int:
    return 20 + column * (WIDTH + GAP)


def top(row: int) -> int:
    return TOP + row * (HEIGHT + 52)


def box(column: int, row: int, name: str, holds: str) -> str:
    x, y = left(column), top(row)
    kept = " kept" if name in ("journal", "corpus", "student") else ""
    return (
        f'<rect class="box{kept}" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
        f'<text x="{x + WIDTH / 2}" y="{y + 26}">{escape(name)}</text>'
        f'<text class="small" x="{x + WIDTH / 2}" y="{y + 44}">{escape(holds)}</text>'
    )


def arrow(points: str, style: str = "") -> str:
    return (
        f'<path class="{style}" marker-end="url(#{"tip-loop" if style else "tip"})" d="{points}"/>'
    )


def drawing() -> str:
    parts = [
        box(column, row, *names)
        for row, line in enumerate(ROWS)
        for column, names in enumerate(line)
    ]
    middle = HEIGHT / 2
    for row in (0, 1):
        parts += [
            arrow(f"M{left(c) + WIDTH} {top(row) + middle} H{left(c + 1) - 3}")
            for c in range(len(ROWS[row]) - 1)
        ]
    turn = top(0) + HEIGHT + 32
    last = left(4) + WIDTH / 2
    parts.append(arrow(f"M{last} {top(0) + HEIGHT} V{turn} H{left(0) + WIDTH / 2} V{top(1) - 3}"))
    parts.append(box(4, 2, "student", "fine-tuned"))
    parts.append(arrow(f"M{last} {top(1) + HEIGHT} V{top(2) - 3}"))
    # The loop runs beside the second row, up to the teacher.
    up = left(3) + WIDTH + GAP / 2
    parts.append(
        arrow(
            f"M{left(4)} {top(2) + middle} H{up} V{top(0) + HEIGHT + 15} H{left(3) + WIDTH / 2}"
            f" V{top(0) + HEIGHT + 3}",
            "loop",
        )
    )
    parts.append(
        f'<text class="small caption" x="{left(2) + WIDTH + 6}" y="{top(2) + middle + 4}">distill:'
        " the student&#8217;s errors choose what is asked next</text>"
    )
    width, height = left(4) + WIDTH + 20, top(2) + HEIGHT + 16
    tips = "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
        ' markerHeight="7" orient="auto-start-reverse">'
        f'<path class="{style}" d="M1 1 L9 5 L1 9" style="stroke-dasharray: none"/></marker>'
        for name, style in (("tip", ""), ("tip-loop", "loop"))
    )
    title = "From a recipe to a corpus and a student"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{title}">'
        f"<title>{title}</title><style>{STYLE}</style><defs>{tips}</defs>{''.join(parts)}</svg>\n"
    )


if __name__ == "__main__":
    OUT.write_text(drawing(), "utf-8")
