"""Loops over recipes with steps: each round runs all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.loops import files_of, loop_recipe

from benchmarks.kills.loop_texts import write
from synthkd import distill
from synthkd.commands.show import show_candidate
from synthkd.loops.dry_run import first_round
from synthkd.recipe import Recipe
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

WRITE = """---
kind: labelled_text
chat: true
---
Write {{ texts }} new texts{% if label %}, all of the class "{{ label }}"{% endif %}.
{{ advice }}{% if report %}
Report on the student: {{ report }}{% endif %}
"""


def answer(prompt: str, index: int, seed: int) -> str:
    """Advise, or write texts."""
    if "Advise" in prompt:
        label = re.findall(r"label: (\w+)", prompt)[-1]
        return json.dumps({"advice": f"Mind the words of {label}."})
    return write(prompt, index, seed)


def refuse(prompt: str, index: int, seed: int) -> str:
    """Give no readable advice."""
    return "no" if "Advise" in prompt else write(prompt, index, seed)


def stepped(folder: Path, url: str, **parts: Any) -> Recipe:
    """Return a loop of which each round asks for advice on every class first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "write.j2").write_text(WRITE)
    raw = loop_recipe(folder, url).model_dump(
        mode="json", exclude_unset=True, context={"reveal": True}
    )
    kind = raw.pop("kind")
    del raw["prompt"]
    columns = {"label": "text", "advice": "text"}
    raw["steps"] = {
        "advice": {
            "inputs": {"from": "inputs", "apply": [{"keep": ["label"]}, {"distinct": ["label"]}]},
            "kind": {"name": "record", "options": {"columns": columns, "inputs": ["label"]}},
            "prompt": {"template": "record/json", "variables": {"task": "Advise a writer."}},
        },
        "write": {
            "inputs": {"from": "inputs", "apply": [{"join": {"step": "advice", "by": ["label"]}}]},
            "kind": kind,
            "prompt": {"template": "write.j2"},
            "rules": raw.pop("rules"),
        },
    }
    raw["loop"] |= {"rounds": 2}
    return Recipe.from_dict({**raw, **parts}, folder=folder)


def test_each_round_runs_all_steps_and_a_student_learns_of_the_last(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        result = distill(stepped(tmp_path, server.url), quiet=True)
        prompts = [body["messages"][-1]["content"] for body in server.bodies]
    written = [prompt for prompt in prompts if "Write" in prompt]
    assert written
    assert all("Mind the words of" in prompt for prompt in written)
    assert any("Report on the student" in prompt for prompt in written)
    assert sum("Advise" in prompt for prompt in prompts) >= 2
    assert result.figures[result.best]["test_accuracy"] > result.figures[0]["test_accuracy"]
    assert result.corpus.manifest["kind"]["name"] == "labelled_text"


def test_the_corpus_of_all_rounds_has_the_steps_and_the_chain_of_every_row(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        result = distill(stepped(tmp_path, server.url), quiet=True)
        asked = server.requests
    manifest = result.corpus.manifest
    assert [one["step"] for one in manifest["steps"]] == ["advice"]
    of_steps = [one["counts"]["asked"] for one in (*manifest["steps"], manifest)]
    assert min(of_steps) > 0
    assert sum(of_steps) == asked
    row = result.corpus.table(provenance=True).to_pylist()[0]
    shown = show_candidate(result.recipe.corpus_path, row["id"])
    assert "advice" in shown
    lineage = pq.read_table(result.recipe.corpus_path / "lineage.parquet")
    last = {one["id"] for one in lineage.to_pylist() if one["step"] == "write"}
    assert last >= set(result.corpus.accepted["id"].to_pylist())
    assert "steps.svg" in manifest["further_files"]


def test_a_second_loop_sends_nothing_and_writes_the_same_files(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        recipe = stepped(tmp_path, server.url)
        distill(recipe, quiet=True)
        sent, files = server.requests, files_of(recipe)
        distill(stepped(tmp_path, server.url), quiet=True)
        assert server.requests == sent
    assert files_of(recipe) == files


def test_an_edited_template_of_an_earlier_step_makes_the_rounds_anew(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        distill(stepped(tmp_path, server.url), quiet=True)
        sent = server.requests
        changed = stepped(tmp_path, server.url)
        steps = dict(changed.steps or {})
        prompt = steps["advice"].prompt.model_copy(update={"variables": {"task": "Advise well."}})
        steps["advice"] = steps["advice"].model_copy(update={"prompt": prompt})
        distill(changed.with_parts(steps=steps), quiet=True)
        assert server.requests > sent


def test_a_round_whose_first_step_accepts_nothing_adds_no_rows(tmp_path: Path) -> None:
    with FakeServer(answer=refuse) as server:
        result = distill(stepped(tmp_path, server.url), quiet=True)
    assert [one.record["added"] for one in result.rounds[1:]] == [0] * (len(result.rounds) - 1)
    assert result.rounds[1].record["counts"]["malformed"] > 0


def test_a_cap_ends_the_loop_and_a_larger_one_continues_it(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        capped = stepped(tmp_path, server.url, limits={"tokens": 60})
        ended = distill(capped, quiet=True)
        assert "limit" in ended.ended or "cap" in ended.ended
        whole = distill(stepped(tmp_path, server.url), quiet=True)
        bought = server.requests
    with FakeServer(answer=answer) as other:
        distill(stepped(tmp_path / "new", other.url), quiet=True)
        assert bought == other.requests
    assert whole.ended == "all 2 rounds are done"


def test_a_dry_run_shows_the_first_step_of_the_first_round(tmp_path: Path) -> None:
    with first_round(stepped(tmp_path, "http://127.0.0.1:9/v1")) as first:
        assert first.recipe is not None
        assert first.recipe.steps is not None
        assert "would ask" in first.description
