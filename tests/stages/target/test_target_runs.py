"""Runs with a target: how they end, what they ask for, and that nothing disturbs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.targets import answer, target_recipe
from typer.testing import CliRunner

import synthkd
from synthkd import Journal, Recipe, run
from synthkd.cli.app import app
from synthkd.commands.dry_run import dry_run
from synthkd.commands.probe_steps import probe
from synthkd.errors import RecipeError
from synthkd.pipeline import RunResult
from synthkd.stages.plan import plan_run
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(answer=answer) as running:
        yield running


def accepted(result: RunResult) -> dict[str, int]:
    """Count the accepted rows of each relation in the corpus."""
    counts: dict[str, int] = {}
    for row in result.corpus.table(provenance=True).to_pylist():
        counts[row["relation"]] = counts.get(row["relation"], 0) + 1
    return counts


def ids(result: RunResult) -> set[str]:
    return {row["id"] for row in result.corpus.table(provenance=True).to_pylist()}


def samples(recipe: Recipe) -> dict[str, set[int]]:
    """Return the sample indexes of each input in the journal."""
    with Journal(recipe.journal_path) as journal:
        batch = [one for group in plan_run(recipe).batches() for one in group]
        found = journal.cached_indexes([one.request.request_id for one in batch])
        return {one.input_id: set(found.get(one.request.request_id, ())) for one in batch}


def test_every_value_gets_its_rows_with_few_completions_too_many(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = target_recipe(
        tmp_path, server.url, {"accepted": 60, "per": "relation"}, {"easy": 200, "hard": 200}
    )
    result = run(recipe, quiet=True)
    assert min(accepted(result).values()) >= 60
    target = result.manifest["target"]
    assert target["ended"] == "reached"
    # 60 / 0.8 and 60 / 0.25.
    assert target["completions"] < 1.35 * (75 + 240)
    assert sum(one["completions"] for one in target["rounds"]) == target["completions"]
    assert result.counts["asked"] == target["completions"]
    assert result.counts["missing"] == 0


def test_a_target_in_all_counts_rows_of_every_input(tmp_path: Path, server: FakeServer) -> None:
    result = run(target_recipe(tmp_path, server.url, {"accepted": 30}), quiet=True)
    assert 30 <= sum(accepted(result).values()) <= 40
    assert list(result.manifest["target"]["values"]) == [""]


def test_inputs_get_more_samples_than_n_as_long_as_the_target_needs_them(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = target_recipe(tmp_path, server.url, {"accepted": 30}, {"hard": 40}, n=2)
    result = run(recipe, quiet=True)
    assert sum(accepted(result).values()) >= 30
    assert max(map(len, samples(recipe).values())) > 2


def test_no_input_gets_more_samples_than_allowed_and_the_end_says_so(
    tmp_path: Path, server: FakeServer
) -> None:
    target = {"accepted": 500, "per": "relation", "samples": 3}
    recipe = target_recipe(tmp_path, server.url, target)
    result = run(recipe, quiet=True)
    assert set(map(len, samples(recipe).values())) == {3}
    assert result.manifest["target"]["ended"] == "inputs exhausted"
    assert "inputs exhausted" in str(result)
    assert "of 500" in str(result)


def test_a_target_out_of_reach_has_all_rows_of_a_plain_run(
    tmp_path: Path, server: FakeServer
) -> None:
    plain = run(target_recipe(tmp_path / "plain", server.url, None), quiet=True)
    result = run(target_recipe(tmp_path / "more", server.url, {"accepted": 10**4}), quiet=True)
    assert ids(plain) <= ids(result)


def test_values_without_a_row_are_asked_as_far_as_a_plain_run_would(
    tmp_path: Path, server: FakeServer
) -> None:
    heads = {"easy": 60, "never": 60}
    target = {"accepted": 20, "per": "relation", "samples": 100}
    recipe = target_recipe(tmp_path, server.url, target, heads, n=1)
    result = run(recipe, quiet=True)
    values = result.manifest["target"]["values"]
    assert values["UsedFor"]["ended"] == "reached"
    assert values["HasA"]["ended"] == "nothing new"
    assert 60 <= values["HasA"]["completions"] < 60 * 100


def test_more_than_at_most_is_never_asked_for(tmp_path: Path, server: FakeServer) -> None:
    target = {"accepted": 60, "per": "relation", "at_most": {"completions": 100}}
    recipe = target_recipe(tmp_path, server.url, target)
    result = run(recipe, quiet=True)
    assert result.manifest["target"]["ended"] == "at_most"
    assert result.counts["asked"] == sum(map(len, samples(recipe).values())) == 100


def test_rounds_are_limited_where_each_takes_long(tmp_path: Path, server: FakeServer) -> None:
    target = {"accepted": 60, "per": "relation", "at_most": {"rounds": 2}}
    result = run(target_recipe(tmp_path, server.url, target), quiet=True)
    assert len(result.manifest["target"]["rounds"]) == 2
    assert result.manifest["target"]["ended"] == "at_most"


def test_a_second_run_sends_nothing_and_writes_the_same_corpus(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = target_recipe(tmp_path, server.url, {"accepted": 20, "per": "relation"})
    first = run(recipe, quiet=True)
    requests = server.requests
    second = run(recipe, quiet=True)
    assert (server.requests, second.generated.sent) == (requests, 0)
    assert second.manifest == first.manifest
    (recipe.work_dir / "target.json").unlink()
    assert run(recipe, quiet=True).manifest == first.manifest
    assert server.requests == requests


def test_two_workers_write_the_same_corpus(tmp_path: Path, server: FakeServer) -> None:
    target = {"accepted": 20, "per": "relation"}
    alone = run(target_recipe(tmp_path / "1", server.url, target), quiet=True)
    pair = run(target_recipe(tmp_path / "2", server.url, target), quiet=True, workers=2)
    assert pair.manifest == alone.manifest
    assert pair.generated.asked == pair.generated.sent == alone.generated.sent


def test_a_budget_ends_the_rounds_and_a_larger_one_goes_on(
    tmp_path: Path, server: FakeServer
) -> None:
    target = {"accepted": 20, "per": "relation"}
    whole = run(target_recipe(tmp_path / "whole", server.url, target), quiet=True)
    folder = tmp_path / "budget"
    limits = {"limits": {"tokens": 1200}}
    cut = run(target_recipe(folder, server.url, target, **limits), quiet=True)
    assert cut.manifest["target"]["ended"] == "budget"
    assert cut.generated.stopped
    with Journal(cut.recipe.journal_path) as journal:
        assert journal.spending(cut.recipe.name).tokens <= 1200
    more = run(target_recipe(folder, server.url, target), quiet=True)
    assert more.manifest == whole.manifest


def test_a_killed_run_goes_on_and_writes_the_same_corpus(tmp_path: Path) -> None:
    target = {"accepted": 25, "per": "relation"}
    with FakeServer(answer=answer, latency=0.05) as server:
        whole = run(target_recipe(tmp_path / "whole", server.url, target), quiet=True)
        recipe = target_recipe(tmp_path / "killed", server.url, target)
        command = [sys.executable, "-m", "synthkd", "run", "recipe.yaml", "--quiet"]
        for requests in (20, 60, 110):
            already = server.requests
            process = subprocess.Popen(command, cwd=recipe.folder)
            while server.requests - already < requests // 2 and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert subprocess.run(command, cwd=recipe.folder, check=False).returncode == 0
    manifest = json.loads((recipe.corpus_path / "manifest.json").read_text())
    assert manifest == whole.manifest


def test_an_interrupted_run_ends_well_and_goes_on(tmp_path: Path) -> None:
    with FakeServer(answer=answer, latency=0.05) as server:
        recipe = target_recipe(tmp_path, server.url, {"accepted": 25, "per": "relation"})
        command = [sys.executable, "-m", "synthkd", "run", "recipe.yaml", "--quiet"]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        while server.requests < 60:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "the same command goes on from there" in errors
        assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
        assert sum(server.sent.values()) == len(server.sent)
    assert recipe.corpus_path.is_dir()


def test_an_input_with_votes_is_asked_all_its_samples_at_once(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = target_recipe(
        tmp_path, server.url, {"accepted": 15}, n=4, votes={"keep": "winner", "min_votes": 1}
    )
    result = run(recipe, quiet=True)
    assert {len(indexes) for indexes in samples(recipe).values()} <= {0, 4}
    assert sum(accepted(result).values()) >= 15


def test_adaptive_votes_save_samples_in_every_round(tmp_path: Path) -> None:
    def steady(prompt: str, index: int, seed: int) -> str:
        return f"thing {len(prompt) % 7}"

    with FakeServer(answer=steady) as server:
        votes = {"keep": "winner", "adaptive": {"first": 3, "step": 2}}
        target = {"accepted": 30}
        recipe = target_recipe(tmp_path, server.url, target, {"easy": 100}, n=9, votes=votes)
        result = run(recipe, quiet=True)
    assert sum(accepted(result).values()) >= 30
    assert result.generated.saved > 0
    assert result.generated.asked == result.manifest["target"]["completions"]
    assert {len(indexes) for indexes in samples(recipe).values()} <= {0, 5}


def test_the_batch_api_is_asked_a_batch_for_each_round(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    with FakeServer(answer=answer) as server:
        target = {"accepted": 20, "per": "relation"}
        whole = run(target_recipe(tmp_path / "direct", server.url, target), quiet=True)
        batch = {"backend": "openai-batch", "options": {"poll": 0.01}}
        recipe = target_recipe(tmp_path / "batch", server.url, target, teacher=batch)
        result = run(recipe, quiet=True)
        batches = len(server.batches.batches)
    rounds = result.manifest["target"]["rounds"]
    assert batches == len(rounds)
    assert rounds == whole.manifest["target"]["rounds"]
    assert ids(result) == ids(whole)


def test_inputs_of_equal_prompts_share_their_completions_and_lack_none(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = target_recipe(tmp_path, server.url, {"accepted": 60, "per": "relation"})
    lines = (tmp_path / "inputs.csv").read_text().splitlines()
    doubled = [f"{lines[0]},copy"] + [f"{line},{copy}" for line in lines[1:] for copy in "ab"]
    (tmp_path / "inputs.csv").write_text("\n".join(doubled) + "\n")
    result = run(recipe, quiet=True)
    assert result.counts["missing"] == 0
    assert min(accepted(result).values()) >= 60


def test_generate_filter_and_publish_do_what_run_does(tmp_path: Path, server: FakeServer) -> None:
    target = {"accepted": 20, "per": "relation"}
    whole = run(target_recipe(tmp_path / "run", server.url, target), quiet=True)
    recipe = target_recipe(tmp_path / "verbs", server.url, target)
    synthkd.generate(recipe, quiet=True)
    synthkd.filter(recipe, quiet=True)
    assert synthkd.publish(recipe) == whole.manifest


def test_filtering_by_other_rules_tells_what_the_target_still_lacks(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = target_recipe(tmp_path, server.url, {"accepted": 20, "per": "relation"})
    run(recipe, quiet=True)
    path = str(tmp_path / "recipe.yaml")
    more = ["--set", "target.accepted=60"]
    output = CliRunner().invoke(app, ["filter", path, "--quiet", *more]).output
    assert "not asked yet" in output
    requests = server.requests
    assert CliRunner().invoke(app, ["run", path, "--quiet", *more]).exit_code == 0
    assert server.requests > requests
    assert (
        "60 accepted rows per relation: reached" in CliRunner().invoke(app, ["show", path]).output
    )


def test_dry_run_and_probe_tell_how_many_completions_are_expected(
    tmp_path: Path, server: FakeServer
) -> None:
    target = {"accepted": 50, "per": "relation", "at_most": {"completions": 5000}}
    recipe = target_recipe(tmp_path, server.url, target, {"easy": 200, "hard": 200}, n=1)
    before = dry_run(recipe)
    assert before.samples == 100
    assert "50 accepted rows per relation (2 values): 100 completions in the first round" in str(
        before
    )
    assert "at most 1,600" in str(before)
    assert server.requests == 0
    assert not (recipe.work_dir / "target.json").exists()
    estimate = probe(recipe, 60)
    assert estimate is not None
    assert estimate.completions is not None
    # 100 rows at a mean yield of 0.525.
    assert estimate.completions.low < 190 < estimate.completions.high
    assert server.requests == 60
    requests = run(recipe, quiet=True).generated.sent
    after = str(dry_run(recipe))
    assert f"about {requests + 60:,} completions by the" in after


def test_a_loop_refuses_a_target(tmp_path: Path) -> None:
    recipe = target_recipe(
        tmp_path,
        "http://127.0.0.1:9/v1",
        {"accepted": 5},
        loop={"rounds": 1},
        student={"name": "x"},
    )
    with pytest.raises(RecipeError, match="target: a loop itself decides"):
        synthkd.distill(recipe, quiet=True)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"accepted": 5, "per": "relatoin"}, "no input has the column 'relatoin'.*relation"),
        ({"accepted": 5, "samples": 1}, "fewer than the 2 of a plain run"),
        ({"accepted": 5, "step": 3}, "more than the 2 of a plain run"),
        ({"accepted": 5, "step": 2, "at_most": {"completions": 1}}, "do not suffice for the 2"),
        ({"accepted": 0}, "target.accepted"),
        ({"acepted": 3}, "accepted"),
    ],
)
def test_a_target_that_cannot_be_asked_for_is_refused(
    tmp_path: Path, target: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        plan_run(target_recipe(tmp_path, "http://127.0.0.1:9/v1", target))
