"""Corpora sent to a hub on loopback, and what the gate refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hub import TOKEN, Hub, loopback_hub
from support.recipes import Make

pytest.importorskip("huggingface_hub", reason="needs the extra hub")
from synthkd import Corpus, run
from synthkd.commands.push import gate
from synthkd.testing import FakeServer

CARD = {"license": "CC-BY-4.0", "language": "en", "input_columns": ["head"]}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with loopback_hub() as server:
        yield server


@pytest.fixture
def corpus(make_recipe: Make, server: FakeServer) -> Corpus:
    part = {"path": "corpus", **CARD}
    rules = [{"echo": {"repeats": 2}}]
    return run(make_recipe(server.url, heads=40, rules=rules, corpus=part), quiet=True).corpus


def python(hub: Hub, home: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that knows this hub alone: its address is read once per process."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN, "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


PUSH = (
    "import sys; from synthkd.cli import main;"
    " sys.argv = ['synthkd', 'push', *sys.argv[1:]]; main()"
)


def pushed(hub: Hub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(hub, home, PUSH, *arguments)


@pytest.mark.slow
def test_a_pushed_corpus_is_pulled_by_datasets_and_by_load_corpus(
    hub: Hub, corpus: Corpus, tmp_path: Path
) -> None:
    done = pushed(hub, tmp_path / "home", str(corpus.path), "me/facts", "--private", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["revision"] == hub.commits["datasets/me/facts"][-1]
    assert hub.private["datasets/me/facts"]
    files = hub.repositories["datasets/me/facts"]
    assert {"README.md", "manifest.json", "croissant.json"} <= set(files)
    code = (
        "import json, sys, datasets, synthkd\n"
        "rows = datasets.load_dataset('me/facts', split='train')\n"
        "rejected = datasets.load_dataset('me/facts', 'rejected', split='train')\n"
        "corpus = synthkd.load_corpus('hf://me/facts')\n"
        "corpus.verify()\n"
        "print(json.dumps([rows.num_rows, rejected.num_rows, rows.column_names, corpus.hash,"
        " corpus.table().to_pylist() == rows.to_list()]))\n"
    )
    read = python(hub, tmp_path / "home", code)
    assert read.returncode == 0, read.stderr
    expected = [len(corpus), corpus.rejected.num_rows, corpus.table().column_names, corpus.hash]
    assert json.loads(read.stdout.splitlines()[-1]) == [*expected, True]


@pytest.mark.slow
def test_a_push_that_was_cut_short_sends_what_is_missing_only(
    hub: Hub, corpus: Corpus, tmp_path: Path
) -> None:
    hub.fail_after = 1
    first = pushed(hub, tmp_path / "home", str(corpus.path), "me/facts")
    assert first.returncode == 4
    assert "the same command resumes" in first.stderr
    assert TOKEN not in first.stderr
    # Nothing is seen of a push that did not end.
    assert set(hub.repositories["datasets/me/facts"]) == {".gitattributes"}
    hub.fail_after = None
    assert pushed(hub, tmp_path / "home", str(corpus.path), "me/facts").returncode == 0
    assert len(hub.uploads) == len(set(hub.uploads)) == 3


@pytest.mark.slow
def test_rejected_rows_are_split_off_and_old_files_go(
    hub: Hub, corpus: Corpus, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert pushed(hub, home, str(corpus.path), "me/facts").returncode == 0
    done = pushed(hub, home, str(corpus.path), "me/facts", "--split-rejected")
    assert done.returncode == 0, done.stderr
    assert not [n for n in hub.repositories["datasets/me/facts"] if n.startswith("data/rejected")]
    code = (
        "import datasets\n"
        "print(datasets.get_dataset_config_names('me/facts'))\n"
        "print(datasets.load_dataset('me/facts-rejected', split='train').num_rows)\n"
    )
    read = python(hub, home, code)
    assert read.returncode == 0, read.stderr
    assert read.stdout.splitlines()[-2:] == [
        "['default', 'provenance']",
        str(corpus.rejected.num_rows),
    ]


@pytest.mark.slow
def test_the_gate_names_what_a_card_lacks_and_what_is_private(
    make_recipe: Make, server: FakeServer
) -> None:
    corpus = run(make_recipe(server.url), quiet=True).corpus
    assert any("corpus.license" in problem for problem in gate(corpus.path))
    with (corpus.path / "README.md").open("a") as file:
        file.write("\nMade on http://localhost:8000 from /home/me/rows.\n")
    assert any("localhost" in problem for problem in gate(corpus.path))


@pytest.mark.slow
def test_the_gate_refuses_a_withdrawn_guarantee_and_altered_rows(corpus: Corpus) -> None:
    assert list(gate(corpus.path)) == []
    path = corpus.path / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "critic": {"guarantee": "withdrawn"}}))
    assert any("withdrawn" in problem for problem in gate(corpus.path))
    file = corpus.path / "data" / "rejected-00000.parquet"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert any("altered" in problem for problem in gate(corpus.path))
