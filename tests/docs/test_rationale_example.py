"""Tests of the recipe of rationales: recorded chains, the embedded teacher, the prompts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from support.files import ROOT

from everyday import problems
from everyday.truth import truth_of
from synthkd import Recipe, run
from synthkd.prompts import load_prompt
from synthkd.stages.plan import plan_run

EXAMPLE = ROOT / "examples" / "rationales.yaml"
TEACHER = ROOT / "synthkd" / "teachers" / "everyday" / "training.json"
N, QUESTIONS = 20, 60


def chain(problem: problems.Problem, rng: random.Random) -> str:
    """Write a chain as a middling teacher does: one in three slips, in a result or a step."""
    told, answer = problem.rationale, problem.answer
    if rng.random() < 1 / 3:
        wrong = answer + rng.choice([-2, -1, 1, 2, 10])
        told = told.replace(f"= {answer}", f"= {wrong}") if rng.random() < 0.7 else told
        answer = wrong
    return f" {told} The answer is {answer}.\n"


def recorded(folder: Path) -> Recipe:
    rng = random.Random(0)
    rows = [json.loads(line) for line in (ROOT / "corpora/everyday/problems.jsonl").open()]
    with (folder / "said.jsonl").open("w") as file:
        for row in rows:
            problem = problems.read(row["question"])
            assert problem is not None
            for index in range(N):
                said = {"input_id": row["id"], "sample_index": index, "text": chain(problem, rng)}
                file.write(json.dumps(said) + "\n")
    return placed(
        folder,
        f"inputs.limit={QUESTIONS}",
        "teacher.backend=recorded",
        f"teacher.path={folder}/said.jsonl",
    )


def placed(folder: Path, *changes: str) -> Recipe:
    """The example, with what it writes in a folder of its own."""
    own = [
        f"corpus.path={folder}/corpus",
        f"journal={folder}/journal.sqlite",
        f"work={folder}/work",
    ]
    return Recipe.load(EXAMPLE, [*own, *changes])


@pytest.mark.slow
def test_votes_and_checks_keep_the_right_rationales_of_recorded_chains(tmp_path: Path) -> None:
    result = run(recorded(tmp_path), quiet=True)
    valid = truth_of("rationale")
    rows: list[dict[str, Any]] = result.corpus.table(provenance=True).to_pylist()
    assert len({row["question"] for row in rows}) >= 0.95 * QUESTIONS
    assert sum(map(valid, rows)) >= 0.99 * len(rows)
    assert all(row["right"] == (row["answer"] == row["gold"]) for row in rows)
    rejected = result.counts["rejected"]
    assert rejected["arithmetic"] > 0
    assert rejected["answer_agrees"] > 0
    assert result.generated.saved > 0.4 * N * QUESTIONS


def test_every_input_of_the_example_is_a_problem_whose_gold_answer_is_right() -> None:
    plan = plan_run(placed(ROOT / "nowhere"))
    rows = [asked.row for group in plan.batches() for asked in group]
    assert len(rows) == 300
    assert all(problems.answer_valid({**row, "answer": row["gold"]}) for row in rows)


@pytest.mark.slow
def test_the_embedded_teacher_gives_more_right_answers_by_votes_than_by_single_samples(
    tmp_path: Path,
) -> None:
    if "rationale" not in json.loads(TEACHER.read_text()).get("documents_a_pass", {}):
        pytest.skip("the shipped teacher never read a word problem")
    result = run(placed(tmp_path, "inputs.limit=16"), quiet=True)
    valid = truth_of("rationale")
    accepted, rejected = (
        result.corpus.table(provenance=True).to_pylist(),
        result.corpus.rejected.to_pylist(),
    )
    parsed = [row for row in [*accepted, *rejected] if row["question"] is not None]
    assert sum(map(valid, accepted)) / len(accepted) > sum(map(valid, parsed)) / len(parsed)
    assert result.generated.saved > 0


@pytest.mark.parametrize("name", ["chat", "few-shot"])
def test_prompts_for_real_models_show_the_choices_of_a_question(name: str, tmp_path: Path) -> None:
    (tmp_path / "asked.jsonl").write_text(
        json.dumps({"question": "Where is money kept?", "choices": ["river", "bank"]}) + "\n"
    )
    raw = {
        "name": "x",
        "inputs": {"path": "asked.jsonl"},
        "kind": {"name": "rationale"},
        "prompt": {"template": f"rationale/{name}"},
        "teacher": {"backend": "recorded", "path": "asked.jsonl"},
        "corpus": {"path": "c"},
    }
    plan = plan_run(Recipe.from_dict(raw, folder=tmp_path))
    ((asked,),) = plan.batches()
    text = asked.request.messages[-1]["content"]
    assert "Where is money kept? (a) river (b) bank" in text
    assert load_prompt(f"rationale/{name}").head.kind == "rationale"


def test_what_the_few_shot_examples_say_is_read_as_it_was_meant() -> None:
    from synthkd.kinds.rationale.kind import RationaleKind

    kind = RationaleKind()
    rows = [
        json.loads(line) for line in (ROOT / "prompts/rationale/few-shot-examples.jsonl").open()
    ]
    for row in rows:
        text = f" {row['rationale']} The answer is {row['answer']}."
        found = kind.parse(text, {**row, "gold": row["answer"]})
        assert isinstance(found, list), row
        assert found[0]["right"], found
        assert found[0]["steps_wrong"] == 0
