"""Two tasks of a student of rationales: the answer, and the steps."""

from __future__ import annotations

from typing import Any

import pytest

from synthkd.errors import StudentError
from synthkd.kinds.base import Kind
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.kinds.triple import TripleKind
from synthkd.prompts import load_prompt
from synthkd.students.generators import multitask
from synthkd.students.generators.examples import Example, ExampleBuilder
from synthkd.students.generators.fit import student_template
from synthkd.students.generators.options import GeneratorOptions, TaskShares
from synthkd.students.train import make_student

ROW = {
    "question": "Tom has 5 pens. He buys 2 more pens. How many pens does Tom have now?",
    "answer": "7",
}
GOOD = {**ROW, "rationale": "Tom has 5 pens. 5 + 2 = 7."}
BAD = {**ROW, "rationale": "Tom has 5 pens. 5 - 2 = 3.", "answer": "3"}


def examples(tasks: Any, rows: list[Any], negatives: list[Any] | None = None) -> list[Example]:
    kind = RationaleKind(answer="number")
    writer = ExampleBuilder(
        kind,
        load_prompt("rationale/student"),
        multitask.splitter_of_tasks(GeneratorOptions(tasks=tasks).shares, kind),
    )
    return writer.examples(rows, negatives or [])[0]


def test_each_rationale_teaches_its_answer_and_its_steps_after_different_prompts() -> None:
    predict, explain = examples("multitask", [GOOD])
    assert (predict.task, predict.completion) == ("predict", " The answer is 7.")
    assert (explain.task, explain.completion) == ("explain", " Tom has 5 pens. 5 + 2 = 7.")
    assert predict.prompt != explain.prompt
    assert predict.question == explain.question


def test_a_bare_answer_teaches_no_steps() -> None:
    assert [e.task for e in examples("multitask", [{**GOOD, "rationale": ""}])] == ["predict"]


def test_a_negative_has_steps_and_no_answer() -> None:
    found = examples("multitask", [GOOD], [BAD])
    assert [(e.task, e.good) for e in found] == [
        ("predict", True),
        ("explain", True),
        ("explain", False),
    ]
    assert len({e.question for e in found}) == 1


def test_the_answer_alone_is_taught_after_the_students_own_prompt() -> None:
    (found,) = examples("answer", [GOOD], [BAD])
    assert found.completion == " The answer is 7."
    assert found.prompt.startswith("Question: Tom has 5 pens.")


def test_a_student_of_two_tasks_is_asked_with_the_prompt_of_the_first() -> None:
    templates = [
        student_template(RationaleKind(), GeneratorOptions(tasks=tasks)).name
        for tasks in ("multitask", "answer", None)
    ]
    assert templates == ["rationale/predict", "rationale/student", "rationale/student"]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("multitsk", "tasks: one of answer, multitask or .*did you mean 'multitask'"),
        ({"predict": 1, "explan": 1}, "tasks: no option 'explan' .did you mean 'explain'"),
        ({"explain": 1.0}, "tasks.predict: needed .a number above 0"),
        ({"predict": 1, "explain": -1}, "tasks.explain: a number from 0 on is needed, not -1"),
        (3, "tasks: one of answer, multitask or a mapping of predict, explain or null is needed"),
    ],
)
def test_a_wrong_option_is_named(tasks: Any, message: str) -> None:
    with pytest.raises(StudentError, match=message):
        make_student("generator", {"tasks": tasks})


def test_tasks_are_for_rationales_alone() -> None:
    kind: Kind = TripleKind()
    with pytest.raises(StudentError, match="tasks are for the kind 'rationale'"):
        multitask.splitter_of_tasks(TaskShares(predict=1), kind)


def test_the_loss_is_the_sum_of_each_tasks_mean_by_its_share() -> None:
    torch = pytest.importorskip("torch")
    messages = ({"role": "prompt", "content": "q"},)
    batch = [Example(messages, "a", task=task) for task in ("predict", "explain", "explain")]
    sums = torch.tensor([3.0, 8.0, 6.0], dtype=torch.float64)
    tokens, weights = torch.tensor([1, 4, 2]), torch.tensor([1.0, 1.0, 3.0], dtype=torch.float64)
    loss = multitask.TaskMean(TaskShares(predict=0.25, explain=0.75))(
        sums, tokens, weights, batch, None
    )
    # 0.25 x 3 + 0.75 x (1 x 2 + 3 x 3) / 4
    assert loss.item() == pytest.approx(0.25 * 3 + 0.75 * 11 / 4)
