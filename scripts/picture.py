#!/usr/bin/env python3
"""Draw docs/run.svg, the picture in the README: the demo's table and some of the accepted rows.

scripts/demo && python scripts/picture.py
"""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from synthkd import run
from synthkd.commands.show import show_path

ROOT = Path(__file__).resolve().parent.parent
#: Lines of paths and hashes say nothing in a picture.
LEFT_OUT = ("journal", "corpus ")


def main() -> None:
    result = run(ROOT / "examples/everyday.yaml", quiet=True)
    table = [line for line in str(result).splitlines() if not line.startswith(LEFT_OUT)]
    rows = [line for line in show_path(result.recipe.corpus_path).splitlines() if " | " in line]
    console = Console(record=True, width=124, file=io.StringIO())
    console.print("$ synthkd run examples/everyday.yaml", style="bold", highlight=False)
    console.print("\n".join(table), highlight=False, markup=False)
    console.print("\n$ synthkd show demo/corpora/everyday", style="bold", highlight=False)
    console.print("\n".join(rows), highlight=False, markup=False)
    # The default template loads a font from the network; a page should not.
    svg = console.export_svg(title="synthkd", unique_id="run")
    start, end = svg.index("@font-face"), svg.rindex("}", 0, svg.index(".run-matrix"))
    (ROOT / "docs/run.svg").write_text(svg[:start] + svg[end + 1 :])


if __name__ == "__main__":
    main()
