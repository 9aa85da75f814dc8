"""Targets of recipes with steps: more inputs, round by round."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import synthkd
from benchmarks.kills.step_texts import answer, load_steps, steps_recipe
from synthkd.errors import (
    NoRowsError,
    RecipeError,
)
from synthkd.recipe import Recipe
from synthkd.testing import FakeServer


def test_a_target_takes_more_inputs_until_the_last_step_has_enough_rows(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        recipe = load_steps(tmp_path, server.url, 200, target={"accepted": 60})
        result = synthkd.run(recipe)
        sent = server.requests
        again = synthkd.run(recipe)
        assert server.requests == sent
    assert result.target is not None
    assert result.target.ended == "reached"
    assert 60 <= result.counts["accepted"] <= 75
    # About 1.6 rows come of an input: the run stops long before the 200 that there are.
    assert result.steps["rewrite"].counts["asked"] == result.target.rounds[-1].inputs < 60
    assert again.manifest == result.manifest


def test_a_target_beyond_the_inputs_says_so_and_gives_what_a_plain_run_gives(
    tmp_path: Path,
) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url, 30)
        result = synthkd.run(Recipe.from_dict(raw | {"target": {"accepted": 900}}, tmp_path))
        plain = synthkd.run(Recipe.from_dict(raw, tmp_path))
    assert result.target is not None
    assert result.target.ended == "not reached: there are no more inputs"
    assert result.counts["accepted"] == plain.counts["accepted"]


def test_a_target_with_steps_never_asks_for_more_than_its_completions(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        target = {"accepted": 900, "at_most": {"completions": 150}}
        result = synthkd.run(load_steps(tmp_path, server.url, 200, target=target))
        sent = server.requests
    assert result.target is not None
    assert result.target.ended == "not reached: at_most.completions"
    assert sum(one.counts["asked"] for one in result.steps.values()) <= sent <= 150
    assert sent > 100
    assert result.counts["accepted"] == result.target.rounds[-1].accepted > 0


def test_a_target_with_steps_begins_with_as_many_inputs_as_its_completions_allow(
    tmp_path: Path,
) -> None:
    with FakeServer(answer=answer) as server:
        target = {"accepted": 900, "at_most": {"completions": 12}}
        result = synthkd.run(load_steps(tmp_path, server.url, 200, target=target))
        assert server.requests <= 12
    assert result.target is not None
    assert result.target.rounds[0].inputs == 4


def test_completions_that_do_not_suffice_for_one_input_are_refused(tmp_path: Path) -> None:
    target = {"accepted": 9, "at_most": {"completions": 2}}
    with (
        FakeServer(answer=answer) as server,
        pytest.raises(RecipeError, match="do not suffice for a row that goes through all"),
    ):
        synthkd.run(load_steps(tmp_path, server.url, 30, target=target))


def test_a_target_with_steps_ends_after_its_rounds(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        target = {"accepted": 60, "at_most": {"rounds": 1}}
        result = synthkd.run(load_steps(tmp_path, server.url, 200, target=target))
    assert result.target is not None
    assert result.target.ended == "not reached: at_most.rounds"
    assert len(result.target.rounds) == 1


def test_a_target_ends_after_its_rounds_though_no_row_came_through(tmp_path: Path) -> None:
    target = {"accepted": 60, "at_most": {"rounds": 1}}
    with FakeServer(answer=lambda *_: json.dumps({"plain": "x"})) as server:
        with pytest.raises(NoRowsError, match="no row of 'rewrite' is left"):
            synthkd.run(load_steps(tmp_path, server.url, 200, target=target))
        assert server.requests == 8


def test_rows_that_another_recipe_left_do_not_reach_a_target(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url, 200, target={"accepted": 30})
        raw["teacher"]["price"] = {"input": 1.0, "output": 1.0}
        done = synthkd.run(Recipe.from_dict(raw, tmp_path))
        raw["steps"]["rewrite"]["prompt"]["variables"]["task"] = "Rewrite it well."
        spent = sum(one.counts["cost"] for one in done.steps.values())
        raw["limits"] = {"dollars": spent + 0.0006}
        capped = synthkd.run(Recipe.from_dict(raw, tmp_path))
    assert done.target is not None
    assert done.target.ended == "reached"
    assert capped.target is not None
    assert capped.steps_left == ("things", "links")
    assert capped.target.ended == "not reached: a cap was reached"


def test_a_target_per_unknown_column_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    target = {"accepted": 9, "per": "heads"}
    with FakeServer(answer=answer) as server:
        with pytest.raises(RecipeError, match=r"no column 'heads' \(did you mean 'head'\?\)"):
            synthkd.run(load_steps(tmp_path, server.url, target=target))
        assert server.requests == 0


def test_rows_may_be_wanted_for_each_value_of_a_column_of_the_inputs(tmp_path: Path) -> None:
    raw = steps_recipe(tmp_path, "", 120, target={"accepted": 4, "per": "river"})
    lines = (tmp_path / "documents.jsonl").read_text().splitlines()
    rows = [json.loads(line) | {"river": str(number % 2)} for number, line in enumerate(lines)]
    (tmp_path / "documents.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    with FakeServer(answer=answer) as server:
        raw["teacher"]["base_url"] = server.url
        result = synthkd.run(Recipe.from_dict(raw, tmp_path))
    assert result.target is not None
    assert result.target.rounds[-1].accepted >= 4
    assert "accepted of the rarest river)" in str(result.target)


def test_options_of_a_target_on_samples_are_refused_with_steps(tmp_path: Path) -> None:
    target = {"accepted": 9, "samples": 4}
    with pytest.raises(RecipeError, match=r"target\.samples: a recipe with steps takes"):
        synthkd.run(load_steps(tmp_path, "http://127.0.0.1:1/v1", target=target))
