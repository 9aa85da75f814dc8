"""Tests of SIGKILL at random moments: the same command resumes and reaches the same files."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from support.loops import files_of, loop_recipe

from benchmarks.kills.loop_texts import write
from synthkd import distill
from synthkd.recipe import Recipe
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

KILLS = 4
CONCURRENCY = 2
LOOP = {"rounds": 3, "patience": 9}


def start(path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "synthkd", "distill", str(path), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def written(recipe: Recipe) -> Path:
    """Write the recipe as a file, which the command reads."""
    path = recipe.folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json", exclude_none=True)))
    return path


def test_a_loop_that_was_killed_again_and_again_comes_to_the_files_of_one_that_was_not(
    tmp_path: Path,
) -> None:
    rng = random.Random(4)
    with FakeServer(answer=write, latency=0.05) as calm:
        undisturbed = loop_recipe(tmp_path / "a", calm.url, loop=LOOP)
        started = time.monotonic()
        assert start(written(undisturbed)).wait(120) == 0
        whole = time.monotonic() - started
    # At the same address: it is a part of the recipe.
    with FakeServer(answer=write, latency=0.05, port=calm.port) as server:
        recipe = loop_recipe(tmp_path / "b", server.url, loop=LOOP)
        path = written(recipe)
        killed = 0
        for number in range(KILLS):
            process = start(path)
            # Further in each time, so that kills fall into every round and into the end.
            time.sleep(whole * (0.3 + 0.7 * (number + rng.random()) / KILLS))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            process.communicate()
        last = start(path)
        _, said = last.communicate(timeout=120)
        assert last.returncode == 0, said.decode()
        assert killed
        again = sum(server.sent.values()) - len(server.sent)
        assert again <= killed * CONCURRENCY, "more was bought again than was in flight"
        assert server.sent.keys() == calm.sent.keys()
    one, other = files_of(undisturbed), files_of(recipe)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_a_round_whose_record_was_not_written_is_done_again_without_asking(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        recipe = loop_recipe(tmp_path, server.url, loop={"rounds": 2})
        distill(recipe, quiet=True)
        before, sent = files_of(recipe), server.requests
        (recipe.work_dir / "rounds" / "002" / "round.json").unlink()
        distill(recipe, quiet=True)
        assert server.requests == sent
        assert files_of(recipe) == before


@pytest.mark.parametrize("name", ["student", "corpus/data"])
def test_a_round_of_which_a_file_was_altered_is_done_again(tmp_path: Path, name: str) -> None:
    with FakeServer(answer=write) as server:
        recipe = loop_recipe(tmp_path, server.url, loop={"rounds": 1})
        distill(recipe, quiet=True)
        before = files_of(recipe)
        file = next(
            path
            for path in sorted((recipe.work_dir / "rounds" / "001" / name).iterdir())
            if path.is_file()
        )
        file.write_bytes(b"altered")
        distill(recipe, quiet=True)
        assert files_of(recipe) == before


def test_a_cap_ends_the_loop_without_an_error_and_a_higher_one_goes_on_to_the_same_files(
    tmp_path: Path,
) -> None:
    with FakeServer(answer=write) as server:
        free = loop_recipe(tmp_path / "a", server.url, loop={"rounds": 2})
        distill(free, quiet=True)
        capped = loop_recipe(
            tmp_path / "b", server.url, loop={"rounds": 2}, limits={"tokens": 3000}
        )
        result = distill(capped, quiet=True)
        assert result.ended.startswith("the cap is reached")
        assert len(result.rounds) < 3 or result.rounds[-1].record["stopped"]
        recipe = loop_recipe(
            tmp_path / "b", server.url, loop={"rounds": 2}, limits={"tokens": 10**7}
        )
        distill(recipe, quiet=True)
        spent = json.loads((free.work_dir / "distill.json").read_text())
        assert json.loads((recipe.work_dir / "distill.json").read_text()) == spent
        assert files_of(recipe) == files_of(free)
