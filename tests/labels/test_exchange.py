"""Export to Label Studio and Argilla, and import of their annotations."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from support.label_candidates import KIND, label, make_pool, pool_rows

from synthkd.errors import InputError
from synthkd.labels.exchange import (
    add_annotations,
    drawn_rows,
    format_named,
    sheet_columns,
    sheet_rows,
)
from synthkd.labels.exchange.argilla import ArgillaFormat, user_id
from synthkd.labels.exchange.label_studio import LabelStudioFormat
from synthkd.labels.sheet import Sheet, read_sheet

TOOLS = ["label-studio", "argilla"]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_sheet_goes_there_and_back_whole(tmp_path: Path, tool: str) -> None:
    pool = make_pool(tmp_path, pool_rows(source="A page."))
    label(tmp_path, pool, "aru", "ann")
    label(tmp_path, pool, "wnot so\nraa", "bob@example.org")
    before = read_sheet(tmp_path / "labels.csv")
    there = tmp_path / "there.json"
    form = format_named(tool)
    form.write(sheet_rows(before, KIND), there)
    rows = form.read_rows(there)
    annotations, problems = form.read_annotations(there)
    with Sheet(tmp_path / "back.csv", sheet_columns(rows)) as sheet:
        added, more = add_annotations(annotations, rows, sheet)
    assert (added, problems, more) == (6, [], [])

    def key(row: dict[str, str]) -> tuple[str, str]:
        return row["annotator"], row["id"]

    assert sorted(read_sheet(tmp_path / "back.csv"), key=key) == sorted(before, key=key)


def drawn(tmp_path: Path, tool: str, count: int = 4) -> tuple[Path, list[dict[str, Any]]]:
    pool = make_pool(tmp_path)
    session, _ = label(tmp_path, pool, "")
    path = tmp_path / "tasks.json"
    format_named(tool).write(drawn_rows(pool, KIND, session.design, "d1", count), path)
    return path, json.loads(path.read_text())


def taken(
    tmp_path: Path, tool: str, tasks: Path, answers: list[dict[str, Any]]
) -> tuple[list[dict[str, str]], str]:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers))
    form = format_named(tool)
    rows = form.read_rows(tasks)
    annotations, problems = form.read_annotations(path)
    with Sheet(tmp_path / "sheet.csv", sheet_columns(rows)) as sheet:
        _, more = add_annotations(annotations, rows, sheet)
    return read_sheet(tmp_path / "sheet.csv"), "\n".join([*problems, *more])


def annotated(task: dict[str, Any], choice: str, **more: Any) -> dict[str, Any]:
    """Return a task as Label Studio exports it, with one annotation."""
    result = [
        {"id": "x1", "from_name": "verdict", "to_name": "candidate", "type": "choices",
        "origin": "manual",
         "value": {"choices": [choice]}},
        {"id": "x2", "from_name": "why", "to_name": "candidate", "type": "textarea",
        "value": {"text": ["so it is"]}},
    ]  # fmt: skip
    annotation = {
        "id": 7, "completed_by": {"id": 1, "email": "eve@example.org"}, "result": result,
        "was_cancelled": False,
        "created_at": "2026-03-09T22:16:08.728353+02:00", "lead_time": 4.2,
    }  # fmt: skip
    return {"id": 11, "project": 1, **task, "annotations": [annotation | more]}


def test_an_export_of_label_studio_becomes_verdicts(tmp_path: Path) -> None:
    path, tasks = drawn(tmp_path, "label-studio")
    rows, problems = taken(tmp_path, "label-studio", path, [annotated(tasks[0], "reject")])
    (row,) = rows
    assert not problems
    assert row["id"] == tasks[0]["data"]["id"]
    assert (row["verdict"], row["annotator"], row["why"]) == (
        "reject",
        "eve@example.org",
        "so it is",
    )
    assert row["time"] == "2026-03-09T20:16:08Z"
    assert (row["weight"], row["design"]) == (tasks[0]["data"]["row"]["weight"], "d1")


def test_what_label_studio_returns_and_does_not_match_is_named(tmp_path: Path) -> None:
    path, tasks = drawn(tmp_path, "label-studio")
    strange = annotated({"data": {"id": "gone", "candidate": "?"}}, "accept")
    answers = [
        strange,
        annotated({"data": {"text": "no id"}}, "accept"),
        annotated(tasks[0], "perhaps"),
        annotated(tasks[1], "accept", was_cancelled=True),
        {**tasks[2], "annotations": []},
        annotated(tasks[3], "accept"),
        annotated(tasks[3], "reject"),
    ]
    rows, problems = taken(tmp_path, "label-studio", path, answers)
    assert len(rows) == 1
    for said in (
        "'gone' was not among", "no 'id'", "verdict 'perhaps'", "was skipped by",
        "was not annotated",
        "in the sheet already (before accept, now reject)",
    ):  # fmt: skip
        assert said in problems


def test_the_labelling_configuration_names_what_the_tasks_hold(tmp_path: Path) -> None:
    path, tasks = drawn(tmp_path, "label-studio")
    tree = ElementTree.parse(path.with_suffix(".xml")).getroot()
    values = {node.get("value", "") for node in tree.iter("Text")}
    assert values == {"$candidate"}
    assert {value[1:] for value in values} <= set(tasks[0]["data"])
    assert [node.get("value") for node in tree.iter("Choice")] == ["accept", "reject", "unsure"]
    names = {node.get("name") for node in tree.iter() if node.get("name")}
    assert {node.get("toName") for node in tree.iter() if node.get("toName")} <= names


def test_an_export_of_argilla_becomes_verdicts_and_the_rest_is_named(tmp_path: Path) -> None:
    path, records = drawn(tmp_path, "argilla")
    for record, response in zip(
        records, ({"value": "accept"}, {"value": "reject", "status": "draft"}), strict=False
    ):
        record["responses"] = {
            "verdict": [response | {"user_id": "u-1"}],
            "why": [{"value": "w", "user_id": "u-1"}],
        }
        record["_server_id"] = "s"
    rows, problems = taken(
        tmp_path, "argilla", path, [*records, {"id": None, "fields": {}}, {"id": "odd"}]
    )
    (row,) = rows
    assert (row["id"], row["verdict"], row["annotator"], row["why"]) == (
        records[0]["id"],
        "accept",
        "u-1",
        "w",
    )
    for said in ("is draft, not submitted", "has no response", "no 'id'", "'odd' has no response"):
        assert said in problems


@pytest.mark.parametrize(
    "annotations",
    [
        ["x"],
        {"a": 1},
        [{"result": ["x"]}],
        [{"result": [{"from_name": "verdict", "value": "accept"}]}],
    ],
)
def test_an_annotation_of_another_form_is_named(tmp_path: Path, annotations: Any) -> None:
    path, tasks = drawn(tmp_path, "label-studio")
    answers = [annotated(tasks[0], "accept"), {**tasks[1], "annotations": annotations}]
    rows, problems = taken(tmp_path, "label-studio", path, answers)
    assert len(rows) == 1
    assert f"id {tasks[1]['data']['id']!r}" in problems


def test_two_choices_at_once_are_no_verdict(tmp_path: Path) -> None:
    path, tasks = drawn(tmp_path, "label-studio")
    both = annotated(tasks[0], "accept")
    both["annotations"][0]["result"][0]["value"]["choices"] = ["accept", "reject"]
    rows, problems = taken(tmp_path, "label-studio", path, [both])
    assert not rows
    assert "verdict 'accept and reject', which is none" in problems


@pytest.mark.parametrize("responses", [[{"x": 1}], {"verdict": "accept"}, {"verdict": ["accept"]}])
def test_responses_of_another_form_are_named(tmp_path: Path, responses: Any) -> None:
    path, records = drawn(tmp_path, "argilla")
    records[0]["responses"], records[0]["metadata"] = responses, []
    rows, problems = taken(tmp_path, "argilla", path, records[:1])
    assert not rows
    assert f"id {records[0]['id']!r}: its responses are not of Argilla's form" in problems


def test_an_annotator_has_the_same_uuid_each_time() -> None:
    assert user_id("ann") == user_id("ann") != user_id("bob")


@pytest.mark.parametrize("text", ["{}", "[1]", "no json"])
@pytest.mark.parametrize("tool", TOOLS)
def test_a_file_of_another_form_is_refused(tmp_path: Path, tool: str, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.json: not "):
        format_named(tool).read_annotations(path)


def test_an_unknown_tool_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'argilla'"):
        format_named("argila")


def _json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize(
    "annotation",
    [
        {"result": [{"from_name": "verdict", "value": {"choices": 5}}]},
        {"result": [{"from_name": "verdict", "value": {"choices": {"a": 1}}}]},
        {
            "result": [{"from_name": "verdict", "value": {"choices": [[1], None]}}],
            "completed_by": [1],
        },
        {
            "created_at": "9999-12-31T23:59:59-23:00",
            "result": [{"from_name": "verdict", "value": {"choices": ["?"]}}],
        },
        {
            "created_at": "0001-01-01T00:00:00+23:00",
            "result": [{"from_name": "why", "value": {"text": 5}}],
        },
        {"result": None},
        {"result": [{"from_name": [1], "value": None, "meta": None}]},
        5,
        None,
    ],
)
def test_an_odd_annotation_is_read_as_far_as_it_goes(tmp_path: Path, annotation: object) -> None:
    path = _json(tmp_path / "a.json", [{"data": {"id": "1"}, "annotations": [annotation]}])
    found, problems = LabelStudioFormat().read_annotations(path)
    assert len(found) + len(problems) == 1
    assert all(isinstance(value, str) for answer in found for value in vars(answer).values())


@pytest.mark.parametrize(
    "record",
    [
        {
            "id": "1",
            "responses": {
                "verdict": [{"user_id": [1], "value": ["a"]}],
                "why": [{"user_id": [1], "value": {}}],
            },
        },
        {
            "id": "1",
            "responses": {"verdict": [{"value": None}]},
            "metadata": {"annotators": 5, "times": [None, "a"]},
        },
        {
            "id": "1",
            "responses": {"verdict": [{"value": "accept", "status": "draft"}]},
            "metadata": [],
        },
        {"id": [1], "responses": {"verdict": []}},
        {"id": "1", "responses": {"verdict": {"a": 1}}},
        {"id": {}, "responses": None},
    ],
)
def test_an_odd_record_is_read_as_far_as_it_goes(tmp_path: Path, record: object) -> None:
    found, problems = ArgillaFormat().read_annotations(_json(tmp_path / "a.json", [record]))
    assert len(found) + len(problems) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "not JSON"),
        (b"{}", "a JSON list of objects is needed"),
        (b"[1]", "a JSON list of objects is needed"),
        (None, "Is a directory"),
    ],
)
def test_a_file_that_is_no_export_is_refused_in_one_line(
    tmp_path: Path, data: bytes | None, said: str
) -> None:
    path = tmp_path / "a.json"
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    for form in (LabelStudioFormat(), ArgillaFormat()):
        for read in (form.read_annotations, form.read_rows):
            with pytest.raises(InputError, match=said) as caught:
                read(path)
            assert "\n" not in str(caught.value)
