"""Tests of the schema linter: keywords that servers drop, refuse or run away with, by place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from support.recipes import Make

from synthkd import run
from synthkd.commands.dry_run import dry_run
from synthkd.stages.plan import plan_run
from synthkd.teachers.schema_support import lint_schema
from synthkd.testing import FakeServer

TEXT: dict[str, Any] = {"type": "string", "maxLength": 20}


def holding(value: Any, **more: Any) -> dict[str, Any]:
    """Return a safe object whose property `a` has this schema."""
    return {
        "type": "object", "properties": {"a": value}, "required": ["a"],
        "additionalProperties": False, **more
    }  # fmt: skip


def test_a_plain_schema_gives_nothing() -> None:
    items = {"type": "array", "maxItems": 5, "items": holding(TEXT)}
    branches = {"anyOf": [TEXT, {"type": "null"}]}
    for value in (
        TEXT,
        items,
        branches,
        {"enum": ["x", "y"]},
        {"type": "integer"},
        {"$ref": "#/$defs/Text"},
    ):
        assert lint_schema(holding(value, **{"$defs": {"Text": TEXT}})) == []


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("not", {"const": "x"}, "dropped"),
        ("if", {"const": "x"}, "dropped"),
        ("dependentRequired", {"a": ["b"]}, "dropped"),
        ("dependentSchemas", {"a": {}}, "dropped"),
        ("oneOf", [TEXT], "write anyOf"),
        ("patternProperties", {"^x": TEXT}, "refused"),
        ("propertyNames", {"pattern": "^x"}, "refused"),
        ("minProperties", 1, "not enforced"),
        ("maxProperties", 1, "not enforced"),
        ("multipleOf", 3, "not enforced"),
        ("uniqueItems", True, "not enforced"),
        ("contains", TEXT, "not enforced"),
        ("minContains", 1, "not enforced"),
        ("maxContains", 1, "not enforced"),
        ("format", "date", "some formats only"),
        ("pattern", "(?=x)", "in part"),
        ("default", "x", "ignored"),
    ],
)
def test_a_keyword_that_is_not_kept_is_named_with_its_place(
    keyword: str, value: Any, said: str
) -> None:
    (line,) = lint_schema(holding({**TEXT, keyword: value}))
    assert line.startswith(f"$.a: '{keyword}' is ")
    assert said in line


def test_several_branches_of_all_of_are_dropped_in_silence() -> None:
    (line,) = lint_schema(holding({"allOf": [TEXT, TEXT]}))
    assert line.startswith("$.a: 'allOf' of several branches is dropped silently")


def test_one_branch_of_all_of_is_told_to_be_written_in_its_place() -> None:
    (line,) = lint_schema(holding({"allOf": [TEXT]}))
    assert line.startswith("$.a: 'allOf'")
    assert "in its place" in line


@pytest.mark.parametrize(
    "empty", [{}, True, {"title": "Anything", "description": "whatever it is"}]
)
def test_an_empty_schema_allows_anything(empty: Any) -> None:
    (line,) = lint_schema(holding(empty))
    assert line.startswith("$.a: an empty schema")


def test_a_text_or_a_list_without_a_bound_may_run_on() -> None:
    assert lint_schema(holding({"type": "string"}))[0].startswith(
        "$.a: a string without 'maxLength'"
    )
    unbounded = {"type": "array", "items": TEXT}
    assert lint_schema(holding(unbounded))[0].startswith("$.a: an array without 'maxItems'")
    assert lint_schema(holding({"type": "string", "enum": ["x"]})) == []


def test_a_list_of_anything_is_named() -> None:
    (line,) = lint_schema(holding({"type": "array", "maxItems": 2}))
    assert line.startswith("$.a: an array without 'items'")


def test_a_type_may_be_one_of_several() -> None:
    (line,) = lint_schema(holding({"type": ["string", "null"]}))
    assert line.startswith("$.a: a string without 'maxLength'")


def test_an_object_must_say_what_it_holds_and_no_more() -> None:
    open_ = {"type": "object", "properties": {"x": TEXT}}
    assert [line.partition(":")[0] for line in lint_schema(holding(open_))] == ["$.a", "$.a.x"]
    assert "additionalProperties" in lint_schema(holding(open_))[0]
    assert "not in 'required'" in lint_schema(holding(open_))[1]
    (line,) = lint_schema(holding({"type": "object"}))
    assert line.startswith("$.a: an object without 'properties'")


def test_the_root_must_be_an_object() -> None:
    assert lint_schema({"type": "array", "maxItems": 1, "items": TEXT}) == [
        "$: the root is not an object, which OpenAI refuses"
    ]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (holding({**TEXT, "format": "date"}), "$.a.a"),
        ({"type": "array", "maxItems": 2, "items": {**TEXT, "format": "date"}}, "$.a[]"),
        ({"anyOf": [{"type": "null"}, {**TEXT, "format": "date"}]}, "$.a.anyOf[1]"),
        (
            {"type": "array", "maxItems": 2, "prefixItems": [{**TEXT, "format": "date"}]},
            "$.a.prefixItems[0]",
        ),
        ({"$ref": "#/$defs/Date"}, "$.a"),
        ({"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/Pair"}}, "$.a[].a"),
    ],
    ids=["object", "items", "anyOf", "prefixItems", "ref", "ref in items"],
)
def test_a_feature_is_found_wherever_it_stands(value: Any, place: str) -> None:
    definitions = {"Date": {**TEXT, "format": "date"}, "Pair": holding({"$ref": "#/$defs/Date"})}
    (line,) = lint_schema(holding(value, **{"$defs": definitions}))
    assert line.startswith(f"{place}: 'format' ")


@pytest.mark.parametrize("reference", ["#/$defs/Node", "#"])
def test_a_schema_that_refers_to_itself_is_named_and_not_followed_for_ever(reference: str) -> None:
    node = holding({"anyOf": [{"$ref": reference}, {"type": "null"}]})
    lines = lint_schema({**node, "$defs": {"Node": node}})
    assert any(f"{reference} refers to itself" in line for line in lines)


@pytest.mark.parametrize("reference", ["#/$defs/Gone", "https://example.com/schema.json"])
def test_a_reference_that_leads_nowhere_is_named(reference: str) -> None:
    (line,) = lint_schema(holding({"$ref": reference}))
    assert line.startswith(f"$.a: {reference} leads nowhere")


def test_a_model_that_inherits_a_bounded_field_is_as_plain_as_its_base() -> None:
    class Base(BaseModel, extra="forbid"):
        head: str = Field(max_length=20)

    class Longer(Base):
        tails: list[Base] = Field(max_length=3)

    assert lint_schema(Longer.model_json_schema()) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "required", "items", "anyOf", "allOf", "$ref", "prefixItems"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(_JSON)
def test_what_is_no_schema_is_left_to_the_server_to_refuse(value: Any) -> None:
    assert all(line.startswith("$") for line in lint_schema(holding(value)))


# In a recipe.

DROPPED = holding({"allOf": [{"type": "string"}, {"maxLength": 5}]})


def teacher(url: str, schema: Any, as_extra: bool = False) -> dict[str, Any]:
    asked = {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    }
    sampling = {"extra_body": asked} if as_extra else asked
    return {"backend": "openai", "model": "fake", "base_url": url, "sampling": sampling}


@pytest.mark.parametrize("as_extra", [False, True])
def test_a_dry_run_shows_what_the_linter_found(make_recipe: Make, as_extra: bool) -> None:
    recipe = make_recipe(teacher=teacher("http://127.0.0.1:9/v1", DROPPED, as_extra))
    assert "schema $.a: 'allOf' of several branches is dropped silently" in str(dry_run(recipe))


@pytest.mark.slow
def test_a_run_says_it_once_before_it_sends(
    make_recipe: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer() as server:
        run(make_recipe(server.url, teacher=teacher(server.url, DROPPED)))
    assert capsys.readouterr().err.count("dropped silently") == 1


@pytest.mark.parametrize("form", [None, {"type": "json_object"}])
def test_without_a_schema_there_is_nothing_to_say(
    make_recipe: Make, form: dict[str, Any] | None
) -> None:
    part = {"backend": "openai", "model": "fake", "base_url": "http://127.0.0.1:9/v1"}
    recipe = make_recipe(teacher=part | {"sampling": {"response_format": form}})
    assert plan_run(recipe).components.schema_warnings == []


def test_a_structured_recipe_of_ours_gives_no_warning(make_recipe: Make) -> None:
    part = {
        "backend": "openai",
        "model": "fake",
        "base_url": "http://127.0.0.1:9/v1",
        "structured": True,
    }
    assert plan_run(make_recipe(teacher=part)).components.schema_warnings == []
