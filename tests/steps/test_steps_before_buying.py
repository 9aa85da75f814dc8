"""Recipes of several steps before anything is bought: mistakes, dry runs and probes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import synthkd
from benchmarks.kills.step_texts import answer, load_steps, steps_recipe
from synthkd.commands.dry_run import dry_run_step, dry_run_steps
from synthkd.commands.probe_steps import probe_steps
from synthkd.errors import (
    NoRowsError,
    NothingBoughtError,
    RecipeError,
    StorageError,
    UserError,
)
from synthkd.recipe import Recipe
from synthkd.testing import FakeServer


def test_mistakes_in_any_step_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url)
        raw["steps"]["links"]["rules"] = ["emty"]
        with pytest.raises(RecipeError, match="unknown rule 'emty'"):
            synthkd.run(Recipe.from_dict(raw, tmp_path))
        assert server.requests == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": {"name": "triple"}}, "kind: a recipe with `steps` has it in its steps alone"),
        ({"steps": {}}, "steps: name one at least"),
        ({"steps": {"a b": {}}}, "'a b' is no name"),
        ({"steps": {"inputs": {}}}, "choose another name"),
        ({"steps": {"a": {"inputs": {"from": "b"}}}}, "steps.a.inputs: no earlier step 'b'"),
        ({"steps": {"a": {"knd": {}}}}, r"steps.a.knd: unknown key \(did you mean 'kind'\?\)"),
        (
            {
                "steps": {
                    "a": {},
                    "b": {"inputs": {"from": "a", "apply": [{"where": {}, "keep": []}]}},
                }
            },
            "an operation has one key",
        ),
        (
            {
                "steps": {
                    "a": {},
                    "b": {"inputs": {"from": "a", "apply": [{"where": {"x": {"atleast": 1}}}]}},
                }
            },
            r"apply\.0\.where\.x\.atleast: unknown key \(did you mean 'at_least'\?\)",
        ),
    ],
)
def test_wrong_steps_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    raw = steps_recipe(tmp_path, "http://127.0.0.1:1/v1")
    with pytest.raises(RecipeError, match=message):
        Recipe.from_dict(raw | change, tmp_path)


def test_verbs_on_a_recipe_with_steps_ask_for_the_step(tmp_path: Path) -> None:
    recipe = load_steps(tmp_path, "http://127.0.0.1:1/v1")
    with pytest.raises(RecipeError, match="has the steps rewrite, things, links: name one"):
        synthkd.generate(recipe)


def test_a_dry_run_shows_the_steps_whose_rows_are_known(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        recipe = load_steps(tmp_path, server.url)
        before = dry_run_steps(recipe)
        assert (list(before.steps), server.requests) == (["rewrite", "things", "links"], 0)
        assert before.steps["rewrite"] is not None
        assert before.steps["rewrite"].samples == 10
        assert before.steps["things"] is None
        assert "rules.py:same (a file or module on this machine)" in str(before)
        synthkd.run(recipe)
        links = dry_run_steps(recipe).steps["links"]
    assert links is not None
    assert (links.samples, links.cached) == (8, 8)


def test_a_probe_projects_every_step(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url, 100)
        raw["teacher"]["price"] = {"input": 1.0, "output": 1.0}
        recipe = Recipe.from_dict(raw, tmp_path)
        probe = probe_steps(recipe, 20)
        sent = server.requests
        result = synthkd.run(recipe)
        assert server.requests == sum(one.counts["asked"] for one in result.steps.values())
    assert probe is not None
    assert (probe.inputs, probe.probed) == (100, 20)
    assert sent < 60
    for name, one in result.steps.items():
        for figure, key in (("samples", "asked"), ("accepted", "accepted")):
            interval = probe.steps[name][figure]
            assert interval is not None
            assert interval.low <= one.counts[key] <= interval.high, (name, figure)
        cost = probe.steps[name]["cost"]
        assert cost is not None
        assert cost.low <= one.counts["cost"] <= cost.high
    assert "estimate for 100 inputs" in str(probe)


def test_a_probe_of_all_inputs_is_the_run_itself(tmp_path: Path) -> None:
    assert probe_steps(load_steps(tmp_path, "http://127.0.0.1:1/v1"), 10) is None


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        ([{"keep": ["dok"]}], r"steps\.links\.inputs\.apply\.0\.keep: no column 'dok'"),
        (
            [{"join": {"step": "things", "by": ["doc"], "columns": ["thng"]}}],
            r"apply\.0\.join: step 'things': no column 'thng'",
        ),
        (
            [{"group": {"by": ["doc"], "rows": "all"}}, {"where": {"votes": {"at_least": 2}}}],
            r"apply\.1\.where: no column 'votes'",
        ),
        ([{"rename": {"doc": "id"}}], r"steps\.links: no column 'doc' in its rows"),
        ([{"keep": ["doc", "plain"]}], r"steps\.links: template links\.j2 uses 'things'"),
    ],
)
def test_a_wrong_column_of_the_last_step_is_told_before_the_first_is_paid_for(
    tmp_path: Path, apply: list[dict[str, Any]], message: str
) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url)
        raw["steps"]["links"]["inputs"]["apply"] = apply
        recipe = Recipe.from_dict(raw, tmp_path)
        for check in (synthkd.run, dry_run_steps):
            with pytest.raises(UserError, match=message):
                check(recipe)
        assert server.requests == 0


def test_a_step_that_was_not_generated_cannot_be_filtered(tmp_path: Path) -> None:
    recipe = load_steps(tmp_path, "http://127.0.0.1:1/v1")
    with pytest.raises(StorageError, match="step 'links' has not been generated"):
        synthkd.filter(recipe, step="links")


def test_a_wrong_option_of_a_step_is_told_with_the_step(tmp_path: Path) -> None:
    raw = steps_recipe(tmp_path, "http://127.0.0.1:1/v1")
    raw["steps"]["things"]["kind"]["options"]["keys"] = ["doc"]
    with pytest.raises(UserError, match=r"steps\.things: kind 'record': no option 'keys'"):
        synthkd.run(Recipe.from_dict(raw, tmp_path))


def test_a_dry_run_shows_a_first_step_that_changes_the_inputs(tmp_path: Path) -> None:
    raw = steps_recipe(tmp_path, "http://127.0.0.1:1/v1")
    raw["steps"]["rewrite"]["inputs"] = {"from": "inputs", "apply": [{"cut": {"words": 8}}]}
    shown = dry_run_steps(Recipe.from_dict(raw, tmp_path))
    first = shown.steps["rewrite"]
    assert first is not None
    assert first.samples > 10
    assert not list(tmp_path.rglob("inputs.jsonl"))


def test_a_dry_run_of_such_a_step_alone_shows_the_inputs_of_now(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url)
        raw["steps"]["rewrite"]["inputs"] = {"from": "inputs", "apply": [{"cut": {"words": 8}}]}
        synthkd.run(Recipe.from_dict(raw, tmp_path))
    whole = dry_run_step(Recipe.from_dict(raw, tmp_path), "rewrite")
    raw["steps"]["rewrite"]["inputs"]["apply"] = [{"where": {"doc": ["d1"]}}]
    one = dry_run_step(Recipe.from_dict(raw, tmp_path), "rewrite")
    assert whole.samples > 10
    assert one.samples == 1


def test_a_probe_that_no_row_comes_through_names_the_step(tmp_path: Path) -> None:
    with FakeServer(answer=lambda *_: json.dumps({"plain": "x"})) as server:
        recipe = load_steps(tmp_path, server.url, 100)
        with pytest.raises(NoRowsError, match="the probe of 5 inputs has no estimate") as raised:
            probe_steps(recipe, 5)
    # The folder of the sample is gone.
    assert "synthkd show" not in str(raised.value)


def test_a_probe_that_a_limit_ends_says_so(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url, 100, limits={"dollars": 0.0008})
        raw["teacher"]["price"] = {"input": 1.0, "output": 1.0}
        with pytest.raises(NothingBoughtError, match="a limit was reached before the step"):
            probe_steps(Recipe.from_dict(raw, tmp_path), 20)
