"""Structured answers: schema, validation, and the two repairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recipes import Make

from synthkd import Recipe, RunResult, filter, run
from synthkd.errors import RecipeError
from synthkd.kinds.answer_schema import LONGEST, MOST, answer_model, response_format
from synthkd.kinds.base import Malformed
from synthkd.kinds.structured_answers import StructuredAnswer, read_structured_answer
from synthkd.teachers.schema_support import lint_schema
from synthkd.testing import FakeServer

ONE = answer_model(["tail"], several=False)
SEVERAL = answer_model(["tail"], several=True)


def tail(prompt: str, index: int, seed: int) -> str:
    return json.dumps({"tail": "cutting bread"})


def schema_of(model: Any) -> dict[str, Any]:
    schema: dict[str, Any] = response_format(model)["json_schema"]["schema"]
    return schema


def test_the_schema_asks_for_the_columns_and_nothing_else() -> None:
    assert schema_of(answer_model(["head", "tail"], several=False)) == {
        "type": "object",
        "properties": {
            name: {"type": "string", "minLength": 1, "maxLength": LONGEST}
            for name in ("head", "tail")
        },
        "required": ["head", "tail"],
        "additionalProperties": False,
    }


def test_several_answers_are_a_bounded_list_under_one_key() -> None:
    answers = schema_of(SEVERAL)["properties"]["answers"]
    assert (answers["type"], answers["maxItems"]) == ("array", MOST)
    assert answers["items"] == schema_of(ONE)


@pytest.mark.parametrize("several", [False, True])
def test_schemas_use_no_unsupported_feature(several: bool) -> None:
    assert lint_schema(schema_of(answer_model(["premise", "hypothesis"], several))) == []


def test_a_column_may_have_the_name_of_a_schema_keyword() -> None:
    properties = schema_of(answer_model(["title", "type"], several=False))["properties"]
    assert set(properties) == {"title", "type"}


def test_the_server_is_asked_to_be_strict() -> None:
    asked = response_format(ONE)
    assert (asked["type"], asked["json_schema"]["strict"]) == ("json_schema", True)


def test_a_valid_answer_is_not_repaired() -> None:
    assert read_structured_answer(' {"tail": "cutting"}\n', ONE) == StructuredAnswer(
        {"tail": "cutting"}, repaired=False
    )


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"tail": "cutting"}\n```',
        '```\n{"tail": "cutting"}\n```\n',
        'Here it is: {"tail": "cutting"}',
        '{"tail": "cutting"} I hope this helps.',
        'In {braces}, as asked:\n\n{"tail": "cutting"}',
        'First {"tail": "cutting"} and then {"tail": "eating"}',
    ],
)
def test_a_fence_and_text_around_the_first_object_are_removed_and_counted(text: str) -> None:
    assert read_structured_answer(text, ONE) == StructuredAnswer({"tail": "cutting"}, repaired=True)


@pytest.mark.parametrize(
    "text",
    [
        "cutting",
        "{'tail': 'cutting'}",
        '{"tail": "cutting"',
        '{"tail": "cutt',
        '{"tail": "cutting",}',
        "{tail: cutting}",
        "[" * 100_000,
        '{"a":' * 100_000,
        "7" * 5_000,
    ],
    ids=range(9),
)
def test_no_quotes_brackets_or_commas_are_guessed(text: str) -> None:
    assert read_structured_answer(text, ONE) == Malformed("not_json")


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_answer_has_its_own_reason(text: str) -> None:
    assert read_structured_answer(text, ONE) == Malformed("no_text")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({}, "tail"),
        ({"tail": 5}, "tail"),
        ({"tail": None}, "tail"),
        ({"tail": ""}, "tail"),
        ({"tail": "x" * (LONGEST + 1)}, "tail"),
        ({"tail": "x", "more": "y"}, "more"),
        ([{"tail": "x"}], "answer"),
        (7, "answer"),
        ({"tail": "\ud800"}, "tail"),
    ],
)
def test_json_that_leaves_the_schema_is_malformed_with_the_place(value: Any, place: str) -> None:
    found = read_structured_answer(json.dumps(value), ONE)
    assert isinstance(found, Malformed)
    assert found.reason == "off_schema"
    assert found.detail.startswith(f"{place}: ")


def test_a_place_in_a_list_has_its_number() -> None:
    found = read_structured_answer(json.dumps({"answers": [{"tail": "x"}, {"tial": "y"}]}), SEVERAL)
    assert isinstance(found, StructuredAnswer)
    assert found.value == {"answers": [{"tail": "x"}]}
    assert found.malformed[0].detail.startswith("answers.1.tail: ")


def test_a_list_without_a_valid_answer_is_malformed_as_a_whole() -> None:
    found = read_structured_answer(json.dumps({"answers": [{"tial": "y"}]}), SEVERAL)
    assert isinstance(found, Malformed)


def test_answers_beyond_the_bound_are_not_read_and_said_to_be() -> None:
    assert isinstance(
        read_structured_answer(json.dumps({"answers": [{"tail": "x"}] * MOST}), SEVERAL),
        StructuredAnswer,
    )
    found = read_structured_answer(json.dumps({"answers": [{"tail": "x"}] * (MOST + 1)}), SEVERAL)
    assert isinstance(found, StructuredAnswer)
    assert len(found.value["answers"]) == MOST
    assert found.malformed[0].reason == "too_many"


@pytest.mark.slow
@given(st.text(min_size=1, max_size=LONGEST))
def test_a_valid_answer_is_returned_whatever_its_text(text: str) -> None:
    assert read_structured_answer(json.dumps({"tail": text}), ONE) == StructuredAnswer(
        {"tail": text}, repaired=False
    )


@pytest.mark.slow
@given(st.lists(st.text(min_size=1, max_size=20), max_size=5))
def test_a_list_of_valid_answers_is_returned(texts: list[str]) -> None:
    value = {"answers": [{"tail": text} for text in texts]}
    assert read_structured_answer(
        json.dumps(value, ensure_ascii=False), SEVERAL
    ) == StructuredAnswer(value, repaired=False)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)
_ANY = st.one_of(
    st.text(st.characters(codec=None), max_size=40),
    st.text('{}[]",:\\tail`\n 0e-', max_size=40),
    _JSON.map(json.dumps),
    _JSON.map(lambda value: f"```json\n{json.dumps(value)}\n``` and more"),
)


@pytest.mark.slow
@given(_ANY)
def test_any_other_text_is_malformed_for_one_of_three_reasons(text: str) -> None:
    found = read_structured_answer(text, ONE)
    if isinstance(found, Malformed):
        assert found.reason in ("no_text", "not_json", "off_schema")
    else:
        assert set(found.value) == {"tail"}
        assert 1 <= len(found.value["tail"]) <= LONGEST


# A whole run.


@pytest.fixture
def structured(make_recipe: Make, tmp_path: Path) -> Make:
    """Return a maker of recipes that ask for JSON."""

    def make(url: str, several: bool = False, **teacher: Any) -> Recipe:
        (tmp_path / "json.j2").write_text('Answer with JSON, such as {"tail": "…"}.\n{{ stem }}')
        part = {"backend": "openai", "model": "fake", "base_url": url, "structured": True} | teacher
        kind = {"name": "triple", "relations": "everyday", "several": several}
        return make_recipe(url, teacher=part, kind=kind, prompt={"template": "json.j2"})

    return make


def malformed(result: RunResult) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = result.corpus.rejected.to_pylist()
    return [row for row in rows if row["rejected_by"] == "malformed"]


@pytest.mark.slow
def test_the_request_has_the_schema_and_the_answer_becomes_a_candidate(structured: Make) -> None:
    with FakeServer(answer=tail) as server:
        result = run(structured(server.url), quiet=True)
    assert [body["response_format"] for body in server.bodies] == [response_format(ONE)] * 5
    accepted = result.corpus.table(provenance=True).to_pylist()
    assert [row["tail"] for row in accepted] == ["cutting bread"] * 5
    assert result.counts["repaired"] == 0
    assert "repaired" not in str(result)


@pytest.mark.slow
def test_a_structured_request_has_another_key(structured: Make) -> None:
    with FakeServer(answer=tail) as server:
        run(structured(server.url), quiet=True)
        run(structured(server.url, structured=False), quiet=True)
    assert server.requests == 10


@pytest.mark.slow
def test_each_of_several_answers_becomes_a_candidate(structured: Make) -> None:
    both = json.dumps({"answers": [{"tail": "cutting bread"}, {"tail": "spreading butter"}]})
    with FakeServer(answer=lambda *_: both) as server:
        result = run(structured(server.url, several=True), quiet=True)
    assert result.counts["completed"] == 5
    assert result.counts["candidates"] == result.counts["accepted"] == 10


@pytest.mark.slow
def test_a_repaired_answer_is_used_counted_and_reported(structured: Make) -> None:
    def answer(prompt: str, index: int, seed: int) -> str:
        plain = tail(prompt, index, seed)
        return f"```json\n{plain}\n```" if "thing 3" in prompt else plain

    with FakeServer(answer=answer) as server:
        result = run(structured(server.url), quiet=True)
    assert (result.counts["repaired"], result.counts["accepted"]) == (1, 5)
    assert ("repaired", "1") in result.rows
    assert result.manifest["counts"]["repaired"] == 1


@pytest.mark.slow
def test_an_answer_off_the_schema_is_malformed_and_keeps_its_text(structured: Make) -> None:
    with FakeServer(answer=tail, script=["off-schema"]) as server:
        result = run(structured(server.url, concurrency=1), quiet=True)
    (row,) = malformed(result)
    assert row["reason"] == "not_json"
    assert row["raw"] == '{"unasked": ['
    assert (result.counts["malformed"], result.counts["accepted"]) == (1, 4)


@pytest.mark.slow
def test_a_server_that_ignores_the_schema_is_detected(structured: Make) -> None:
    with FakeServer(answer=lambda *_: '{"tail": 5}') as server:
        result = run(structured(server.url), quiet=True)
    assert {row["reason"].partition(":")[0] for row in malformed(result)} == {"off_schema"}
    assert (result.counts["malformed"], result.counts["accepted"]) == (5, 0)


@pytest.mark.slow
def test_a_better_parser_filters_the_same_answers_at_no_cost(
    structured: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(answer=lambda *_: "{'tail': 'cutting bread'}") as server:
        recipe = structured(server.url)
        assert run(recipe, quiet=True).counts["malformed"] == 5
        sent = server.requests
        mended = "synthkd.stages.components.read_structured_answer"
        monkeypatch.setattr(
            mended, lambda text, model: read_structured_answer(text.replace("'", '"'), model)
        )
        counts = filter(recipe, quiet=True)
    assert (counts["malformed"], counts["accepted"]) == (0, 5)
    assert server.requests == sent == 5


def test_a_schema_given_twice_is_refused(structured: Make) -> None:
    recipe = structured(
        "http://127.0.0.1:9/v1", sampling={"response_format": {"type": "json_object"}}
    )
    with pytest.raises(RecipeError, match="leave one out"):
        run(recipe, quiet=True)
