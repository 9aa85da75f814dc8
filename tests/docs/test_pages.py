"""Pages are run as they are written: files, commands and Python, in order, in one folder a page.

- A block with ``title="NAME"`` is a file.
- A `console` block holds commands after `$`, which must end well. If lines stand below a command,
  they are all that it prints; `…` stands for what is left out.
- A `python` block without a title is run; an `output` block below it is all that it prints.
- ``title="not run: REASON"`` marks a block that no test can run.

`OPENAI_BASE_URL` leads to a server on loopback.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command_line import synthkd
from support.doc_blocks import NOT_RUN, commands, page_blocks, shows
from support.files import ROOT

from synthkd import plugins
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow
PAGES = [
    page.relative_to(ROOT / "docs").with_suffix("").as_posix()
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if "reference" not in page.parts
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with FakeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "of a page")
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
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
    printed = ""
    for block in page_blocks(ROOT / "docs" / f"{page}.md"):
        if block.title.startswith(NOT_RUN):
            continue
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text, "utf-8")
        elif block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as stream:
                exec(compile(block.text, f"docs/{page}.md", "exec"), scope)
            printed = stream.getvalue()
        elif block.language == "output":
            assert shows(block.text.splitlines(), printed), f"printed:\n{printed}"
        elif block.language == "console":
            for line, shown in commands(block.text):
                output = run_command(line, folder)
                assert not shown or shows(shown, output), f"$ {line}\n{output}"


def run_command(line: str, folder: Path) -> str:
    """Run a command of a page, and return what a terminal would show."""
    words = shlex.split(line, comments=True)
    if words[0] == "synthkd" and not {"<", ">", "|"} & {*words}:
        done = synthkd(*words[1:], cwd=folder, one_stream=True)
    else:
        done = subprocess.run(
            line,
            shell=True,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert done.returncode == 0, f"$ {line}\n{done.stdout[-2000:]}"
    return done.stdout


@pytest.mark.parametrize(
    "page", [*(f"docs/{page}.md" for page in PAGES), "README.md", "CONTRIBUTING.md"]
)
def test_commands_and_python_stand_in_blocks_that_are_run(page: str) -> None:
    for block in page_blocks(ROOT / page):
        assert block.language not in ("bash", "sh", "shell", "pycon", "py")
        if block.language not in ("console", "jinja"):
            assert not re.search(r"^(\$|>>>) ", block.text, re.MULTILINE), block.text
