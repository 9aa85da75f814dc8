"""QCRD as the objective of a generator student."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from synthkd.errors import StudentError  # noqa: E402
from synthkd.kinds.rationale.kind import RationaleKind  # noqa: E402
from synthkd.students.generators.examples import Example  # noqa: E402
from synthkd.students.generators.options import QcrdOptions  # noqa: E402
from synthkd.students.generators.qcrd import QcrdObjective, stack_by_question  # noqa: E402
from synthkd.students.generators.student import GeneratorStudent  # noqa: E402
from synthkd.students.train import make_student  # noqa: E402

pytestmark = pytest.mark.slow

KIND = RationaleKind(answer="number")
BASE = {"layers": 1, "width": 32, "vocabulary": 300, "context": 128}


def row(a: int, b: int, said: int, agreement: float | None = None) -> dict[str, Any]:
    question = f"Tom has {a} pens. He buys {b} more pens. How many pens does Tom have now?"
    found = {"question": question, "rationale": f"{a} + {b} = {said}.", "answer": str(said)}
    return {**found, "agreement": agreement}


ROWS = [row(a, 2, a + 2, 0.75) for a in range(1, 9)]
NEGATIVES = [row(a, 2, a + 5) for a in range(1, 9)]


def example(question: int, good: bool = True, quality: float = 1.0, task: str = "") -> Example:
    messages = ({"role": "prompt", "content": f"Question: {question} + 1?"},)
    return Example(
        messages,
        f" The answer is {question}.",
        question=question,
        good=good,
        quality=quality,
        task=task,
    )


class NoCoder:
    """For what codes nothing."""


def objective(**options: Any) -> QcrdObjective:
    examples = [example(0), example(0, good=False)]
    return QcrdObjective(QcrdOptions(**options), examples, NoCoder(), KIND)  # type: ignore[arg-type]


def trained(objective: str = "qcrd", epochs: int = 2, **options: Any) -> GeneratorStudent:
    student = GeneratorStudent(
        BASE, epochs=epochs, batch_size=4, lr=3e-3, objective=objective, **options
    )
    return student.fit_rows(ROWS, KIND, negatives=NEGATIVES if objective == "qcrd" else ())


def test_the_loss_of_a_batch_equals_the_formula_worked_by_hand() -> None:
    batch = [
        example(7, task="predict"),
        example(7, quality=0.8, task="explain"),
        example(7, quality=0.8, task="explain"),
        example(7, good=False, quality=0.25, task="explain"),
        example(9, quality=0.5, task="explain"),
    ]
    sums = torch.tensor([2.0, 6.0, 2.0, 4.0, 3.0], dtype=torch.float64)
    tokens = torch.tensor([2, 3, 2, 4, 1])
    loss = objective()(sums, tokens, torch.ones(5, dtype=torch.float64), batch, None)
    # Question 7: 0.8 x min(2, 1) - 0.2 x (1 - 0.25) x (1 - 3); question 9: 0.5 x 3.
    contrast = (0.8 * 1 + 0.2 * 0.75 * 2 + 0.5 * 3) / 2
    assert loss.item() == pytest.approx(0.5 * 1 + 0.5 * contrast)


def test_a_rows_weight_counts_for_its_positive() -> None:
    batch = [example(7), example(7, good=False, quality=0.0)]
    sums, tokens = torch.tensor([1.0, 5.0]), torch.tensor([1, 1])
    light, heavy = (
        objective()(sums, tokens, torch.tensor([w, 1.0]), batch, None).item() for w in (1.0, 3.0)
    )
    assert heavy == pytest.approx(3 * light)


def test_rationales_are_stacked_by_question_in_any_order() -> None:
    values, quality = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.1, 0.2, 0.3])
    table, held = stack_by_question(values, quality, [5, 6, 5], [True, False, True])
    assert table.tolist() == [[1.0, 3.0], [math.inf, math.inf]]
    assert held.flatten().tolist() == pytest.approx([0.1, 0.3, 0.0, 0.0])


def test_negatives_end_further_from_positives_than_under_plain_cross_entropy() -> None:
    def margin(student: GeneratorStudent) -> float:
        return float(student.loss(NEGATIVES).mean() - student.loss(ROWS).mean())

    contrasted = trained(epochs=12, objective_options={"beta": 0.5, "delta": 10.0})
    assert margin(contrasted) > 1.5 * margin(trained("ce", epochs=12))


def test_with_two_tasks_the_answer_is_learnt_beside_the_contrast() -> None:
    student = trained(tasks="multitask")
    assert student.record["examples"] == 24
    assert student.prompt.name == "rationale/predict"


def test_a_student_of_two_tasks_is_read_back_with_the_prompt_of_the_first(tmp_path: Path) -> None:
    trained(tasks="multitask").save(tmp_path)
    student = GeneratorStudent.load(tmp_path)
    assert student.builder.messages(ROWS[0])[0]["content"].startswith(
        "Predict. Question: Tom has 1 pens."
    )


def test_a_discriminator_gives_the_quality_and_is_recorded() -> None:
    student = trained(objective_options={"quality": "discriminator", "pretrain": 5, "interval": 2})
    found = student.record["objective"]["discriminator"]
    assert found["steps"] > 5


def test_samples_of_an_earlier_copy_can_be_the_negatives() -> None:
    student = trained(objective_options={"sampled": True, "interval": 2})
    assert student.record["steps"] == 4
    assert "sampled_negatives" in student.record["objective"]


def test_qcrd_without_rejected_rationales_is_refused_with_a_remedy() -> None:
    student = GeneratorStudent(BASE, epochs=1, objective="qcrd")
    with pytest.raises(StudentError, match="no rejected rationale to contrast with"):
        student.fit_rows(ROWS, KIND)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bta": 0.1}, "no option 'bta' .did you mean 'beta'"),
        ({"quality": "agrement"}, "quality: one of .*did you mean 'agreement'"),
        ({"pick": "middle"}, "pick: one of nearest, farthest is needed, not 'middle'"),
        ({"contrast": 0.0}, "contrast: a number above 0 is needed"),
        ({"interval": 0}, "interval: a whole number from 1 on is needed"),
        ({"delta": "3"}, "delta: a number from 0 on is needed, not '3'"),
    ],
)
def test_a_wrong_option_of_qcrd_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(StudentError, match=f"objective_options.*{message}"):
        make_student("generator", {"objective": "qcrd", "objective_options": options})


def test_a_corpus_trains_it_with_its_rejected_rows_as_negatives(tmp_path: Path) -> None:
    from synthkd import Recipe, run

    inputs = [{"id": f"q{i}", "question": ROWS[i]["question"]} for i in range(4)]
    (tmp_path / "in.jsonl").write_text(
        "".join(f'{{"id": "{r["id"]}", "question": "{r["question"]}"}}\n' for r in inputs)
    )
    said = [
        f'{{"input_id": "q{i}", "sample_index": {k}, "text": "{i + 1} + 2 = {c}. The answer is'
        f' {c}."}}\n'
        for i in range(4)
        for k, c in enumerate((i + 3, i + 3, i + 9))
    ]
    (tmp_path / "said.jsonl").write_text("".join(said))
    recipe = {
        "name": "r",
        "inputs": {"path": "in.jsonl", "id": "id"},
        "kind": {"name": "rationale", "options": {"answer": "number"}},
        "teacher": {"backend": "recorded", "path": "said.jsonl", "sampling": {"n": 3}},
        "corpus": {"path": "corpus"},
        "journal": "j.sqlite",
        "work": "w",
    }
    corpus = run(Recipe.from_dict(recipe, tmp_path), quiet=True).corpus
    student = GeneratorStudent(BASE, epochs=1, objective="qcrd").fit_corpus(corpus.path)
    assert student.record["negatives"] == 4


def test_negatives_are_refused_by_an_objective_that_would_learn_them_as_good() -> None:
    with pytest.raises(StudentError, match=r"negatives: the objective 'ce'.*qcrd"):
        GeneratorStudent(BASE).fit_rows(ROWS, KIND, negatives=NEGATIVES)


@pytest.mark.parametrize("tasks", ["multitask", "answer"])
def test_a_loaded_student_of_tasks_is_judged_by_what_it_learnt(tmp_path: Path, tasks: str) -> None:
    student = trained("ce", 1, tasks=tasks)
    student.save(tmp_path)
    assert GeneratorStudent.load(tmp_path).loss(ROWS) == pytest.approx(student.loss(ROWS), abs=1e-5)


@pytest.mark.parametrize("weight", ["high", math.nan])
def test_a_weight_that_is_no_number_is_named(weight: object) -> None:
    with pytest.raises(StudentError, match=f"column 'weight': {weight!r} is no number"):
        GeneratorStudent(BASE).fit_rows([{**ROWS[0], "weight": weight}], KIND)


def test_an_empty_weight_counts_as_one() -> None:
    student = GeneratorStudent(BASE, epochs=1).fit_rows(
        [{**one, "weight": ""} for one in ROWS], KIND
    )
    assert student.record["examples"] == len(ROWS)


@pytest.mark.parametrize("options", [{"epochs": math.inf}, {"seed": "x"}, {"prompt": 5}])
def test_an_invalid_option_is_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(StudentError, match=next(iter(options))):
        GeneratorStudent(BASE, **options)


@pytest.mark.parametrize("option", ["weight", "quality"])
def test_a_column_that_no_row_has_is_named(option: str) -> None:
    with pytest.raises(
        StudentError, match=r"no row has a column 'agrement'.*did you mean 'agreement'"
    ):
        GeneratorStudent(BASE, **{option: "agrement"}).fit_rows(ROWS, KIND)


@pytest.mark.parametrize(
    ("said", "negatives"), [(" 1 + 2 = 9. The answer is 99.", 1), (None, 0), (" no idea", 0)]
)
def test_a_sample_with_another_answer_is_a_negative(
    monkeypatch: pytest.MonkeyPatch, said: str | None, negatives: int
) -> None:
    # The value None stands for what the rows say.
    from synthkd.students.generators import decode
    from synthkd.students.generators.qcrd import SampledNegatives

    student = trained("ce", 1)
    examples, _ = student.builder.examples(ROWS[:1])
    texts = [example.completion if said is None else said for example in examples]
    monkeypatch.setattr(decode, "generate_batch", lambda *_: texts)
    sampled = SampledNegatives(examples, student.coder, KIND, 1.5)
    sampled.keep(student.model)
    found, losses = sampled.losses(student.model, examples)
    assert (len(found), len(losses), sampled.count) == (negatives,) * 3
    assert not any(example.good for example in found)
    assert torch.isfinite(losses).all()
