"""Tests on a pseudo-terminal with escape sequences in servers, models, inputs and journals."""

from __future__ import annotations

import http.server
import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.files import write_csv
from support.recipes import Make

from synthkd import run
from synthkd.pipeline import RunResult
from synthkd.progress import Progress
from synthkd.testing import FakeServer

EVIL = (
    "\x1b]52;c;aGFja2Vk\x07\x1b[2J\x9b1;1H\u202e\u2028\x08\rsynthkd: all is"
    " well\x85[link=https://phish.example]x[/link]"
)
#: Line ends are the terminal's own; progress draws itself with escape sequences, but with none of
#: these.
RAW = re.compile(
    "\x1b\\]52|\x1b\\[2J|\x07|\x08|[\x80-\x9f]|[\u202a-\u202e\u2066-\u2069\u2028\u2029]|\r(?!\n|\x1b|\r)"
)


def on_terminal(*arguments: str, cwd: Path, keys: bytes = b"", code: int | None = 0) -> str:
    """Run `synthkd` with a pseudo-terminal for all three streams; return what it wrote there."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "synthkd", *arguments],
        stdin=slave, stdout=slave, stderr=slave, cwd=cwd, close_fds=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "400"},
    )  # fmt: skip
    os.close(slave)
    data, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if keys and "── 1 of".encode() in data:
            os.write(master, keys)
            keys = b""
        if select.select([master], [], [], 0.2)[0]:
            try:
                read = os.read(master, 1 << 16)
            except OSError:
                break
            if not read:
                break
            data += read
        elif process.poll() is not None:
            break
    os.close(master)
    assert process.wait(30) == code, data
    return data.decode("utf-8")


def clean_on_terminal(*arguments: str, cwd: Path, **options: Any) -> str:
    """Return the output of a terminal, and fail for a raw byte of `EVIL`."""
    said = on_terminal(*arguments, cwd=cwd, **options)
    assert not RAW.search(said), (RAW.search(said), said)
    assert "Traceback" not in said
    return said


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    """Yield a server whose only answer is an error of several lines."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps(
                {"error": {"message": f"no {EVIL} model\nsynthkd: forged", "code": EVIL}}
            ).encode()
            self.send_response(404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def recipe_file(folder: Path, url: str, heads: int = 3, **parts: Any) -> Path:
    write_csv(
        folder / "inputs.csv",
        [{"head": f"{EVIL} {i}", "relation": "UsedFor"} for i in range(heads)],
    )
    raw = {
        "name": "evil",
        "inputs": {"path": "inputs.csv"},
        "prompt": {"template": "triple/everyday-plain"},
        "teacher": {
            "backend": "openai",
            "model": "fake",
            "base_url": url,
            "identity": EVIL,
            "max_attempts": 1,
        },
        "rules": [],
        "corpus": {"path": "corpus", "title": EVIL, "license": EVIL},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(raw | parts, allow_unicode=False))
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run in which everything from outside is hostile."""
    folder = tmp_path_factory.mktemp("evil")
    with FakeServer(answer=lambda prompt, index, seed: f"nails {EVIL}") as server:
        said = clean_on_terminal("run", str(recipe_file(folder, server.url)), cwd=folder)
    assert "accepted" in said
    return folder


@pytest.mark.slow
def test_an_error_of_a_server_is_one_clean_line_on_a_terminal(tmp_path: Path, hostile: str) -> None:
    recipe = recipe_file(tmp_path, hostile, 40, limits={"patience": 5})
    said = clean_on_terminal("generate", str(recipe), "-q", cwd=tmp_path, code=3)
    (line,) = said.replace("\r\n", "\n").splitlines()
    assert line.startswith("synthkd: ")
    assert r"\x1b]52;c;" in line


@pytest.mark.slow
def test_progress_on_a_terminal_shows_an_error_clean(tmp_path: Path, hostile: str) -> None:
    said = clean_on_terminal(
        "generate",
        str(recipe_file(tmp_path, hostile, 40, limits={"patience": 5})),
        cwd=tmp_path,
        code=3,
    )
    assert r"\x1b]52;c;" in said


@pytest.mark.slow
def test_a_corpus_is_shown_clean(done: Path) -> None:
    said = clean_on_terminal("show", "corpus", cwd=done)
    assert r"\x1b]52;c;aGFja2Vk\x07" in said


@pytest.mark.slow
def test_a_candidate_is_shown_clean_with_its_prompt_completion_and_teacher(done: Path) -> None:
    from synthkd import load_corpus

    name = load_corpus(done / "corpus").accepted.column("id")[0].as_py()
    said = clean_on_terminal("show", "corpus", name, cwd=done).replace("\r\n", "\n")
    for part in ("completion ", "teacher ", "sent to "):
        assert part in said
    assert not re.search(r"^synthkd: all is well", said, re.MULTILINE)


@pytest.mark.slow
def test_a_dry_run_shows_prompts_clean_and_set_in(done: Path) -> None:
    said = clean_on_terminal("run", "recipe.yaml", "--dry-run", cwd=done).replace("\r\n", "\n")
    first = said.partition("--- prompt 1 ---\n")[2].partition("--- prompt 2 ---")[0]
    assert first
    assert all(line.startswith("  ") for line in first.splitlines())


@pytest.mark.slow
def test_rows_are_labelled_from_a_clean_view_and_the_sheet_keeps_them_exactly(done: Path) -> None:
    from synthkd.labels.sheet import read_sheet

    said = clean_on_terminal(
        "label", "corpus", "labels.csv", "--annotator", EVIL, cwd=done, keys=b"paq"
    )
    assert r"\x1b]52;c;" in said
    clean_on_terminal("label", "agreement", "labels.csv", cwd=done)
    (record,) = read_sheet(done / "labels.csv")
    assert record["annotator"] == EVIL
    assert EVIL in record["head"]


@pytest.mark.slow
def test_the_journal_is_listed_as_json_that_is_clean_and_exact(done: Path) -> None:
    said = clean_on_terminal("journal", "list", "journal.sqlite", cwd=done)
    rows = [json.loads(line) for line in said.splitlines()]
    assert {row["text"] for row in rows} == {f"nails {EVIL}"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["show", EVIL], [f"--{EVIL}"], ["show", "--", EVIL, EVIL, EVIL], [EVIL], ["run", EVIL]],
)
def test_an_argument_is_echoed_clean(tmp_path: Path, arguments: list[str]) -> None:
    clean_on_terminal(*arguments, cwd=tmp_path, code=2)


def test_progress_takes_no_markup_from_a_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Terminal:
        def __init__(self) -> None:
            self.text, self.encoding, self.errors = "", "utf-8", "strict"

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Progress(f"[red]x{EVIL}") as progress:
        progress.say(f"[red]stopped[/red] :boom: [link=https://phish.example]here[/link] {EVIL}")
        print(f"of a library {EVIL}", file=sys.stderr)
    assert sys.stderr is terminal
    assert "[red]stopped[/red] :boom: [link=https://phish.example]here[/link]" in terminal.text
    assert "\x1b]8;" not in terminal.text
    assert not re.search(
        "\x1b\\]|\x1b\\[2J\x9b|\x07|[\x80-\x9f]|[\u202a-\u202e\u2028]", terminal.text
    )


def test_a_line_of_progress_in_a_log_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(f"a{EVIL}") as progress:
        progress.advance(1)
        progress.say(f"stopped {EVIL}")
    assert not re.search("[\x00-\x09\x0b-\x1f\x80-\x9f\u202e\u2028]", capsys.readouterr().err)


# What is written for people


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    from synthkd.recipe import Recipe

    folder = tmp_path_factory.mktemp("card")
    link = (
        "<img src=https://t.example/x.png> [free](https://phish.example) `x`"
        f" a|b {EVIL}\n---\n# big"
    )
    with FakeServer(
        answer=lambda prompt, index, seed: f"for {link.splitlines()[0]} {index}"
    ) as server:
        recipe_file(folder, server.url)
        raw = yaml.safe_load((folder / "recipe.yaml").read_text())
        raw["teacher"]["identity"] = raw["corpus"]["title"] = raw["corpus"]["license"] = link
        return run(Recipe.from_dict(raw, folder=folder), quiet=True)


@pytest.mark.slow
def test_a_dataset_card_holds_no_markup_from_outside(result: RunResult) -> None:
    from markdown_it import MarkdownIt

    card = (result.corpus.path / "README.md").read_text("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", card)
    _, head, body = card.split("---\n", 2)
    found = yaml.safe_load(head)
    assert {"pretty_name", "tags", "configs", "license_name"} <= set(found)
    assert found["configs"][0]["data_files"][0]["path"].startswith("data/")
    tokens = [
        t
        for top in MarkdownIt("gfm-like", {"linkify": False}).parse(body)
        for t in (top, *(top.children or []))
    ]
    assert not {t.type for t in tokens} & {"link_open", "html_inline", "html_block", "hr"}
    assert [t.attrs["src"] for t in tokens if t.type == "image"] == ["flow.svg"]
    assert [t.tag for t in tokens if t.type == "heading_open"].count("h1") == 1
    assert "https://phish.example" in "".join(t.content for t in tokens if t.type == "code_inline")


def test_a_notebook_gets_no_tags_from_outside(result: RunResult) -> None:
    for said in (result._repr_html_(), result.corpus._repr_html_()):
        assert "<img" not in said
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", said)


def test_a_report_of_a_run_is_clean(result: RunResult) -> None:
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", str(result))


@pytest.mark.slow
def test_a_corpus_names_itself_clean(make_recipe: Make, server: FakeServer) -> None:
    corpus = run(make_recipe(server.url, corpus={"path": "a\x1b[2Jb"}), quiet=True).corpus
    assert "\x1b" not in repr(corpus)
