"""The command line and the pages: commands with `--json`, and blocks that the tests run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from benchmarks.base import ROOT, Figures, Options

#: A fenced block with its language and title, as the tests of the pages read it.
_FENCE = re.compile(
    r"^```([\w-]*)(?: title=\"([^\"]+)\")?[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
_NOT_RUN = "not run: "


def command_figures(_options: Options) -> Figures:
    """Count the commands that have `--json`."""
    import typer

    from synthkd.cli import app

    commands = dict(_commands(typer.main.get_command(app), ()))
    without = sorted(
        " ".join(words)
        for words, command in commands.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    )
    return {
        "usability_commands": len(commands),
        "usability_commands_with_json": round(1 - len(without) / len(commands), 3),
        "usability_commands_without_json": without,
    }


def page_figures(_options: Options) -> Figures:
    """Count the blocks of commands and Python on the pages, and those that the tests run."""
    titles = [
        title
        for page in sorted((ROOT / "docs").rglob("*.md"))
        if "reference" not in page.parts
        for language, title, _ in _FENCE.findall(page.read_text("utf-8"))
        if language in ("console", "python")
    ]
    run = sum(not title.startswith(_NOT_RUN) for title in titles)
    return {
        "usability_blocks": len(titles),
        "usability_blocks_run": round(run / len(titles), 3),
    }


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, one in inner.items():
        yield from _commands(one, (*words, name))
