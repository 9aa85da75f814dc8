"""Run a benchmark, list all, or write the tables of RESULTS.md.

    python -m benchmarks list
    python -m benchmarks NAME [--quick] [--only PART ...] [--json FILE] [--data DIR] ...
    python -m benchmarks tables [--check]

`NAME --help` shows the parts and options of a benchmark. `--json` writes the figures with their
date, commit and command, as a run in `benchmarks/results/NAME.json` has them.
"""

from __future__ import annotations

import compileall
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import NAMES
from benchmarks.base import ROOT, Benchmark, Figures, Options, load
from benchmarks.text_table import table


def main(arguments: Sequence[str]) -> None:
    """Run a command.

    Raises:
        SystemExit: the command is unknown, a part failed, or tables are not up to date.
    """
    name = arguments[0] if arguments else ""
    if name == "list":
        print(listing())
    elif name == "tables":
        from benchmarks.results_page import write_tables

        write_tables(check="--check" in arguments)
    elif name in NAMES:
        run(load(name), arguments[1:])
    else:
        names = f"there is no benchmark {name!r}; there are: {', '.join(NAMES)}"
        raise SystemExit(__doc__ if name in ("", "-h", "--help") else names)


def listing() -> str:
    """Return every benchmark with its summary and its parts."""
    lines = []
    for name in NAMES:
        benchmark = load(name)
        lines += [f"{name:14} {benchmark.summary}", f"{'':14} {', '.join(benchmark.parts)}"]
    return "\n".join(lines)


def run(benchmark: Benchmark, arguments: Sequence[str]) -> None:
    """Measure the chosen parts and print their figures.

    The JSON file is written after each part.
    """
    options = benchmark.options(arguments)
    # As an installation does; where Python writes no bytecode, every process would compile it.
    for package in ("synthkd", "everyday", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=2)
    figures: Figures = {}
    for parts, part in benchmark.measure(options):
        figures |= part
        print(f"{parts}: measured", file=sys.stderr, flush=True)
        write_record(benchmark, arguments, options, figures)
    rows = [
        (name, _short(value), verdict(benchmark, name, value)) for name, value in figures.items()
    ]
    print(table([("figure", "value", "wanted"), *rows]))


def verdict(benchmark: Benchmark, name: str, value: Any) -> str:
    """Return whether a figure keeps its bound, in words; "" without a bound or a measurement."""
    bound = benchmark.wanted.get(name)
    if bound is None or value is None:
        return ""
    # A figure may come with its interval.
    value = value["value"] if isinstance(value, dict) else value
    return f"{'yes' if bound.holds(value) else 'NO'}: {bound}"


def write_record(
    benchmark: Benchmark, arguments: Sequence[str], options: Options, figures: Figures
) -> None:
    """Write the figures with date, commit and command, if `--json` names a file."""
    if options.json is None:
        return
    record = {
        "benchmark": benchmark.name,
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "command": f"python -m benchmarks {shlex.join([benchmark.name, *arguments])}",
        "figures": figures,
    }
    options.json.write_text(json.dumps(record, indent=1) + "\n")


def _commit() -> str | None:
    """Return the commit of the working tree, marked if the tree has changes; None without one."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def _short(value: Any) -> Any:
    """Return a number as it is, and the beginning of any longer value."""
    if value is None:
        return "not measured"
    return value if isinstance(value, int | float) else str(value)[:60]


if __name__ == "__main__":
    main(sys.argv[1:])
