"""Recipes of several steps: what each is asked about, what is paid, and the lineage of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import synthkd
from benchmarks.kills.step_texts import answer, load_steps, record, steps_recipe
from synthkd.commands.dry_run import dry_run_steps
from synthkd.commands.probe_steps import probe_steps
from synthkd.commands.show import show_candidate, show_path
from synthkd.errors import (
    InputError,
    NoRowsError,
    NothingBoughtError,
    RecipeError,
    StorageError,
    UserError,
)
from synthkd.recipe import Recipe
from synthkd.steps.lineage import chain
from synthkd.testing import FakeServer

NUMBERS = ["seven", "three", "nine", "one", "eight", "two"]


def test_a_step_is_asked_about_accepted_rows_alone(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        result = synthkd.run(load_steps(tmp_path, server.url))
        sent = server.requests
    counts = {name: one.counts for name, one in result.steps.items()}
    # Of ten documents two are rewritten into something else, and asked about no more.
    assert counts["rewrite"]["rejected"]["same"] == 2
    assert [counts[name]["asked"] for name in counts] == [10, 8, 8]
    assert sent == 26
    assert result.counts["accepted"] > 8


def test_rows_of_a_joined_step_reach_the_prompt(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        result = synthkd.run(load_steps(tmp_path, server.url))
        prompts = [body["messages"][0]["content"] for body in server.bodies]
    (of_d1,) = [prompt for prompt in prompts if "Link" in prompt and "river 1" in prompt]
    assert sorted(of_d1.splitlines()[1:4]) == ["- glass", "- house", "- river"]
    rows = result.corpus.accepted.to_pylist()
    things = {row[end] for row in rows if row["doc"] == "d1" for end in ("head", "tail")}
    assert things == {"glass", "house", "river"}


def test_a_second_run_sends_nothing_and_writes_the_same_corpus(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        one = synthkd.run(load_steps(tmp_path, server.url))
        sent = server.requests
        other = synthkd.run(load_steps(tmp_path, server.url))
        assert server.requests == sent
    assert one.manifest == other.manifest


def test_a_changed_last_step_sends_nothing_of_the_first_two(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url)
        synthkd.run(Recipe.from_dict(raw, tmp_path))
        before = len(server.bodies)
        template = tmp_path / "links.j2"
        template.write_text(template.read_text().replace("Link the", "Link all the"))
        synthkd.run(Recipe.from_dict(raw, tmp_path))
        later = [body["messages"][0]["content"] for body in server.bodies[before:]]
    assert len(later) == 8
    assert all(prompt.startswith("Link all the things.") for prompt in later)


def test_the_corpus_has_the_lineage_of_every_row(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        corpus = synthkd.run(load_steps(tmp_path, server.url)).corpus
    path = corpus.path / "lineage.parquet"
    row = next(row for row in corpus.accepted.to_pylist() if row["doc"] == "d1")
    lines = chain(path, row["id"])
    steps = [line.split()[0] for line in lines]
    # The rewritten document, and the three things, each of which has the document behind it.
    assert steps == ["links", *["rewrite", "inputs"], *["things", "rewrite", "inputs"] * 3]
    assert lines[2].strip().startswith("inputs ")
    assert "The river 1 is by the glass" in lines[2]
    assert set(pq.read_table(path)["step"].to_pylist()) == {"inputs", "rewrite", "things", "links"}


def test_the_chain_goes_through_the_accepted_one_of_equal_rows(tmp_path: Path) -> None:
    def things(prompt: str, index: int, seed: int) -> str:
        return json.dumps([{"thing": "river"}] if "Name" in prompt else {"use": "boats"})

    columns = {"doc": "text", "thing": "text"}
    with FakeServer(answer=things) as server:
        raw = steps_recipe(tmp_path, server.url)
        raw["inputs"]["id"] = "doc"
        raw["steps"] = {
            "things": {
                **record("Name it.", columns, inputs=["doc"], key=["thing"]),
                "rules": ["rules.py:only_four"],
            },
            "uses": record("Use it.", {"thing": "text", "use": "text"}, inputs=["thing"]),
        }
        (tmp_path / "rules.py").write_text(
            "def only_four(row):\n    return None if row['doc'] == 'd4' else 'another one'\n"
        )
        corpus = synthkd.run(Recipe.from_dict(raw, tmp_path)).corpus
    (row,) = corpus.accepted.to_pylist()
    lines = chain(corpus.path / "lineage.parquet", row["id"])
    assert [line.split()[:2] for line in lines[2:]] == [["inputs", "d4:"]]


def test_the_manifest_names_every_step_with_its_counts(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        corpus = synthkd.run(load_steps(tmp_path, server.url)).corpus
    steps = corpus.manifest["steps"]
    assert [step["step"] for step in steps] == ["rewrite", "things"]
    assert steps[1]["sources"] == ["rewrite"]
    assert steps[0]["counts"]["rejected"]["same"] == 2
    picture = (corpus.path / "steps.svg").read_text()
    assert "8 accepted" in picture
    assert f"{corpus.manifest['counts']['accepted']} accepted" in picture
    assert "steps.svg" in (corpus.path / "README.md").read_text()


def test_nothing_that_is_published_names_folders_of_the_machine(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Inputs and work lie outside of the recipe's folder.
    inputs, work = tmp_path_factory.mktemp("inputs-of-ann"), tmp_path_factory.mktemp("work-of-ann")
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url, work=str(work / "facts"))
        (tmp_path / "documents.jsonl").rename(inputs / "documents.jsonl")
        raw["inputs"]["path"] = str(inputs / "documents.jsonl")
        corpus = synthkd.run(Recipe.from_dict(raw, tmp_path)).corpus
    for path in corpus.path.rglob("*"):
        assert not path.is_file() or b"of-ann" not in path.read_bytes(), path
    assert "documents.jsonl" in (corpus.path / "steps.svg").read_text()


def test_one_step_runs_on_what_the_earlier_ones_left(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        recipe = load_steps(tmp_path, server.url)
        with pytest.raises(StorageError, match="step 'rewrite' has not been run"):
            synthkd.run(recipe, step="things")
        synthkd.run(recipe, step="rewrite")
        assert server.requests == 10
        result = synthkd.run(recipe, step="things")
        assert server.requests == 18
    assert list(result.steps) == ["things"]


def test_a_step_of_another_recipe_is_not_built_on(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url)
        synthkd.run(Recipe.from_dict(raw, tmp_path), step="rewrite")
        raw["steps"]["rewrite"]["rules"] = ["empty"]
        with pytest.raises(StorageError, match="step 'rewrite' was run by another recipe"):
            synthkd.run(Recipe.from_dict(raw, tmp_path), step="things")


def test_a_budget_counts_over_all_steps(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        price = {"input": 1.0, "output": 1.0}
        raw = steps_recipe(tmp_path, server.url, 10, limits={"dollars": 0.0008})
        raw["teacher"]["price"] = price
        capped = synthkd.run(Recipe.from_dict(raw, tmp_path))
        sent = server.requests
        raw["limits"] = {"dollars": 1.0}
        whole = synthkd.run(Recipe.from_dict(raw, tmp_path))
    # Later steps are not asked about rows that lack what the capped step did not get.
    assert (list(capped.steps), capped.steps_left) == (["rewrite", "things"], ("links",))
    assert ("step links", "not run: a cap was reached") in capped.rows
    assert sent < 18
    assert whole.steps_left == ()
    assert server.requests == 26


def test_mistakes_in_any_step_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url)
        raw["steps"]["links"]["rules"] = ["emty"]
        with pytest.raises(RecipeError, match="unknown rule 'emty'"):
            synthkd.run(Recipe.from_dict(raw, tmp_path))
        assert server.requests == 0


def test_a_step_without_rows_says_which_step_rejected_them(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url, 1)
        with pytest.raises(InputError, match=r"steps\.things: no row of 'rewrite' is left"):
            synthkd.run(Recipe.from_dict(raw, tmp_path))


def test_a_step_without_rows_names_the_operation_that_left_none(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url)
        raw["steps"]["things"]["inputs"] = {
            "from": "inputs",
            "apply": [{"where": {"doc": {"contains": "d"}}}, {"where": {"doc": "d99"}}],
        }
        message = (
            r"no row of 'inputs' is left .*: steps\.things\.inputs\.apply\.1\.where leaves none"
        )
        with pytest.raises(InputError, match=rf"{message} of 10 rows"):
            synthkd.run(Recipe.from_dict(raw, tmp_path))


def test_a_step_with_the_backend_rows_asks_nobody(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        raw = steps_recipe(tmp_path, server.url)
        raw["steps"]["graph"] = {
            "inputs": {
                "from": "links",
                "apply": [
                    {"group": {"by": ["doc"], "texts": ["tail"], "separator": ", "}},
                    {"keep": ["doc", "tail"]},
                ],
            },
            "kind": {
                "name": "record",
                "options": {"columns": {"doc": "text", "tail": "text"}, "inputs": ["doc"]},
            },
            "teacher": {"backend": "rows"},
        }
        result = synthkd.run(Recipe.from_dict(raw, tmp_path))
        assert server.requests == 26
    rows = {row["doc"]: row["tail"] for row in result.corpus.accepted.to_pylist()}
    assert len(rows) == 8
    assert set(rows["d1"].split(", ")) < {"glass", "house", "river"}


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


def test_show_prints_the_chain_of_a_row(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        corpus = synthkd.run(load_steps(tmp_path, server.url)).corpus
    row = next(row for row in corpus.accepted.to_pylist() if row["doc"] == "d1")
    shown = show_candidate(corpus.path, row["id"])
    below = shown.partition("made of, step by step:")[2]
    assert "links " in below
    assert "    rewrite " in below
    assert "The river 1 is by the glass" in below


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


def test_a_notebook_shows_the_picture_of_the_steps(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        result = synthkd.run(load_steps(tmp_path, server.url))
    assert result._repr_html_().count("<svg") == 1


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


def test_a_run_whose_last_step_has_no_corpus_yet_is_shown_by_its_steps(tmp_path: Path) -> None:
    with FakeServer(answer=lambda *_: json.dumps({"plain": "x"})) as server:
        recipe = load_steps(tmp_path, server.url)
        with pytest.raises(NoRowsError):
            synthkd.run(recipe)
    shown = show_path(recipe.work_dir)
    assert "rewrite" in shown
    assert "  10 same: another text" in shown


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


def test_rows_of_one_answer_keep_its_order(tmp_path: Path) -> None:
    def say(prompt: str, index: int, seed: int) -> str:
        if "Count" in prompt:
            return "[" + ", ".join(f'{{"number": "{n}"}}' for n in NUMBERS) + "]"
        return '{"told": "yes"}'

    raw = {
        "name": "order",
        "inputs": {"path": "i.jsonl"},
        "teacher": {"backend": "openai", "model": "fake", "sampling": {"max_tokens": 50}},
        "steps": {
            "count": record(
                "Count.", {"doc": "text", "number": "text"}, inputs=["doc"], several=True
            ),
            "tell": {
                "inputs": {
                    "from": "count",
                    "apply": [{"group": {"by": ["doc"], "texts": ["number"], "separator": " "}}],
                },
                **record(
                    "Tell.",
                    {"doc": "text", "number": "text", "told": "text"},
                    inputs=["doc", "number"],
                ),
            },
        },
        "corpus": {"path": "corpus"},
    }
    (tmp_path / "i.jsonl").write_text('{"doc": "a"}\n{"doc": "b"}\n')
    with FakeServer(answer=say) as server:
        raw["teacher"]["base_url"] = server.url  # type: ignore[index]
        result = synthkd.run(Recipe.from_dict(raw, tmp_path))
    assert set(result.corpus.accepted["number"].to_pylist()) == {" ".join(NUMBERS)}


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
