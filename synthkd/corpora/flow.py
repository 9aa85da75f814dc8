"""The picture of how a corpus was made: from the inputs to the accepted rows, with counts."""

from __future__ import annotations

from typing import Any

from synthkd.reporting.diagram import Box, steps_picture
from synthkd.reporting.safe_text import clean

FLOW = "flow.svg"
#: Outcomes in a box at most.
_SHOWN = 3


def flow_picture(manifest: dict[str, Any]) -> str:
    """Draw the way of the rows as SVG, made of the manifest alone."""
    counts = manifest["counts"]
    boxes = [
        ("inputs", _inputs(manifest)),
        ("teacher", f"{clean(manifest['teacher']['identity'])}: {counts['completed']:,} of"
         f" {counts['asked']:,} completions"),
        ("parse", f"{counts['candidates']:,} candidates, {counts['malformed']:,} unreadable"),
        ("filter", _rejected(counts["rejected"])),
        ("corpus", f"{counts['accepted']:,} accepted rows"),
    ]  # fmt: skip
    names = [name for name, _ in boxes]
    sources = [(), *((name,) for name in names[:-1])]
    return steps_picture(
        [Box(name, about, source) for (name, about), source in zip(boxes, sources, strict=True)]
    )


def _inputs(manifest: dict[str, Any]) -> str:
    inputs, prompt = manifest["inputs"], manifest.get("prompt")
    rows = ", ".join(map(clean, inputs.get("files") or ())) or "rows"
    if inputs.get("count"):
        rows = f"{inputs['count']:,} draws"
    return f"{rows}; template {clean(prompt['name'])}" if prompt else rows


def _rejected(rejected: dict[str, int]) -> str:
    most = sorted(((count, name) for name, count in rejected.items() if count), reverse=True)
    named = [f"{clean(name)} {count:,}" for count, name in most[:_SHOWN]]
    others = sum(count for count, _ in most[_SHOWN:])
    named += [f"others {others:,}"] if others else []
    return f"{sum(rejected.values()):,} rejected" + (f": {', '.join(named)}" if named else "")
