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
    """Return the texts of all blocks of a language."""
    return [block.text for block in page_blocks(ROOT / page) if block.language == language]


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Return each command of a console block, with the lines that the page shows below it."""
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


_NOT_PROSE = re.compile(r"\s*(\||#|<|!\[|---|title:)")
_LIST_ITEM = re.compile(r"\s*([-*]|\d+\.) +")
_RUN_IN_HEADING = re.compile(r"^\s*\*\*[^*]+\.\*\* ")
_TWO_SENTENCES = re.compile(r"(?<!\b[A-Z])(?<!e\.g)(?<!i\.e)[.!?][\"”)*_]* +[\"“(*_]*[A-Z]")
_SENTENCE_END = re.compile(r"[.!?:;,…][\"”)*_]*$")


def misplaced_sentences(text: str) -> list[str]:
    """Return lines of a Markdown text with two sentences, or with a part of one.

    Code blocks, indented code, tables, headings and HTML are passed over. A line may end in a comma
    or a colon, as before a list of paths.
    """
    text = re.sub(r"^```.*?^```$", "```", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^ *`[^`\n]+`$", "Code.", text, flags=re.MULTILINE)
    text = re.sub(r"`[^`\n]+`", "Code", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    found = []
    before = ""
    for line in text.splitlines():
        prose = bool(line.strip()) and not _NOT_PROSE.match(line) and not line.startswith("```")
        if prose and not (line.startswith("    ") and not before):
            bare = _RUN_IN_HEADING.sub("", _LIST_ITEM.sub("", line))
            if _TWO_SENTENCES.search(bare):
                found.append(line)
            elif before and not _LIST_ITEM.match(line) and not _SENTENCE_END.search(before):
                found.append(before)
            before = line
        else:
            before = ""
    return found
