"""Tests of filtering in several processes: the same bytes, no lost outcome, clear errors."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.files import ROOT, write_csv

from synthkd import filter, generate, run
from synthkd.errors import SynthKDError, TeacherError
from synthkd.keys import file_hash
from synthkd.recipe import Recipe
from synthkd.stages.processes import WorkerProcess
from synthkd.storage import read_json

TAILS = (
    "cutting",
    "eating",
    "The cutting",
    "play",
    " ... ",
    "what?",
    "thing",
    "cut cut",
    "x " * 40,
    "a thing and",
)


@pytest.fixture
def recorded(tmp_path: Path) -> Any:
    """Return a recipe over recorded rows of several teachers.

    Some rows are repeats, some malformed, and some fail each rule.
    """
    rng = random.Random(0)
    heads = [
        {"input_id": f"i{i}", "head": f"thing {i // 2}", "relation": "UsedFor"} for i in range(60)
    ]
    said = [
        {
            "input_id": row["input_id"], "sample_index": n, "text": rng.choice(TAILS),
            "logprob": -rng.random() * 9, "model": f"teacher {n % 3}",
        }
        for row in heads for n in range(6)
    ]  # fmt: skip
    write_csv(tmp_path / "inputs.csv", heads)
    write_csv(tmp_path / "rows.csv", said)

    def make(**parts: Any) -> Recipe:
        raw: dict[str, Any] = {
            "name": "test",
            "inputs": {"path": "inputs.csv", "id": "input_id"},
            "kind": {"name": "triple", "relations": "everyday"},
            "teacher": {"backend": "recorded", "path": "rows.csv", "sampling": {"n": 6}},
            "corpus": {"path": "corpus"},
        }
        return Recipe.from_dict(raw | parts, tmp_path)

    return make


def written(recipe: Recipe) -> dict[str, str]:
    """Return every file of the filtered rows and of the corpus, by its hash."""
    folders = (recipe.work_dir / "filtered", recipe.corpus_path)
    return {
        str(p): file_hash(p) for folder in folders for p in sorted(folder.rglob("*")) if p.is_file()
    }


RULES = ["empty", "characters", {"worst_nll": {"share": 0.2}}]
CASES: dict[str, dict[str, Any]] = {
    "no votes": {},
    "a global rule": {"rules": RULES},
    "votes by count": {"votes": {"keep": "winner"}},
    "votes by likelihood": {"votes": {"keep": "winner", "by": "likelihood"}, "rules": RULES},
    "votes by teacher": {"votes": {"keep": "winner", "by": "teacher"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_number_of_processes_cannot_be_seen_in_any_byte(
    recorded: Any, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthkd.stages.filter.PARTITION_ROWS", 50)
    recipe = recorded(**CASES[case])
    run(recipe, quiet=True)
    one = written(recipe)
    assert len(one) > 5
    for workers in (2, 3):
        run(recipe, quiet=True, workers=workers)
        assert written(recipe) == one


@pytest.mark.slow
@pytest.mark.parametrize("by", ["count", "critic"])
def test_a_critic_decides_the_rows_of_all_processes(
    recorded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr("synthkd.stages.filter.PARTITION_ROWS", 50)
    sheet = [
        {"head": f"thing {i}", "relation": "UsedFor", "tail": tail, "label": int(tail != "play")}
        for i in range(60)
        for tail in ("cutting", "play")
    ]
    write_csv(tmp_path / "labels.csv", sheet)
    critic = {"labels": "labels.csv", "precision": 0.5}
    recipe = recorded(critic=critic, votes={"by": by, "keep": "all", "min_agreement": 0.1})
    result = run(recipe, quiet=True)
    assert result.counts["rejected"]["critic"] + result.counts["accepted"] > 0
    one = written(recipe)
    run(recipe, quiet=True, workers=2)
    assert written(recipe) == one


@pytest.mark.slow
def test_every_row_has_a_fate_whatever_the_number_of_processes(recorded: Any) -> None:
    counts = run(recorded(), quiet=True, workers=3).counts
    assert counts["completed"] == 360 == counts["malformed"] + counts["candidates"]
    assert counts["candidates"] == counts["accepted"] + sum(counts["rejected"].values())


@pytest.mark.slow
def test_a_worker_that_is_killed_is_told_and_what_was_filtered_before_stays(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recorded()
    run(recipe, quiet=True)
    before = written(recipe)
    do = WorkerProcess.do

    def killed(self: WorkerProcess, message: dict[str, Any], on_report: Any) -> Any:
        if message["step"] == "finish":
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return do(self, message, on_report)

    monkeypatch.setattr(WorkerProcess, "do", killed)
    with pytest.raises(TeacherError, match="ended without a word"):
        filter(recipe, quiet=True, workers=2)
    assert written(recipe) == before
    assert not list(recipe.work_dir.glob(".filtered*"))
    monkeypatch.undo()
    filter(recipe, quiet=True, workers=2)
    assert written(recipe) == before


@pytest.mark.slow
def test_a_worker_that_has_lost_its_parent_ends_in_the_middle_of_its_work(
    recorded: Any, tmp_path: Path
) -> None:
    recipe = recorded()
    generate(recipe, quiet=True)
    # What it reads never ends, so only the end of its stdin can end it.
    (tmp_path / "inputs.csv").unlink()
    os.mkfifo(tmp_path / "inputs.csv")
    job = {
        "recipe": recipe.model_dump(mode="json"), "folder": str(tmp_path), "shared": str(tmp_path),
        "identity": "x",
    }  # fmt: skip
    worker = subprocess.Popen(
        [sys.executable, "-m", "synthkd.stages.filter_processes"], stdin=subprocess.PIPE
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(job).encode() + b"\n")
    worker.stdin.close()
    assert worker.wait(timeout=60) == 0


@pytest.mark.slow
def test_a_worker_tells_in_one_line_that_it_cannot_write(recorded: Any, tmp_path: Path) -> None:
    recipe = recorded()
    generate(recipe, quiet=True)
    (tmp_path / "shared").write_text("no folder")
    job = {
        "recipe": recipe.model_dump(mode="json"), "folder": str(tmp_path),
        "shared": str(tmp_path / "shared"),
        "identity": "x",
    }  # fmt: skip
    step = {"step": "parse", "shard": [0, 1], "partitions": 1}
    with subprocess.Popen(
        [sys.executable, "-m", "synthkd.stages.filter_processes"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as worker:  # fmt: skip
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stderr is not None
        worker.stdin.write(f"{json.dumps(job)}\n{json.dumps(step)}\n")
        worker.stdin.flush()
        said = json.loads(worker.stdout.readline())
        assert not worker.stderr.read()
    assert said["error"] == "StorageError"
    assert said["detail"].startswith(str(tmp_path / "shared"))


@pytest.mark.slow
def test_an_error_in_a_worker_is_the_error_of_the_run(recorded: Any, tmp_path: Path) -> None:
    recipe = recorded()
    with pytest.raises(SynthKDError, match="no journal here"):
        filter(recipe, quiet=True, workers=2)
    generate(recipe, quiet=True)
    changed = recorded(votes={"by": "likelihood"})
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text(
        "\n".join(",".join((*row.split(",")[:3], "", "t")) for row in rows[1:])
    )
    head = "input_id,sample_index,text,logprob,model\n"
    (tmp_path / "rows.csv").write_text(head + (tmp_path / "rows.csv").read_text())
    with pytest.raises(SynthKDError, match="no log-probability"):
        run(changed, quiet=True, workers=2)


@pytest.mark.slow
def test_a_global_rule_that_cannot_be_put_together_is_filtered_in_one_process(
    recorded: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from synthkd.filters.base import GlobalFilter
    from synthkd.filters.likelihood import WorstNLL

    recipe = recorded(rules=RULES)
    generate(recipe, quiet=True)
    monkeypatch.setattr(WorstNLL, "merge", GlobalFilter.merge)
    counts = filter(recipe, workers=2)
    assert counts["rejected"]["worst_nll"] > 0
    assert "filtered in one process: the rule worst_nll" in capsys.readouterr().err


def test_prices_come_to_the_same_in_any_order() -> None:
    from synthkd.stages.filter_report import ParseCounts

    prices = [random.Random(i).random() / 7 for i in range(200)]
    one, two, both = ParseCounts(), ParseCounts(), ParseCounts()
    for price in prices:
        one.add_price(price)
    for i, price in enumerate(reversed(prices)):
        (two if i % 3 else both).add_price(price)
    both.add(two.as_dict())
    assert both.report().cost == one.report().cost == pytest.approx(sum(prices))


@pytest.mark.slow
def test_the_benchmark_runs_at_a_small_size(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "filter", "--rows", "2000", "--workers", "2"]
    subprocess.run([*command, "--json", str(figures)], check=True, capture_output=True, cwd=ROOT)
    found = read_json(figures)["figures"]
    assert found["rows_without_a_fate"] == 0
    assert found["equal_for_any_number_of_processes"] == 1
