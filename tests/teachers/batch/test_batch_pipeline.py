"""Tests of runs over the Batch API: the stages, the caps, Ctrl-C, and the verbs on batches."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.files import ROOT
from support.recipes import Make

pytest.importorskip("openai")

from synthkd import pipeline
from synthkd.errors import SynthKDError
from synthkd.recipe import Recipe
from synthkd.teachers.batch import stream as batch_stream
from synthkd.testing import FakeServer
from synthkd.testing.batches import FakeBatches

pytestmark = pytest.mark.slow


def batch_recipe(make_recipe: Make, url: str, **parts: Any) -> Recipe:
    teacher = {
        "backend": "openai-batch", "model": "fake", "base_url": url, "options": {"poll": 0.01},
        "sampling": {"n": 3}, "max_attempts": 3,
    }  # fmt: skip
    return make_recipe(
        heads=parts.pop("heads", 20), teacher=teacher | parts.pop("teacher", {}), **parts
    )


def rows_of(result: pipeline.RunResult) -> list[dict[str, Any]]:
    """Return the accepted rows as they are on disk now."""
    return result.corpus.table(provenance=True).to_pylist()


def test_a_corpus_is_the_same_whichever_way_its_rows_were_bought(
    make_recipe: Make, tmp_path: Path
) -> None:
    with FakeServer() as server:
        direct = {
            "backend": "openai",
            "model": "fake",
            "base_url": server.url,
            "sampling": {"n": 3},
        }
        one = pipeline.run(make_recipe(heads=20, teacher=direct), quiet=True)
        first = rows_of(one)
        for file in tmp_path.glob("journal.sqlite*"):
            file.unlink()
        two = pipeline.run(batch_recipe(make_recipe, server.url), quiet=True)
        assert len(server.batches.batches) == 1
    assert two.counts == one.counts
    assert two.generated.completed == 60
    assert rows_of(two) == first


def test_what_came_by_batch_is_not_asked_again_the_direct_way(make_recipe: Make) -> None:
    with FakeServer() as server:
        pipeline.generate(batch_recipe(make_recipe, server.url), quiet=True)
        direct = {
            "backend": "openai",
            "model": "fake",
            "base_url": server.url,
            "sampling": {"n": 3},
        }
        done = pipeline.generate(make_recipe(heads=20, teacher=direct), quiet=True)
        assert (done.cached, done.sent, server.requests) == (60, 0, 0)


def test_a_cap_holds_for_batches_too_and_a_higher_one_goes_on(
    make_recipe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_stream, "_SILENCE", 0.2)
    short = {"sampling": {"n": 1, "max_tokens": 4}}
    with FakeServer() as server:
        low = batch_recipe(make_recipe, server.url, teacher=short, limits={"tokens": 130})
        done = pipeline.generate(low, quiet=True)
        assert 0 < done.completed < 20
        assert "the cap is reached" in done.stopped
        again = pipeline.generate(batch_recipe(make_recipe, server.url, teacher=short), quiet=True)
        assert again.completed == 20 - done.completed
        assert max(server.batches.bodies.values()) == 1


def write_recipe(folder: Path, url: str) -> Path:
    heads = [{"head": f"thing {number}", "relation": "UsedFor"} for number in range(12)]
    (folder / "heads.jsonl").write_text("".join(json.dumps(row) + "\n" for row in heads))
    path = folder / "recipe.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "test",
                "inputs": {"path": "heads.jsonl"},
                "kind": {"name": "triple", "relations": "everyday"},
                "prompt": {"template": "triple/everyday-plain"},
                "teacher": {
                    "backend": "openai-batch",
                    "model": "fake",
                    "base_url": url,
                    "options": {"poll": 0.05},
                },
                "corpus": {"path": "corpus"},
            }
        )
    )
    return path


def synthkd(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "synthkd", *words], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def test_ctrl_c_leaves_the_batch_with_the_provider_and_the_verbs_show_and_cancel_it(
    tmp_path: Path,
) -> None:
    fake = FakeBatches(takes=10**6)
    with FakeServer(batches=fake) as server:
        recipe = str(write_recipe(tmp_path, server.url))
        process = synthkd("generate", recipe, "--quiet")
        until = time.monotonic() + 30
        while fake.looks < 2 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        status, output = said(process)
        assert (status, "stopped" in output) == (130, True), output
        assert said(synthkd("batches", "list", recipe)) == (
            0,
            "batch-2  in_progress  0 of 12 done\n",
        )
        assert said(synthkd("batches", "cancel", recipe)) == (
            0,
            "batch-2  cancelling  0 of 12 done\n",
        )
        status, output = said(synthkd("generate", recipe, "--quiet"))
        assert (
            output
            == "asked 12, in the journal before 0, completed 6, failed 6 (batch_cancelled 6)\n"
        )
        assert said(synthkd("batches", "list", recipe)) == (0, "test: no open batch\n")
    assert len(fake.batches) == 1


def test_the_verbs_refuse_a_recipe_without_batches(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "http://127.0.0.1:9/v1")
    path.write_text(path.read_text().replace("openai-batch", "openai"))
    status, output = said(synthkd("batches", "list", str(path)))
    assert status == 2
    assert "submits no batches" in output


def test_an_address_without_files_is_one_clear_line(make_recipe: Make) -> None:
    with FakeServer(key="x") as server, pytest.raises(SynthKDError, match="OPENAI_API_KEY"):
        pipeline.generate(batch_recipe(make_recipe, server.url), quiet=True)
