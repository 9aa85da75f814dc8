"""Results in `results/NAME.json`, and the tables of RESULTS.md that are made from them.

A file has `runs`, each with the date, the commit and the command of its figures, and `tables`. The
commit is the one that recorded the figure. A figure is a number, or an object with `value` and
`low` and `high` (the 95 % interval) or `half` (half of it). A table has `columns` and `rows`;
`{figure:.3f}` in a cell is replaced by the figure, and `{figure.low:.3f}` by the end of its
interval. `missing` gives the reason for a wanted figure without a result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import NAMES
from benchmarks.base import ROOT

PAGE = ROOT / "benchmarks" / "RESULTS.md"
FOLDER = ROOT / "benchmarks" / "results"
_TABLE = re.compile(r"(<!-- table (\w+)/(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_CELL = re.compile(r"\{([^{}]+):(yes|\+?[,d]|\+?\.\d+[f%])\}")
_END = re.compile(r"(.+)[._](low|high|half)")


class Results:
    """The runs and tables of one benchmark."""

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        content = json.loads((folder / f"{name}.json").read_text("utf-8"))
        self.runs: list[dict[str, Any]] = content["runs"]
        self.tables: dict[str, dict[str, Any]] = content["tables"]
        self.missing: dict[str, str] = content.get("missing", {})
        self.figures: dict[str, Any] = {}
        for run in self.runs:
            if twice := sorted(run["figures"].keys() & self.figures.keys()):
                raise ValueError(f"results of {name}: figures in two runs: {', '.join(twice)}")
            self.figures |= run["figures"]

    def value(self, name: str) -> Any:
        """Look up a figure, or an end of its interval as `figure.low` or `figure_low`.

        Raises:
            KeyError: no run has the figure.
        """
        if name in self.figures:
            figure = self.figures[name]
            return figure["value"] if isinstance(figure, Mapping) else figure
        if match := _END.fullmatch(name):
            figure = self.figures.get(match[1])
            if isinstance(figure, Mapping) and match[2] in figure:
                return figure[match[2]]
        raise KeyError(name)

    def table(self, name: str) -> str:
        """Render a table as Markdown.

        Raises:
            KeyError: the table or a figure does not exist.
        """
        table = self.tables[name]
        lines = [table["columns"], ["---"] * len(table["columns"]), *map(self._row, table["rows"])]
        text = "".join(
            "|" + "".join(f" {cell} |" if cell else " |" for cell in line) + "\n" for line in lines
        )
        return f"{text}\n{self._origin(table)}\n"

    def _origin(self, table: Mapping[str, Any]) -> str:
        """Return the dates and commits of the figures in a table."""
        names = {
            match[1] for row in table["rows"] for cell in row for match in _CELL.finditer(cell)
        }
        names |= {match[1] for name in names if (match := _END.fullmatch(name))}
        origins = {
            f"{run['date']} ({run['commit']})" for run in self.runs if names & run["figures"].keys()
        }
        return f"Recorded on {', '.join(sorted(origins))}."

    def _row(self, cells: list[str]) -> list[str]:
        return [
            _CELL.sub(lambda results: format_figure(self.value(results[1]), results[2]), cell)
            for cell in cells
        ]


def format_figure(value: Any, spec: str) -> str:
    """Format a figure: a format specification, `.1%` for percent, or `yes` for a truth value."""
    if spec == "yes":
        return "yes" if value else "no"
    if spec.endswith("%"):
        text = f"{100 * value:{spec[:-1]}f} %"
    else:
        text = f"{value:{spec}}"
    return text.replace("-", "−")


def page(text: str, folder: Path = FOLDER) -> str:
    """Write every table of the page again."""
    results = {name: Results(name, folder) for name in NAMES}
    return _TABLE.sub(lambda found: found[1] + results[found[2]].table(found[3]) + found[4], text)


def write_tables(check: bool = False) -> None:
    """Write the tables of RESULTS.md, or only compare them.

    Raises:
        SystemExit: ``check`` is set and a table differs.
    """
    text = PAGE.read_text("utf-8")
    new = page(text)
    if check and new != text:
        raise SystemExit(
            "benchmarks/RESULTS.md: tables are not up to date; run: python -m benchmarks tables"
        )
    if not check:
        PAGE.write_text(new, "utf-8")
