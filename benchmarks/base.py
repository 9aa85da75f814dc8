"""What every benchmark shares: options, and figures as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any


def options(doc: str) -> argparse.ArgumentParser:
    """A parser with ``--quick`` and ``--json FILE``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small version, in seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures by name")
    return parser


def data_folder(given: Path | None = None) -> Path:
    """The folder of real rows: the one given, or that of ``SYNTHKD_DATA``, or ``../shared/data``."""
    places = [given, os.environ.get("SYNTHKD_DATA"), Path(__file__).parents[2] / "shared" / "data"]
    for place in places:
        if place and Path(place).is_dir():
            return Path(place)
    raise SystemExit("no real rows here: name their folder with --data, or in SYNTHKD_DATA")


def table(rows: list[tuple[Any, ...]]) -> str:
    """Aligned columns; the first row is the header."""
    cells = [
        [
            f"{value:.3f}"
            if isinstance(value, float)
            else f"{value:,}"
            if isinstance(value, int)
            else str(value)
            for value in row
        ]
        for row in rows
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def write(figures: dict[str, Any], path: Path | None) -> None:
    """Figures by name, to a file where one is named."""
    if path:
        path.write_text(json.dumps(figures, indent=1) + "\n")
