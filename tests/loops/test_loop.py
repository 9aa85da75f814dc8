"""Tests of the loop over labelled text: rounds, files, resumption and shown texts."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.files import write_csv
from support.loops import files_of, loop_recipe

from benchmarks.kills.loop_texts import WORDS, rows_of, text_of, write
from synthkd import distill
from synthkd.keys import seed_from
from synthkd.loops import DistillResult
from synthkd.loops.labelled.contamination import EvaluationTexts
from synthkd.students.classifiers.linear import LinearStudent
from synthkd.testing import FakeServer


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[DistillResult, FakeServer]:
    """Run a loop of three rounds."""
    with FakeServer(answer=write) as server:
        return distill(loop_recipe(tmp_path_factory.mktemp("loop"), server.url), quiet=True), server


Done = tuple[DistillResult, FakeServer]


def prompts(server: FakeServer) -> list[str]:
    return [prompt for prompt, _, _ in server.sent]


@pytest.mark.slow
def test_a_student_gets_better_by_what_it_asks_for(done: Done) -> None:
    figures = done[0].figures
    assert figures[0]["test_accuracy"] < 0.8 < figures[done[0].best]["test_accuracy"]
    assert len(done[0].rounds) == 4
    assert done[0].ended == "all 3 rounds are done"


@pytest.mark.slow
def test_the_best_student_is_copied_to_its_place(done: Done) -> None:
    result = done[0]
    rows = rows_of(8, 3)
    predicted = result.student.predict([row["text"] for row in rows])
    right = sum(said == row["label"] for said, row in zip(predicted, rows, strict=True)) / len(rows)
    assert right == result.figures[result.best]["test_accuracy"]


@pytest.mark.slow
def test_no_validation_or_test_text_stands_in_a_prompt(done: Done) -> None:
    held = [row["text"] for row in (*rows_of(6, 2), *rows_of(8, 3))]
    assert not [text for text in held for prompt in prompts(done[1]) if text in prompt]


def test_prompts_of_a_round_show_the_report_and_what_the_student_got_right_and_surely_wrong(
    done: Done,
) -> None:
    shown = [prompt for prompt in prompts(done[1]) if "Report on the student" in prompt]
    assert len(shown) == len(prompts(done[1]))
    assert any("was surest of" in prompt for prompt in shown)
    assert any("Texts that it got right" in prompt for prompt in shown)


def test_no_text_is_shown_twice_in_a_prompt(done: Done) -> None:
    for one in done[0].rounds[1:]:
        for row in one.inputs:
            texts = [
                shown["text"]
                for name in ("shots", "correct", "incorrect", "hard")
                for shown in row[name]
            ]
            assert len(texts) == len(set(texts))


def test_every_row_has_a_round_an_origin_and_a_fate(done: Done) -> None:
    result = done[0]
    rows = pq.read_table(result.recipe.work_dir / "rows.parquet").to_pylist()
    counts = Counter((row["round"], row["origin"], row["rejected_by"] is None) for row in rows)
    assert counts[0, "start", True] == 6
    for one in result.rounds[1:]:
        kept = one.record["counts"]["accepted"]
        assert counts[one.number, "teacher", True] == kept
        assert counts[one.number, "teacher", False] == one.record["counts"]["candidates"] - kept
    assert {row["round"] for row in rows if row["in_best"]} == set(range(result.best + 1))


def test_the_corpus_holds_the_rows_of_all_rounds(done: Done) -> None:
    corpus = done[0].corpus
    corpus.verify()
    assert (
        len(corpus)
        == corpus.accepted.num_rows
        == sum(one.record["added"] for one in done[0].rounds)
    )
    assert corpus.manifest["rounds"].keys() == {"1", "2", "3"}


def test_the_manifest_joins_rounds_student_and_corpus(done: Done) -> None:
    result = done[0]
    manifest = json.loads((result.recipe.work_dir / "distill.json").read_text())
    assert manifest["best"] == manifest["kept"]["round"] == result.best
    assert manifest["student"]["name"] == "linear"
    assert manifest["corpus"]["hash"] == result.corpus.hash
    assert [one["key"] for one in manifest["rounds"]] == [one.key for one in result.rounds]
    assert manifest["rows"]["start"]["rows"] == 6


@pytest.mark.slow
def test_a_second_run_sends_nothing_and_leaves_the_same_files(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        recipe = loop_recipe(tmp_path, server.url, loop={"rounds": 2})
        distill(recipe, quiet=True)
        before, sent = files_of(recipe), server.requests
        again = distill(recipe, quiet=True)
        assert server.requests == sent
        assert files_of(recipe) == before
        assert len(again.rounds) == 3


@pytest.mark.slow
def test_more_rounds_go_on_from_those_that_are_done(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        short = distill(loop_recipe(tmp_path, server.url, loop={"rounds": 1}), quiet=True)
        long = distill(loop_recipe(tmp_path, server.url, loop={"rounds": 2}), quiet=True)
        assert [one.key for one in long.rounds[:2]] == [one.key for one in short.rounds]
        assert max(server.sent.values()) == 1


@pytest.mark.slow
def test_rounds_of_another_recipe_are_done_again_and_those_beyond_the_end_are_removed(
    tmp_path: Path,
) -> None:
    with FakeServer(answer=write) as server:
        distill(loop_recipe(tmp_path, server.url, loop={"rounds": 3}), quiet=True)
        other = distill(
            loop_recipe(tmp_path, server.url, loop={"rounds": 1, "allocate": "uniform"}), quiet=True
        )
        assert sorted(path.name for path in (other.recipe.work_dir / "rounds").iterdir()) == [
            "000",
            "001",
        ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["own.j2", "classes.yaml"])
def test_rounds_are_done_again_where_a_file_that_the_recipe_names_was_edited(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "own.j2").write_text(
        'Write {{ texts }} new texts, all of the class "{{ label }}". {{ description }}'
    )
    (tmp_path / "classes.yaml").write_text(
        "".join(f"- {{label: {label}, description: of {label}}}\n" for label in WORDS)
    )
    kind = {"name": "labelled_text", "several": True, "options": {"taxonomy": "classes.yaml"}}
    with FakeServer(answer=write) as server:
        recipe = loop_recipe(
            tmp_path, server.url, kind=kind, prompt={"template": "own.j2"},
            loop={"rounds": 1, "allocate": "uniform"},
        )  # fmt: skip
        distill(recipe, quiet=True)
        file = tmp_path / name
        file.write_text(
            file.read_text().replace("Write", "Please Write").replace("of account", "who they are")
        )
        distill(recipe, quiet=True)
        assert server.requests == {"own.j2": 6, "classes.yaml": 4}[name]


@pytest.mark.slow
def test_rows_of_the_teacher_that_are_like_held_ones_are_not_shown_where_the_rules_let_them_pass(
    tmp_path: Path,
) -> None:
    rules = ["empty", "label_known", {"name": "contaminated", "options": {"near": False}}]
    with FakeServer(answer=write) as server:
        loop = {"rounds": 2, "near": 0.3}
        result = distill(loop_recipe(tmp_path, server.url, rules=rules, loop=loop), quiet=True)
    held = EvaluationTexts([row["text"] for row in (*rows_of(6, 2), *rows_of(8, 3))], 0.3)
    assert any(held.find(row["text"]) for row in result.rounds[1].rows)
    assert len(result.rounds) == 3


@pytest.mark.slow
def test_a_loop_without_report_and_hard_negatives_shows_neither(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        loop = {"rounds": 1, "report": False, "mine": {"hard": 0}}
        distill(loop_recipe(tmp_path, server.url, loop=loop), quiet=True)
        assert not [
            p for p in prompts(server) if "Report on the student" in p or "was surest of" in p
        ]


@pytest.mark.slow
def test_a_teacher_that_chooses_the_classes_is_asked_once_a_round(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        result = distill(
            loop_recipe(tmp_path, server.url, loop={"rounds": 2, "allocate": "teacher"}), quiet=True
        )
        assert server.requests == 2
        assert all("Choose the classes yourself" in prompt for prompt in prompts(server))
        assert result.rounds[1].record["added"] > 0


@pytest.mark.slow
def test_patience_ends_a_loop_that_gets_no_better(tmp_path: Path) -> None:
    with FakeServer(answer=lambda prompt, index, seed: "[]") as server:
        result = distill(
            loop_recipe(tmp_path, server.url, loop={"rounds": 9, "patience": 2}), quiet=True
        )
        assert (result.best, len(result.rounds)) == (0, 3)
        assert result.ended == "2 rounds without a better one"


@pytest.mark.slow
def test_validation_rows_can_be_a_share_of_the_start_rows(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        recipe = loop_recipe(tmp_path, server.url, loop={"rounds": 1, "validation": 0.25})
        write_csv(tmp_path / "start.csv", rows_of(8, 1))
        result = distill(recipe, quiet=True)
        manifest = json.loads((recipe.work_dir / "distill.json").read_text())
        assert (manifest["rows"]["start"]["rows"], manifest["rows"]["validation"]["rows"]) == (
            18,
            6,
        )
        assert result.rounds[1].record["added"]


@pytest.mark.slow
def test_rows_kept_aside_are_mined_and_never_trained_on(tmp_path: Path) -> None:
    write_csv(tmp_path / "pool.csv", rows_of(5, 9))
    with FakeServer(answer=write) as server:
        loop = {"rounds": 1, "pool": {"path": "pool.csv"}, "mine": {"by": "pool"}}
        result = distill(loop_recipe(tmp_path, server.url, loop=loop), quiet=True)
        rows = pq.read_table(result.recipe.work_dir / "rows.parquet").column("text").to_pylist()
        pool = {row["text"] for row in rows_of(5, 9)}
        assert not pool & set(rows)
        shown = {
            one["text"]
            for row in result.rounds[1].inputs
            for one in (*row["correct"], *row["hard"])
        }
        assert shown <= pool


@pytest.mark.slow
def test_test_rows_decide_nothing(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        one = distill(loop_recipe(tmp_path / "a", server.url, loop={"rounds": 2}), quiet=True)
        recipe = loop_recipe(tmp_path / "b", server.url, loop={"rounds": 2})
        write_csv(
            tmp_path / "b" / "test.csv", [{**row, "label": "refund"} for row in rows_of(8, 3)]
        )
        other = distill(recipe, quiet=True)
        assert other.best == one.best
        assert [done.inputs for done in other.rounds] == [done.inputs for done in one.rounds]


def test_a_result_shows_its_table_and_its_curve(done: Done) -> None:
    assert "best" in str(done[0])
    assert "3 rounds" in repr(done[0])
    assert done[0]._repr_html_().startswith("<svg")


@pytest.mark.slow
def test_a_small_student_can_be_cross_validated_in_place_of_a_dear_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: Counter[str] = Counter()
    fit = LinearStudent.fit

    def counted(self: LinearStudent, *rows: Any) -> LinearStudent:
        trained[self.options.features] += 1
        return fit(self, *rows)

    monkeypatch.setattr(LinearStudent, "fit", counted)
    small = {"name": "linear", "options": {"features": "tfidf"}}
    with FakeServer(answer=write) as server:
        loop = {"rounds": 1, "mine": {"student": small, "folds": 3}}
        distill(loop_recipe(tmp_path, server.url, loop=loop), quiet=True)
    assert trained == {"hashing": 2, "tfidf": 3}


def one_text(prompt: str, index: int, seed: int) -> str:
    """Write as a teacher that gives one text, for `labelled_text/chat`."""
    label = prompt.split('for the class "')[1].split('"')[0]
    return text_of(label, random.Random(seed_from(prompt, index, seed)))


@pytest.mark.slow
def test_a_template_for_one_text_gets_an_input_for_each_and_the_class_it_is_confused_with(
    tmp_path: Path,
) -> None:
    with FakeServer(answer=one_text) as server:
        kind = {"name": "labelled_text", "options": {"axes": {"style": ["short", "polite"]}}}
        loop = {"rounds": 1, "allocate": "uniform"}
        recipe = loop_recipe(
            tmp_path, server.url, kind=kind, prompt={"template": "labelled_text/chat"}, loop=loop
        )
        result = distill(recipe, quiet=True)
    asked = result.rounds[1].inputs
    assert [row["texts"] for row in asked] == [1] * 12
    assert {row["style"] for row in asked} == {"short", "polite"}
    assert {row["contrast"] for row in asked} > {""}
    assert all(row["contrast"] != row["label"] for row in asked)
    assert result.rounds[1].record["added"] > 6


@pytest.mark.slow
def test_samples_of_a_prompt_count_as_rows(tmp_path: Path) -> None:
    with FakeServer(answer=one_text) as server:
        recipe = loop_recipe(
            tmp_path, server.url, kind={"name": "labelled_text"},
            prompt={"template": "labelled_text/chat"},
            loop={"rounds": 1, "allocate": "uniform"},
        )  # fmt: skip
        sampling = recipe.teacher.sampling.model_copy(update={"n": 3})
        recipe = recipe.with_parts(teacher=recipe.teacher.model_copy(update={"sampling": sampling}))
        result = distill(recipe, quiet=True)
    assert len(result.rounds[1].inputs) == 6
    assert result.rounds[1].record["wanted"] == 18


@pytest.mark.slow
def test_only_equal_texts_count_as_copies_where_the_recipe_says_so(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        result = distill(
            loop_recipe(tmp_path, server.url, loop={"rounds": 1, "near": 1}), quiet=True
        )
    assert result.rounds[1].record["added"] > 0
