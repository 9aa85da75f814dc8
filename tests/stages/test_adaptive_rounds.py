"""Asking in rounds: a question whose vote is decided is asked no more."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.recipes import Make
from typer.testing import CliRunner

from synthkd import Journal, Recipe, generate, run
from synthkd.cli.app import app
from synthkd.commands.dry_run import dry_run
from synthkd.commands.probe_steps import probe
from synthkd.errors import RecipeError
from synthkd.requests import Answer, Failure, Request
from synthkd.stages.plan import plan_run
from synthkd.teachers.recorded import RecordedTeacher
from synthkd.testing import FakeServer

N = 11
ADAPTIVE = {"adaptive": {"first": 3, "step": 2, "confidence": 0.95}}


def chain(answer: int | str) -> str:
    return f"12 - 5 = 7. The answer is {answer}."


#: Samples of each question in their order: all agree, two compete, late lead, no answers at all.
SAMPLES = {
    "agreed": [7] * N,
    "split": [7, 8] * 5 + [7],
    "late": [8, 7, 8, 7, 7, 7, 7, 7, 7, 7, 7],
    "mute": ["unclear"] * N,
}


def recorded(folder: Path, samples: dict[str, list[Any]] | None = None, **votes: Any) -> Recipe:
    samples = samples or SAMPLES
    with (folder / "questions.jsonl").open("w") as file:
        for name in samples:
            file.write(
                json.dumps({"id": name, "question": f"How many are {name}?", "gold": "7"}) + "\n"
            )
    with (folder / "said.jsonl").open("w") as file:
        for name, said in samples.items():
            for index, answer in enumerate(said):
                row = {"input_id": name, "sample_index": index, "text": chain(answer)}
                file.write(json.dumps(row) + "\n")
    raw = {
        "name": "chains",
        "inputs": {"path": "questions.jsonl", "id": "id"},
        "kind": {"name": "rationale", "options": {"answer": "number"}},
        "teacher": {"backend": "recorded", "path": "said.jsonl", "sampling": {"n": N}},
        "rules": ["empty", "arithmetic"],
        "votes": votes or None,
        "corpus": {"path": "corpus"},
    }
    return Recipe.from_dict(raw, folder=folder)


def held(recipe: Recipe) -> dict[str, int]:
    """Return the samples in the journal, by input."""
    plan = plan_run(recipe)
    with Journal(recipe.journal_path) as journal:
        batch = [asked for group in plan.batches() for asked in group]
        found = journal.cached_indexes([asked.request.request_id for asked in batch])
        return {asked.input_id: len(found.get(asked.request.request_id, ())) for asked in batch}


@pytest.mark.slow
def test_a_decided_question_is_asked_no_more_and_an_open_one_to_the_end(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, **ADAPTIVE)
    result = run(recipe, quiet=True)
    assert held(recipe) == {"agreed": 5, "split": 11, "late": 9, "mute": 11}
    assert (result.generated.asked, result.generated.saved) == (36, 8)
    assert result.counts["asked"] == 36
    assert result.counts["missing"] == 0
    assert result.counts["votes"]["saved"] == 8
    assert "8 samples were not asked for" in str(result)
    assert result.manifest["counts"]["votes"]["saved"] == 8


@pytest.mark.slow
def test_the_exact_rule_keeps_every_answer_that_all_samples_would_give(tmp_path: Path) -> None:
    answers = {}
    for name, votes in (("some", {"adaptive": {"confidence": None}}), ("all", {"by": "count"})):
        (tmp_path / name).mkdir()
        result = run(recorded(tmp_path / name, **votes), quiet=True)
        rows = result.corpus.table(provenance=True).to_pylist()
        answers[name] = {(row["input_id"], row["answer"]) for row in rows}
    assert answers["some"] == answers["all"] == {("agreed", "7"), ("split", "7"), ("late", "7")}


@pytest.mark.slow
def test_a_second_run_sends_nothing_and_writes_the_same_corpus(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, **ADAPTIVE)
    first, second = run(recipe, quiet=True), run(recipe, quiet=True)
    assert second.generated.sent == 0
    assert second.generated.saved == first.generated.saved
    assert second.manifest == first.manifest


@pytest.mark.slow
def test_a_dry_run_knows_which_questions_are_decided(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, **ADAPTIVE)
    assert f"at most {4 * N} samples would be asked for" in str(dry_run(recipe))
    run(recipe, quiet=True)
    after = dry_run(recipe)
    assert (after.samples, after.cached, after.requests) == (36, 36, 0)
    assert probe(recipe, 3) is None


@pytest.mark.slow
def test_filtering_tells_of_samples_that_a_changed_recipe_wants_and_nobody_asked_for(
    tmp_path: Path,
) -> None:
    with FakeServer(answer=lambda prompt, index, seed: chain(7)) as server:
        path = str(recipe_file(tmp_path, server.url, questions=2))
        assert CliRunner().invoke(app, ["run", path, "--quiet"]).exit_code == 0
    said = CliRunner().invoke(app, ["filter", path, "--quiet"]).output
    assert "not asked yet" not in said
    said = (
        CliRunner()
        .invoke(app, ["filter", path, "--quiet", "--set", "votes.adaptive.confidence=0.999"])
        .output
    )
    assert "not asked yet: 4 samples" in said


@pytest.mark.slow
def test_samples_that_the_journal_has_beyond_what_was_wanted_change_nothing(tmp_path: Path) -> None:
    adaptive, whole = tmp_path / "adaptive", tmp_path / "whole"
    adaptive.mkdir()
    whole.mkdir()
    fresh = run(recorded(adaptive, **ADAPTIVE), quiet=True)
    generate(recorded(whole), quiet=True)
    after = run(recorded(whole, **ADAPTIVE), quiet=True)
    assert after.generated.sent == 0
    assert after.manifest["corpus_hash"] == fresh.manifest["corpus_hash"]


@pytest.mark.slow
def test_a_chain_that_a_rule_rejects_has_no_vote(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, {"wrong": [7] * N}, **ADAPTIVE)
    said = (tmp_path / "said.jsonl").read_text()
    (tmp_path / "said.jsonl").write_text(said.replace("= 7", "= 8"))
    run(recipe, quiet=True)
    assert held(recipe) == {"wrong": N}


@pytest.mark.slow
def test_a_winner_that_needs_more_votes_is_asked_for_until_it_has_them(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, {"agreed": [7] * N}, min_votes=8, **ADAPTIVE)
    result = run(recipe, quiet=True)
    assert held(recipe) == {"agreed": 9}
    assert result.counts["accepted"] == 1


@pytest.mark.slow
def test_several_processes_ask_for_the_same_samples_and_filter_the_same(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    alone = run(recorded(one, **ADAPTIVE), quiet=True)
    recipe = recorded(two, **ADAPTIVE)
    shared = run(recipe, quiet=True, workers=2)
    assert held(recipe) == {"agreed": 5, "split": 11, "late": 9, "mute": 11}
    assert (shared.generated.asked, shared.generated.saved) == (36, 8)
    assert shared.counts == alone.counts
    assert shared.manifest["corpus_hash"] == alone.manifest["corpus_hash"]


@pytest.mark.slow
def test_failures_do_not_hold_up_a_question(tmp_path: Path) -> None:
    samples = {"agreed": [7] * N}
    recipe = recorded(tmp_path, samples, **ADAPTIVE)
    lines = (tmp_path / "said.jsonl").read_text().splitlines()
    (tmp_path / "said.jsonl").write_text("\n".join(lines[1:]) + "\n")
    result = run(recipe, quiet=True)
    assert held(recipe) == {"agreed": 4}
    assert (result.counts["completed"], result.counts["failed"], result.counts["missing"]) == (
        4,
        1,
        0,
    )


@pytest.mark.slow
def test_a_sample_that_failed_is_asked_again_by_the_next_run_and_not_in_every_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recorded(tmp_path, {"split": [7, 8] * 5 + [7]}, **ADAPTIVE)
    asked: Counter[int] = Counter()
    answer = RecordedTeacher._answer

    def slow(teacher: RecordedTeacher, request: Request) -> Iterator[Answer]:
        asked.update(request.sample_indexes)
        for one in answer(teacher, request):
            late = one.sample_index < 2
            yield (
                Failure(request.request_id, one.sample_index, "timeout", "", 6, False)
                if late
                else one
            )

    monkeypatch.setattr(RecordedTeacher, "_answer", slow)
    first = run(recipe, quiet=True)
    assert asked == Counter(range(N))
    assert (first.generated.sent, first.generated.failed, first.counts["failed"]) == (N, 2, 2)
    asked.clear()
    second = run(recipe, quiet=True)
    assert asked == Counter([0, 1])
    assert (second.generated.cached, second.generated.sent) == (N - 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"votes": {"keep": "all", **ADAPTIVE}}, "only a winner"),
        ({"votes": {"by": "likelihood", **ADAPTIVE}}, "votes that are counted"),
        (
            {"votes": {"keep": "winner", **ADAPTIVE}, "rules": [{"worst_nll": {"share": 0.1}}]},
            "looks at all rows",
        ),
    ],
)
def test_votes_that_cannot_be_counted_while_asking_are_refused(
    make_recipe: Make, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        plan_run(make_recipe(**change))


def recipe_file(folder: Path, url: str, questions: int) -> Path:
    with (folder / "questions.jsonl").open("w") as file:
        for i in range(questions):
            file.write(json.dumps({"question": f"How many are there of kind {i}?"}) + "\n")
    raw = {
        "name": "killed",
        "inputs": {"path": "questions.jsonl"},
        "kind": {"name": "rationale", "options": {"answer": "number"}},
        "prompt": {"template": "rationale/everyday"},
        "teacher": {
            "backend": "openai", "model": "fake", "base_url": url, "concurrency": 8,
            "identity": "fake",
            "sampling": {"n": N},
        },
        "votes": ADAPTIVE,
        "corpus": {"path": "corpus"},
    }  # fmt: skip
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.mark.slow
def test_a_run_that_is_killed_in_a_round_goes_on_where_it_was(tmp_path: Path) -> None:
    # Every second question is unanimous (5 samples), the others never agree (all 11).
    def answer(prompt: str, index: int, seed: int) -> str:
        kind = int(prompt.rsplit("kind ", 1)[1].split("?")[0])
        return chain(7 if kind % 2 else f"{seed}{index}")

    with FakeServer(answer=answer, latency=0.05) as server:
        path = recipe_file(tmp_path, server.url, questions=60)
        recipe = Recipe.load(path)
        for _ in range(3):
            command = [sys.executable, "-m", "synthkd", "run", str(path), "--quiet"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            sent = server.requests
            while server.requests < sent + 25 and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        before = sum(held(recipe).values())
        assert 0 < before < 60 * 8
        result = run(recipe, quiet=True)
    assert sorted(held(recipe).values()) == [5] * 30 + [11] * 30
    assert result.generated.sent == 480 - before
    assert result.generated.cached == before
    assert (result.counts["asked"], result.counts["missing"]) == (480, 0)
