"""Tests of loops that fail: before anything is sent, or with the last good round kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.files import write_csv
from support.loops import loop_recipe

from benchmarks.kills.loop_texts import WORDS, rows_of, write
from synthkd import distill
from synthkd.errors import (
    AuthenticationError,
    InputError,
    PromptError,
    RecipeError,
    StorageError,
    StudentError,
    TeacherError,
    TrainingError,
)
from synthkd.students.classifiers.linear import LinearStudent
from synthkd.testing import FakeServer


def refused(tmp_path: Path, error: type[Exception], said: str, **parts: Any) -> None:
    """Assert that a loop ends before anything is sent."""
    with FakeServer(answer=write) as server:
        with pytest.raises(error, match=said):
            distill(loop_recipe(tmp_path, server.url, **parts), quiet=True)
        assert server.requests == 0


def data(folder: Path, **files: list[dict[str, Any]]) -> None:
    for name, rows in {
        "start": rows_of(2, 1),
        "validation": rows_of(6, 2),
        "test": rows_of(8, 3),
        **files,
    }.items():
        write_csv(folder / f"{name}.csv", rows)


def test_a_recipe_without_a_loop_is_refused(tmp_path: Path) -> None:
    recipe = loop_recipe(tmp_path).with_parts(loop=None)
    with pytest.raises(RecipeError, match="has no `loop`"):
        distill(recipe)


def test_a_kind_without_a_loop_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, RecipeError, "no task for the kind 'rationale'", kind={"name": "rationale"})


def test_a_class_without_a_validation_row_is_refused(tmp_path: Path) -> None:
    data(tmp_path, validation=rows_of(6, 2, labels=("refund", "account")))
    refused(tmp_path, StudentError, "no row of the class 'delivery'; add a row of each")


def test_a_class_of_one_row_cannot_be_shared_between_training_and_validation(
    tmp_path: Path,
) -> None:
    data(
        tmp_path,
        start=[*rows_of(4, 1, labels=("refund", "account")), *rows_of(1, 1, labels=("delivery",))],
    )
    refused(
        tmp_path, StudentError, "no row of the class 'delivery'; two rows", loop={"validation": 0.2}
    )


@pytest.mark.parametrize("name", ["start", "validation", "test"])
def test_an_unknown_label_is_refused_with_its_row(tmp_path: Path, name: str) -> None:
    data(tmp_path, **{name: [*rows_of(6, 4), {"text": "parcel late today", "label": "delivry"}]})
    kind = {"name": "labelled_text", "several": True, "options": {"taxonomy": list(WORDS)}}
    refused(
        tmp_path,
        StudentError,
        f"{name}.csv row 19: 'delivry' is none of the 3 classes .*delivery",
        kind=kind,
    )


def test_one_class_is_refused(tmp_path: Path) -> None:
    one = rows_of(4, 1, labels=("refund",))
    data(tmp_path, start=one, validation=one, test=one)
    refused(tmp_path, StudentError, "the one class 'refund'")


@pytest.mark.slow
def test_start_rows_that_copy_held_rows_are_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = rows_of(8, 3)[0]
    data(tmp_path, start=[*rows_of(2, 1), {**copy, "text": copy["text"].upper() + "!"}])
    with FakeServer(answer=write) as server:
        result = distill(loop_recipe(tmp_path, server.url, loop={"rounds": 1}))
    assert result.rounds[0].record["rows"] == 6
    assert (
        "1 of 7 rows left out, copies of validation or test rows: start.csv row 7 is test.csv row 1"
        in (capsys.readouterr().err)
    )


def test_few_shot_examples_that_copy_a_test_row_are_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "shots.csv", rows_of(8, 3)[:2])
    prompt = {
        "template": "labelled_text/json-list",
        "examples": {"path": "shots.csv", "n": 1, "by": "label"},
    }
    refused(
        tmp_path,
        InputError,
        "few-shot examples, shots.csv.*never shown to a teacher",
        prompt=prompt,
    )


def test_a_template_that_names_an_unknown_variable_is_refused_before_a_student_is_trained(
    tmp_path: Path,
) -> None:
    (tmp_path / "own.j2").write_text("Write {{ textss }} texts.")
    refused(tmp_path, PromptError, "textss", prompt={"template": "own.j2"})


def test_an_unknown_option_of_the_student_is_refused(tmp_path: Path) -> None:
    refused(
        tmp_path,
        RecipeError,
        "student 'linear'.*depth",
        student={"name": "linear", "options": {"depth": 3}},
    )


@pytest.mark.parametrize("axes", [3, {"style": "short"}])
def test_axes_that_are_none_are_refused(tmp_path: Path, axes: Any) -> None:
    kind = {"name": "labelled_text", "several": True, "options": {"axes": axes}}
    refused(tmp_path, RecipeError, "kind.options.axes: ", kind=kind)


def test_a_student_that_learns_no_labels_is_refused(tmp_path: Path) -> None:
    refused(
        tmp_path, RecipeError, "needs a student that learns labels", student={"name": "generator"}
    )


def test_without_start_rows_validation_rows_must_be_named(tmp_path: Path) -> None:
    refused(
        tmp_path,
        RecipeError,
        "name the rows of `validation`",
        loop={"start": None, "validation": 0.2},
    )


def test_real_rows_that_are_named_twice_are_refused(tmp_path: Path) -> None:
    kind = {"name": "labelled_text", "several": True, "options": {"real": "start.csv"}}
    refused(tmp_path, RecipeError, "named in `loop.start`", kind=kind)


def test_a_budget_without_prices_is_refused_before_a_student_is_trained(tmp_path: Path) -> None:
    refused(tmp_path, RecipeError, "needs prices", limits={"dollars": 1.0})
    assert not (tmp_path / "runs" / "loop" / "rounds").exists()


def test_a_teacher_that_chooses_needs_a_kind_of_several(tmp_path: Path) -> None:
    refused(
        tmp_path,
        RecipeError,
        "kind.several",
        kind={"name": "labelled_text"},
        loop={"allocate": "teacher"},
    )


@pytest.mark.slow
def test_rounds_of_which_all_is_rejected_count_as_bad(tmp_path: Path) -> None:
    with FakeServer(answer=lambda *_: '[{"text": "buy my hat", "label": "hats"}]') as server:
        result = distill(
            loop_recipe(tmp_path, server.url, loop={"rounds": 9, "patience": 2}), quiet=True
        )
    assert (result.best, len(result.rounds)) == (0, 3)
    assert result.rounds[1].record["counts"]["rejected"]["label_known"] > 0
    assert result.rounds[1].record["student"] == "000/student"


@pytest.mark.slow
def test_a_teacher_that_answers_another_class_is_told_and_its_label_counts(tmp_path: Path) -> None:
    def other(prompt: str, index: int, seed: int) -> str:
        return write(
            prompt.replace('of the class "delivery"', 'of the class "refund"'), index, seed
        )

    with FakeServer(answer=other) as server:
        result = distill(
            loop_recipe(tmp_path, server.url, loop={"rounds": 1, "allocate": "uniform"}), quiet=True
        )
    assert result.rounds[1].record["facts"]["requested"]["delivery"] == 4
    assert "delivery" not in result.rounds[1].record["facts"]["accepted"]
    assert result.rounds[1].record["facts"]["other_class"] == 4


@pytest.mark.slow
def test_two_rounds_of_which_every_request_failed_end_the_loop(tmp_path: Path) -> None:
    with FakeServer(answer=write, rates={"400-context": 1.0}) as server:
        recipe = loop_recipe(
            tmp_path, server.url, loop={"rounds": 9}, limits={"failing_share": 1.0}
        )
        with pytest.raises(
            TeacherError, match=r"2 rounds in a row failed .*round 0 is the best so far"
        ):
            distill(recipe, quiet=True)
    assert (recipe.student_path / "student.json").is_file()


@pytest.mark.slow
def test_rounds_of_which_every_request_failed_are_asked_again_by_the_next_run(
    tmp_path: Path,
) -> None:
    with FakeServer(answer=write, rates={"500": 1.0}) as server:
        recipe = loop_recipe(
            tmp_path, server.url, loop={"rounds": 2}, limits={"failing_share": 1.0}
        )
        with pytest.raises(TeacherError, match="2 rounds in a row failed"):
            distill(recipe, quiet=True)
    with FakeServer(answer=write, port=server.port):
        result = distill(recipe, quiet=True)
    assert [one.record["added"] > 0 for one in result.rounds] == [False, True, True]


@pytest.mark.slow
def test_a_class_that_got_nothing_in_the_first_asking_is_asked_for_in_another_way(
    tmp_path: Path,
) -> None:
    silent = set[str]()

    def stingy(prompt: str, index: int, seed: int) -> str:
        if 'all of the class "account"' in prompt and (not silent or prompt in silent):
            silent.add(prompt)
            return "[]"
        return write(prompt, index, seed)

    kind = {"name": "labelled_text", "several": True, "options": {"taxonomy": list(WORDS)}}
    with FakeServer(answer=stingy) as server:
        recipe = loop_recipe(tmp_path, server.url, kind=kind, loop={"start": None, "rounds": 1})
        result = distill(recipe, quiet=True)
    assert result.rounds[0].record["facts"]["accepted"]["account"] == 4


@pytest.mark.slow
def test_a_wrong_key_ends_the_loop_with_the_last_good_round_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with FakeServer(answer=write, key="right") as server:
        recipe = loop_recipe(tmp_path, server.url)
        with pytest.raises(
            AuthenticationError, match="round 0 is the best so far; its student is kept"
        ):
            distill(recipe, quiet=True)
    assert (recipe.work_dir / "report.md").is_file()


@pytest.mark.slow
def test_a_training_that_goes_wrong_ends_the_loop_with_the_last_good_round_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = LinearStudent.fit

    def wrong(self: LinearStudent, train: Any, validation: Any = None) -> LinearStudent:
        if len(train) > 20:
            raise TrainingError("the loss is no number at step 3")
        return fit(self, train, validation)

    monkeypatch.setattr(LinearStudent, "fit", wrong)
    with FakeServer(answer=write) as server:
        recipe = loop_recipe(tmp_path, server.url, loop={"mine": {"by": "train"}})
        with pytest.raises(TrainingError, match="step 3; round 1 is the best so far"):
            distill(recipe, quiet=True)
        sent = server.requests
        monkeypatch.setattr(LinearStudent, "fit", fit)
        assert len(distill(recipe, quiet=True).rounds) == 4
        assert max(server.sent.values()) == 1 < sent


def test_a_folder_that_holds_something_else_than_a_student_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    refused(tmp_path, StorageError, "not a student", student={"name": "linear", "path": "mine"})


@pytest.mark.slow
def test_classes_that_the_teacher_never_writes_end_the_loop_before_training(tmp_path: Path) -> None:
    kind = {"name": "labelled_text", "several": True, "options": {"taxonomy": list(WORDS)}}
    with FakeServer(answer=lambda *_: "[]") as server:
        recipe = loop_recipe(tmp_path, server.url, kind=kind, loop={"start": None})
        with pytest.raises(StudentError, match=r"a class needs 2 training rows .*'refund' has 0"):
            distill(recipe, quiet=True)


def test_start_rows_that_all_copy_validation_rows_are_refused(tmp_path: Path) -> None:
    rows = rows_of(6, 2)
    data(tmp_path, start=rows, validation=rows)
    refused(tmp_path, StudentError, r"loop\.start: every one of the \d+ rows copies")


def test_test_rows_that_all_copy_validation_rows_are_refused(tmp_path: Path) -> None:
    rows = rows_of(6, 2)
    data(tmp_path, validation=rows, test=rows)
    refused(tmp_path, StudentError, r"loop\.test: every row copies a validation row")


@pytest.mark.slow
def test_test_rows_that_copy_validation_rows_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validation = rows_of(6, 2)
    data(tmp_path, validation=validation, test=[*rows_of(8, 3), validation[0]])
    with FakeServer(answer=write) as server:
        distill(loop_recipe(tmp_path, server.url, loop={"rounds": 1}))
    assert "loop.test: 1 of 25 rows copy validation rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("allocation", "said"),
    [
        ({"most": 0.5}, "allocation.most"),
        ({"most": "3"}, "allocation.most"),
        ({"most": float("nan")}, "allocation.most"),
        ({"trust": 1.5}, "allocation.trust"),
        ({"trust": True}, "allocation.trust"),
        ({"unmoved": 2.0}, "allocation.unmoved"),
        ({"unmoved": 0}, "allocation.unmoved"),
        ({"mosst": 3}, "allocation.mosst"),
    ],
)
def test_options_of_an_allocation_are_checked_by_type_and_bound(
    tmp_path: Path, allocation: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        loop_recipe(tmp_path, loop={"allocate": "own", "allocation": allocation})


@pytest.mark.parametrize("allocate", ["uniform", "teacher"])
def test_options_of_an_allocation_that_has_none_are_refused(tmp_path: Path, allocate: str) -> None:
    with pytest.raises(RecipeError, match="`allocation` has the options of `allocate: own`"):
        loop_recipe(tmp_path, loop={"allocate": allocate, "allocation": {"most": 2}})
