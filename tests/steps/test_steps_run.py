"""Recipes of several steps: what each is asked about, what is paid, and the lineage of rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import synthkd
from benchmarks.kills.step_texts import answer, load_steps, record, steps_recipe
from synthkd.commands.show import show_candidate, show_path
from synthkd.errors import (
    InputError,
    NoRowsError,
    StorageError,
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
    rows = result.corpus.table(provenance=True).to_pylist()
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
    row = next(row for row in corpus.table(provenance=True).to_pylist() if row["doc"] == "d1")
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
    (row,) = corpus.table(provenance=True).to_pylist()
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
    rows = {row["doc"]: row["tail"] for row in result.corpus.table(provenance=True).to_pylist()}
    assert len(rows) == 8
    assert set(rows["d1"].split(", ")) < {"glass", "house", "river"}


def test_show_prints_the_chain_of_a_row(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        corpus = synthkd.run(load_steps(tmp_path, server.url)).corpus
    row = next(row for row in corpus.table(provenance=True).to_pylist() if row["doc"] == "d1")
    shown = show_candidate(corpus.path, row["id"])
    below = shown.partition("made of, step by step:")[2]
    assert "links " in below
    assert "    rewrite " in below
    assert "The river 1 is by the glass" in below


def test_a_notebook_shows_the_picture_of_the_steps(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        result = synthkd.run(load_steps(tmp_path, server.url))
    assert result._repr_html_().count("<svg") == 1


def test_a_run_whose_last_step_has_no_corpus_yet_is_shown_by_its_steps(tmp_path: Path) -> None:
    with FakeServer(answer=lambda *_: json.dumps({"plain": "x"})) as server:
        recipe = load_steps(tmp_path, server.url)
        with pytest.raises(NoRowsError):
            synthkd.run(recipe)
    shown = show_path(recipe.work_dir)
    assert "rewrite" in shown
    assert "  10 same: another text" in shown


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
