"""The protocol of all benchmarks: parts, options, figures and the bounds that they must keep."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]

#: Figures by name.
Figures = dict[str, Any]


class Options(Namespace):
    """The options of the command line; a benchmark adds its own."""

    quick: bool = False
    data: Path | None = None
    json: Path | None = None
    only: tuple[str, ...] = ()

    @property
    def data_folder(self) -> Path:
        """The folder of the real rows: `--data`, `SYNTHKD_DATA`, or `../shared/data`.

        Raises:
            SystemExit: no such folder exists.
        """
        folders = [self.data, os.environ.get("SYNTHKD_DATA"), ROOT.parent / "shared" / "data"]
        for folder in folders:
            if folder and Path(folder).is_dir():
                return Path(folder)
        raise SystemExit("no folder of real rows: name it with --data or in SYNTHKD_DATA")


@dataclass(frozen=True)
class Bound:
    """A limit that a figure must keep."""

    relation: Literal["at least", "at most"]
    limit: float

    def holds(self, value: float) -> bool:
        """Compare a figure with the limit."""
        return value >= self.limit if self.relation == "at least" else value <= self.limit

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}"


def at_least(limit: float) -> Bound:
    """Require a figure of this value or more."""
    return Bound("at least", limit)


def at_most(limit: float) -> Bound:
    """Require a figure of this value or less."""
    return Bound("at most", limit)


@dataclass(frozen=True)
class Benchmark:
    """A benchmark and its parts.

    Args:
        name: its folder in `benchmarks/`.
        description: the folder's docstring; the first line is its summary.
        parts: name of each part, and `module:function` that measures it. The function takes
            `Options` and returns `Figures`. Neighbouring parts with the same function are measured
            by one call, which finds the chosen parts in `Options.only`. A module is imported when
            its part runs.
        wanted: bounds by the name of a figure.
        named_only: parts that run only if `--only` names them.
        quick_parts: parts of a run with `--quick`; default: the same as without it.
        add_options: adds the benchmark's own options to a parser.
    """

    name: str
    description: str
    parts: Mapping[str, str]
    wanted: Mapping[str, Bound] = field(default_factory=dict)
    named_only: tuple[str, ...] = ()
    quick_parts: tuple[str, ...] = ()
    add_options: Callable[[ArgumentParser], None] | None = None

    @property
    def summary(self) -> str:
        """The first line of the description."""
        return self.description.strip().splitlines()[0]

    def options(self, arguments: Sequence[str]) -> Options:
        """Parse the command line after the benchmark's name.

        Raises:
            SystemExit: an option or a part is unknown.
        """
        parser = ArgumentParser(
            prog=f"python -m benchmarks {self.name}",
            description=self.description,
            formatter_class=RawDescriptionHelpFormatter,
        )
        parser.add_argument("--quick", action="store_true", help="a small version, in seconds")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
        parser.add_argument(
            "--data", type=Path, metavar="DIR", help="folder of real rows (default: SYNTHKD_DATA)"
        )
        parser.add_argument(
            "--only",
            nargs="+",
            default=[],
            metavar="PART",
            help=f"parts to run: {', '.join(self.parts)}",
        )
        if self.add_options:
            self.add_options(parser)
        options = parser.parse_args(arguments, Options())
        chosen = [part for argument in options.only for part in argument.split(",") if part]
        if unknown := sorted({*chosen} - {*self.parts}):
            parser.error(f"unknown parts: {', '.join(unknown)}; there are: {', '.join(self.parts)}")
        default = (options.quick and self.quick_parts) or [
            part for part in self.parts if part not in self.named_only
        ]
        options.only = tuple(part for part in self.parts if part in (chosen or default))
        return options

    def measure(self, options: Options) -> Iterator[tuple[str, Figures]]:
        """Measure the chosen parts in turn; yield the names and the figures of each call."""
        calls = groupby(options.only, key=self.parts.__getitem__)
        for path, parts in calls:
            module, _, function = path.partition(":")
            yield ", ".join(parts), getattr(import_module(module), function)(options)

    def figures(self, options: Options) -> Figures:
        """Measure the chosen parts; figures of all."""
        return {
            name: value for _, figures in self.measure(options) for name, value in figures.items()
        }


def load(name: str) -> Benchmark:
    """Import a benchmark by the name of its folder."""
    benchmark: Benchmark = import_module(f"benchmarks.{name}").BENCHMARK
    return benchmark
