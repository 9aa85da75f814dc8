"""Usability: what of the Python API, the command line and the documentation works as written.

Python: the share of the names of `synthkd` whose docstring has an example that runs, and the errors
that mypy and pyright find in `tests/typing/api.py`, which uses these names as a user's code does.

Command line: the share of commands with `--json`. Pages: the share of the blocks of commands and
Python that are not marked `not run`; `tests/docs/test_pages.py` runs them.
"""

from __future__ import annotations

from benchmarks.base import Benchmark, at_least, at_most

BENCHMARK = Benchmark(
    name="usability",
    description=__doc__,
    parts={
        "examples": "benchmarks.usability.python_api:example_figures",
        "typing": "benchmarks.usability.python_api:typing_figures",
        "commands": "benchmarks.usability.shell:command_figures",
        "pages": "benchmarks.usability.shell:page_figures",
    },
    wanted={
        "usability_names_with_example": at_least(0.9),
        "usability_mypy_errors": at_most(0),
        "usability_pyright_errors": at_most(0),
        "usability_commands_with_json": at_least(1),
        "usability_blocks_run": at_least(1),
    },
)
