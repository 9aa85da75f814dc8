"""Wrong values that methods of plug-ins from outside return: refused by class, file and line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synthkd.critics.base import CriticModel
from synthkd.errors import KindError, PluginError
from synthkd.kinds.base import Kind
from synthkd.loops.task import LoopTask, ValidationResult
from synthkd.plugins import find, register
from synthkd.recipe import TeacherPart
from synthkd.requests import Completion, Request, Sampling
from synthkd.students.base import Classifier
from synthkd.teachers.base import Teacher


def kind_with(**members: Any) -> Kind:
    base = {
        "name": "term",
        "columns": ("term", "meaning"),
        "input_columns": ("term",),
        "group_column": "term",
        "details": {"line": "int32"},
        "parse": lambda self, text, row: [],
        "verbalize": lambda self, row: row["meaning"],
        "normalize": lambda self, row: (row["term"], row["meaning"]),
    }
    made: Kind = type("Term", (Kind,), base | members)()
    return made


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("a text", "returned str 'a text'; return a list of dicts, or Malformed"),
        (None, "returned NoneType None"),
        ([["a", "b"]], "return a list of dicts"),
        ([{"term": "a"}], "without the column 'meaning'"),
        ([{"term": "a", "meaning": 3}], "returned int 3 as 'meaning'; a text is needed"),
        (
            [{"term": "a", "meaning": "b", "line": "x"}],
            "returned str 'x' as 'line', which is int32",
        ),
    ],
)
def test_what_parse_returns_is_checked(value: Any, problem: str) -> None:
    kind = kind_with(parse=lambda self, text, row: value)
    with pytest.raises(PluginError, match=r"^Term\.<lambda> \(test_returned_values\.py line ") as e:
        kind.parse("any", {"term": "a"})
    assert problem in str(e.value)


@pytest.mark.parametrize("value", ["a", ("a",), ("a", None), ["a", "b"]])
def test_a_normal_form_has_a_text_for_each_column(value: Any) -> None:
    kind = kind_with(normalize=lambda self, row: value)
    with pytest.raises(PluginError, match="a text for each of: term, meaning"):
        kind.normalize({"term": "a", "meaning": "b"})


def test_a_right_value_passes() -> None:
    row = {"term": "a", "meaning": None, "line": None}
    assert kind_with(parse=lambda self, text, given: [row]).parse("any", {"term": "a"}) == [row]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"group_column": "word"}, "`group_column` is 'word', no column of term, meaning"),
        ({"group_column": None}, "`group_column` is None"),
        ({"class_column": "sort"}, "`class_column` is 'sort'"),
        ({"columns": "term"}, "`columns` is 'term'; a tuple of names is needed"),
        ({"details": {"line": "int"}}, "'line' of type 'int'; known are int32"),
    ],
)
def test_a_kind_whose_attributes_do_not_fit_is_refused(
    members: dict[str, Any], problem: str
) -> None:
    with pytest.raises(KindError) as error:
        register("kinds", type(kind_with(**members)))
    assert problem in str(error.value)


class Scorer(CriticModel):
    name = "scorer"
    value: Any = None

    def fit(self, *args: Any, **options: Any) -> None:
        pass

    def score(self, batch: pa.RecordBatch | pa.Table) -> Any:
        return self.value

    def save(self, folder: Path) -> None:
        pass

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> Any:
        return cls(kind)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([0.5], "shape (1,) for 2 rows"),
        (None, "shape () for 2 rows"),
        (["good", "bad"], "return an array of 2 probabilities"),
        ([0.5, 1.5], "the score 1.5; a probability is from 0 to 1"),
    ],
)
def test_scores_are_a_probability_for_each_row(value: Any, problem: str) -> None:
    critic = Scorer(find("kinds", "event")())
    critic.value = value
    with pytest.raises(PluginError, match=r"^Scorer\.score ") as error:
        critic.score(pa.table({"event": ["a", "b"]}))
    assert problem in str(error.value)


def test_a_critic_that_saves_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"Scorer\.save .* wrote no file"):
        Scorer(find("kinds", "event")()).save(tmp_path)


class Guesser(Classifier):
    name = "guesser"
    value: Any = None

    def fit(self, train: Any, validation: Any = None) -> Any:
        return self

    def probabilities(self, texts: Any) -> Any:
        return self.value

    def save(self, folder: Path) -> None:
        (folder / "a").touch()

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Any:
        return cls()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([[0.5, 0.6]], "a row's sum is 1"),
        ([[-0.5, 1.5]], "a row's sum is 1"),
        ([[np.nan, 1.0]], "a row's sum is 1"),
        ([0.5, 0.5], "shape (2,) for 1 texts and 2 classes"),
    ],
)
def test_probabilities_are_a_distribution_for_each_text(value: Any, problem: str) -> None:
    student = Guesser(["a", "b"])
    student.value = value
    with pytest.raises(PluginError) as error:
        student.predict("a text")
    assert problem in str(error.value)


def answered(*groups: Any) -> list[Any]:
    """Read what a backend yields for one request of two samples."""

    class Told(Teacher):
        name = "told"
        identity = "told"

        async def stream(self, requests: AsyncIterator[Request]) -> AsyncIterator[Any]:
            async for _ in requests:
                for group in groups:
                    yield group

    async def source() -> AsyncIterator[Request]:
        yield REQUEST

    async def read() -> list[Any]:
        return [group async for group in Told(TeacherPart(backend="told")).stream(source())]

    return asyncio.run(read())


REQUEST = Request("told", ({"role": "user", "content": "hello"},), Sampling(n=2), (0, 1), "input")
FIRST, SECOND = (Completion(REQUEST.request_id, index, "a", "stop") for index in (0, 1))


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ([FIRST], "yielded Completion"),
        ([["text"]], "yielded str 'text'; a Completion or Failure is needed"),
        ([[Completion("other", 0, "a", "stop")]], "of request 'other', which is unknown"),
        ([[FIRST, FIRST]], "or has its answer"),
        ([[FIRST]], "ended with 1 samples unanswered, such as sample 1"),
    ],
)
def test_a_backend_answers_each_sample_once(groups: list[Any], problem: str) -> None:
    with pytest.raises(PluginError, match=r"^Told\.stream ") as error:
        answered(*groups)
    assert problem in str(error.value)


def test_answers_may_come_in_any_order_and_grouping() -> None:
    assert answered([SECOND], [FIRST]) == [[SECOND], [FIRST]]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0.5, "return a ValidationResult"),
        (ValidationResult(float("nan"), {"f1": 0.5}), "which JSON cannot hold"),
        (ValidationResult(0.5, {}), "no metric 'f1'"),
        (ValidationResult(0.5, {"f1": 0.5}, {"rows": {1, 2}}), "which JSON cannot hold"),
    ],
)
def test_a_loop_tasks_result_has_its_metrics_and_fits_json(value: Any, problem: str) -> None:
    parts = dict.fromkeys(LoopTask.__abstractmethods__)
    validate = {"metrics": ("f1",), "validate": lambda self, student: value}
    task: Any = type("Mine", (LoopTask,), parts | validate)
    with pytest.raises(PluginError) as error:
        object.__new__(task).validate(None)
    assert problem in str(error.value)
