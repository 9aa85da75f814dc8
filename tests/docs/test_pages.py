"""Pages are run as they are written: files, commands and Python, in their order, in one folder for
each page.

A block with ``title="NAME"`` is a file. A `console` block holds commands after `$`, which must end
well. A `python` block without a title is run. Other blocks are read by people alone.
`OPENAI_BASE_URL` leads to a server on loopback.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.command_line import synthkd
from support.files import ROOT

from synthkd import plugins
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow
PAGES = [
    "index",
    "start/first-corpus",
    "guides/rules",
    "guides/templates",
    "guides/relations",
    "kinds/triple",
    "kinds/event",
    "kinds/comparative",
    "kinds/rationale",
    "kinds/proposition",
    "kinds/labelled-text",
    "extending/index",
    "extending/rule",
    "extending/kind",
    "extending/backend",
    "extending/critic",
    "extending/student",
    "extending/loop-task",
]
_FENCE = re.compile(
    r"^```(\w*)(?: title=\"([^\"]+)\")?[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    language: str
    title: str
    text: str


def blocks_of(page: str) -> list[Block]:
    return [
        Block(*found) for found in _FENCE.findall((ROOT / "docs" / f"{page}.md").read_text("utf-8"))
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with FakeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "of a page")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(plugins, "_registered", {})
        monkeypatch.setattr(plugins, "_found_by_path", {})
        with contextlib.chdir(tmp_path):
            yield tmp_path
    for name in [
        name
        for name, module in sys.modules.items()
        if str(tmp_path) in str(getattr(module, "__file__", ""))
    ]:
        del sys.modules[name]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_as_it_is_written(page: str, folder: Path) -> None:
    pytest.importorskip("torch")
    scope: dict[str, Any] = {"__name__": "page"}
    for block in blocks_of(page):
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text, "utf-8")
        elif block.language == "python":
            exec(compile(block.text, f"docs/{page}.md", "exec"), scope)
        elif block.language == "console":
            for line in re.findall(r"^\$ (.*)$", block.text, re.MULTILINE):
                run_command(line, folder)


def run_command(line: str, folder: Path) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "synthkd":
        done = synthkd(*words[1:], cwd=folder)
    else:
        done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"$ {line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
