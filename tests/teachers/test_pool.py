"""Tests of a teacher made of rows: its choice of rows, none twice, and errors of requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from synthkd.errors import InputError, RecipeError
from synthkd.keys import text_hash
from synthkd.recipe import TeacherPart
from synthkd.requests import Answer, Completion, Failure, Request, Sampling
from synthkd.teachers.pool.request import allocate_rows, parse_pool_request
from synthkd.teachers.pool.teacher import PoolTeacher

COLOURS = ["red", "green", "blue", "black", "white", "brown", "grey", "pink"]
ROWS = [
    *((f"where is my {colour} parcel", "late") for colour in COLOURS),
    *((f"send the money for the {colour} shirt back", "refund") for colour in COLOURS),
    *((f"the {colour} lamp came in pieces", "broken") for colour in COLOURS[:3]),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps({"query": text, "intent": label}) for text, label in ROWS))
    return file


def teacher(path: Path, **options: Any) -> PoolTeacher:
    columns = {"text": "query", "label": "intent"}
    return PoolTeacher(
        TeacherPart(backend="pool", path=str(path), columns=columns, options=options)
    )


def asked(label: str = "late", texts: int = 3, **more: Any) -> str:
    return json.dumps({"label": label, "texts": texts, "round": 1, **more})


def answers(pool: PoolTeacher, *prompts: str, samples: int = 1) -> list[Answer]:
    requests = [
        Request(pool.identity, ({"role": "prompt", "content": prompt},), Sampling(n=samples),
        tuple(range(samples)), str(i))
        for i, prompt in enumerate(prompts)
    ]  # fmt: skip

    async def ask() -> AsyncIterator[Request]:
        for request in requests:
            yield request

    async def run() -> list[Answer]:
        return [answer async for group in pool.stream(ask()) for answer in group]

    return asyncio.run(run())


def rows(pool: PoolTeacher, prompt: str) -> list[tuple[str, str]]:
    (answer,) = answers(pool, prompt)
    assert isinstance(answer, Completion), answer
    return [(row["text"], row["label"]) for row in json.loads(answer.text)]


@pytest.mark.parametrize("choose", ["drawn", "typical", "nearest"])
def test_it_answers_with_rows_of_the_class(path: Path, choose: str) -> None:
    hard = [{"text": "my parcel is nowhere", "label": "late", "predicted": "refund"}]
    found = rows(teacher(path, choose=choose), asked(hard=hard))
    assert len(set(found)) == 3
    assert set(found) <= {row for row in ROWS if row[1] == "late"}


def test_the_same_request_gets_the_same_rows_and_another_round_others(path: Path) -> None:
    pool = teacher(path, choose="drawn")
    first = rows(pool, asked())
    assert rows(teacher(path, choose="drawn"), asked()) == first
    assert any(rows(pool, asked(round=number)) != first for number in range(5))


def test_what_was_had_does_not_come_again_until_nothing_is_left(path: Path) -> None:
    pool, had = teacher(path), list[str]()
    found: list[str] = []
    for number in range(5):
        new = [text for text, _ in rows(pool, asked(round=number, had=had))]
        found += new
        had += [text_hash(text) for text in new]
    assert sorted(found) == sorted(text for text, label in ROWS if label == "late")


def test_an_exhausted_class_answers_an_empty_list(path: Path) -> None:
    had = [text_hash(text) for text, label in ROWS if label == "broken"]
    (answer,) = answers(teacher(path), asked("broken", had=had))
    assert isinstance(answer, Completion)
    assert answer.text == "[]"
    assert answer.price == 0


def test_case_and_punctuation_do_not_hide_that_a_text_was_had(path: Path) -> None:
    had = [text_hash(f"The {colour} LAMP came in pieces!") for colour in COLOURS[:3]]
    assert rows(teacher(path), asked("broken", had=had)) == []


def test_samples_of_one_request_share_no_row(path: Path) -> None:
    found = [json.loads(one.text) for one in answers(teacher(path), asked(), samples=3)]  # type: ignore[union-attr]
    assert [len(part) for part in found] == [3, 3, 2]
    assert len({row["text"] for part in found for row in part}) == 8


def test_a_later_sample_does_not_depend_on_whether_the_first_was_asked(path: Path) -> None:
    pool = teacher(path)
    both = answers(pool, asked(), samples=2)
    request = Request(
        pool.identity, ({"role": "prompt", "content": asked()},), Sampling(n=2), (1,), "0"
    )

    async def ask() -> AsyncIterator[Request]:
        yield request

    async def run() -> list[Answer]:
        return [answer async for group in pool.stream(ask()) for answer in group]

    assert asyncio.run(run()) == both[1:]


def test_nearest_rows_take_turns_among_the_hard_negatives(path: Path) -> None:
    hard = [
        {"text": f"{colour} parcel?", "label": "late", "predicted": "broken"}
        for colour in ("pink", "blue")
    ]
    found = rows(teacher(path, choose="nearest"), asked(texts=2, hard=hard))
    assert [text for text, _ in found] == ["where is my pink parcel", "where is my blue parcel"]


def test_typical_rows_are_not_what_the_student_has(path: Path) -> None:
    seen = [{"text": f"where is my {colour} parcel now", "label": "late"} for colour in COLOURS[1:]]
    found = rows(teacher(path, choose="typical", weight=0), asked(texts=1, correct=seen))
    assert found == [("where is my red parcel", "late")]


def test_with_label_noise_some_rows_are_of_another_class(path: Path) -> None:
    pool = teacher(path, noise=0.4)
    truth = dict(ROWS)
    found = [row for number in range(40) for row in rows(pool, asked(texts=4, round=number))]
    wrong = sum(truth[text] != label for text, label in found) / len(found)
    assert {label for _, label in found} == {"late"}
    assert 0.3 < wrong < 0.5


@pytest.mark.slow
def test_noise_from_near_classes_takes_the_likest(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    groups = {
        "a": "my card is lost",
        "b": "my card is late",
        "c": "my card is old",
        "d": "my card is new",
        "z": "pay the rent",
    }
    file.write_text(
        "\n".join(
            json.dumps({"query": f"{text} {i}", "intent": label})
            for label, text in groups.items()
            for i in range(9)
        )
    )
    pool = teacher(file, noise=0.9, noise_from="near")
    found = [text for number in range(20) for text, _ in rows(pool, asked("a", round=number))]
    assert not any(text.startswith("pay") for text in found)
    assert any(not text.startswith(groups["a"]) for text in found)


def test_the_pool_chooses_classes_by_the_report(path: Path) -> None:
    report = (
        "Accuracy 0.5 …\n- late: precision 0.1, recall 0.2, F1 0.10 (5 rows)\n"
        "- refund: precision 1.0, recall 1.0, F1 1.00 (5 rows)\n- 1 other classes: F1 from 0.55 to"
        " 0.55, mean 0.55"
    )
    labels = ["broken", "late", "refund"]
    found = rows(teacher(path), asked("", 6, report=report, labels=labels))
    assert sorted(label for _, label in found) == ["broken"] * 2 + ["late"] * 4


def test_without_a_report_the_pool_chooses_classes_as_often_as_they_are(path: Path) -> None:
    found = rows(teacher(path), asked("", 19))
    assert sorted(found) == sorted(ROWS)


def test_a_need_may_be_given_as_numbers(path: Path) -> None:
    found = rows(teacher(path), asked("", 5, need={"refund": 1}, labels=["late", "refund"]))
    assert [label for _, label in found] == ["refund"] * 5


def test_what_one_class_cannot_give_the_others_do() -> None:
    assert allocate_rows([9, 1, 0], 10, [3, 4, 8]) == [3, 4, 3]
    assert allocate_rows([1, 1], 10, [2, 2]) == [2, 2]


@pytest.mark.parametrize(
    "prompt",
    ["Write a text.", "[]", "{}", '{"label": 3, "texts": 1}', '{"label": "a", "texts":'
        ' "two"}', '{"label": "a", "texts": 1, "hard": [1]}'],
)  # fmt: skip
def test_what_is_not_the_template_fails_and_names_it(path: Path, prompt: str) -> None:
    (answer,) = answers(teacher(path), prompt)
    assert isinstance(answer, Failure)
    assert answer.reason == "not_a_pool_request"
    assert "prompt.template: labelled_text/pool" in answer.detail


def test_an_unknown_class_fails_with_the_nearest(path: Path) -> None:
    (answer,) = answers(teacher(path), asked("refunds"))
    assert isinstance(answer, Failure)
    assert "no class 'refunds' (did you mean 'refund'?)" in answer.detail


def test_identity_is_the_content_and_the_options(path: Path) -> None:
    first = teacher(path).identity
    assert teacher(path).identity == first
    assert teacher(path, noise=0.1).identity != first
    path.write_text(path.read_text() + '\n{"query": "one more", "intent": "late"}')
    assert teacher(path).identity != first


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": "x"}', "no column 'intent'"),
        ('{"query": " ", "intent": "a"}', "row 1: an empty query"),
        ('{"query": "x", "intent": null}', "row 1: an empty intent"),
    ],
)
def test_a_broken_file_is_told_with_its_row(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(line)
    with pytest.raises(InputError, match=message):
        answers(teacher(file), asked("a"))


def test_a_missing_file_and_an_unknown_field_are_refused(tmp_path: Path, path: Path) -> None:
    with pytest.raises(RecipeError, match=r"teacher\.path"):
        PoolTeacher(TeacherPart(backend="pool"))
    with pytest.raises(InputError, match="no such file of labelled rows"):
        PoolTeacher(TeacherPart(backend="pool", path=str(tmp_path / "none.csv")))
    with pytest.raises(RecipeError, match="unknown field 'lable'"):
        PoolTeacher(TeacherPart(backend="pool", path=str(path), columns={"lable": "intent"}))


def test_the_shipped_template_is_what_the_pool_reads(make_recipe: Any, path: Path) -> None:
    from synthkd.stages.plan import plan_run

    row = {"label": "late", "texts": 2, "report": "r", "correct": [], "incorrect": [],
    "had": ["ab"], "round": 3, "draw": 0,
           "hard": [{"text": "it's <late> \"ü\"", "label": "late", "predicted": "x",
           "confidence": 0.9}]}  # fmt: skip
    folder = path.parent
    (folder / "inputs.jsonl").write_text(json.dumps(row))
    recipe = make_recipe(
        inputs={"path": "inputs.jsonl"},
        kind={
            "name": "labelled_text",
            "options": {"taxonomy": ["late", "refund"]},
            "several": True,
        },
        prompt={"template": "labelled_text/pool"},
        teacher={
            "backend": "pool",
            "path": "rows.jsonl",
            "columns": {"text": "query", "label": "intent"},
        },
    )
    ((one,),) = plan_run(recipe).batches()
    found = parse_pool_request(one.request.prompt)
    assert (found.label, found.texts, found.excluded) == ("late", 2, frozenset(["ab"]))
    assert found.hard == (('it\'s <late> "ü"', "late"),)


@pytest.mark.parametrize("choose", ["typical", "nearest"])
def test_requests_of_a_round_for_the_same_class_share_no_row(path: Path, choose: str) -> None:
    pool = teacher(path, choose=choose)
    hard = [{"text": "my parcel", "label": "late"}]
    found = [
        rows(pool, asked(texts=2, hard=hard, **({"draw": draw} if draw else {})))
        for draw in range(3)
    ]
    assert [len(part) for part in found] == [2, 2, 2]
    assert len({text for part in found for text, _ in part}) == 6


def test_requests_of_a_round_that_name_no_class_share_no_row(path: Path) -> None:
    need = {"late": 3.0, "refund": 2.0, "broken": 0.5}
    pool = teacher(path)
    found = [rows(pool, asked("", 4, labels=list(need), need=need, draw=draw)) for draw in range(3)]
    assert len({text for part in found for text, _ in part}) == sum(map(len, found)) > 8
