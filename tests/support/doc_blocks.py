"""Fenced blocks of the pages in docs/, and the output that a page shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from support.files import ROOT

#: The title of a block that no test can run, with the reason: `title="not run: needs a GPU"`.
NOT_RUN = "not run: "
_FENCE = re.compile(
    r"^```([\w-]*)(?: title=\"([^\"]+)\")?[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    """A fenced block: its language, its title (a file name or `NOT_RUN`), its text."""

    language: str
    title: str
    text: str


def page_blocks(page: Path) -> list[Block]:
    return [Block(*groups) for groups in _FENCE.findall(page.read_text("utf-8"))]


def blocks(page: str, language: str) -> list[str]:
    """The texts of all blocks of a language."""
    return [block.text for block in page_blocks(ROOT / page) if block.language == language]


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Each command of a console block, with the lines that the page shows below it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def shows(shown: list[str], output: str) -> bool:
    """Compare what a page shows with what was printed, blanks aside.

    `…` stands for any text in a line; a line of its own for any lines.
    """
    lines = [" ".join(line.split()) for line in shown if line.strip()]
    assert not lines or any(re.search(r"\w", line) for line in lines), "only … is shown"
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line == "…" else re.escape(line).replace("…", r"[^\n]*") + r"\n"
        for line in lines
    )
    printed = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None
