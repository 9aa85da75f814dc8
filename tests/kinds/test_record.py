"""The kind `record`: columns, and answers read as JSON, lines and patterns."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.corpora.schema import COMMON_FIELDS, FILTER_FIELDS, RENDERED, candidate_schema
from synthkd.errors import KindError, RecipeError
from synthkd.filters.rules import Empty, Unfinished
from synthkd.kinds.base import RESERVED_COLUMNS, Malformed
from synthkd.kinds.factory import kind_of_part
from synthkd.kinds.record import RecordKind
from synthkd.kinds.structured_answers import StructuredAnswer, read_structured_answer

COLUMNS: dict[str, Any] = {
    "cuisine": "text",
    "dish": "text ..80",
    "minutes": {"type": "int 1..600", "description": "Minutes until it is served."},
    "level": ["easy", "hard"],
    "price": "number? 0..",
    "vegan": "bool",
}
ROW = {"cuisine": "Thai"}
SOUP = {"dish": "Soup", "minutes": 20, "level": "easy", "price": None, "vegan": False}


def record(**options: Any) -> RecordKind:
    return RecordKind(**{"columns": COLUMNS, "inputs": ["cuisine"]} | options)


def parsed(text: str, **options: Any) -> Any:
    return record(**options).parse(text, ROW)


def test_an_object_becomes_a_row_with_the_inputs_columns() -> None:
    (row,) = parsed(json.dumps(SOUP))
    assert row == {"cuisine": "Thai", **SOUP}
    assert list(row) == list(COLUMNS)


@pytest.mark.parametrize(
    "text",
    [
        'Yes:\n```json\n{"dish": "Soup", "minutes": 20, "level": "easy", "vegan": false}\n```',
        'Sure! {"dish": "Soup", "minutes": 20, "level": "easy", "vegan": false} Enjoy.',
        '{"dish": " Soup ", "minutes": "20", "level": "EASY", "price": "", "vegan": "no"}',
        '{"dish": "Soup", "minutes": 20.0, "level": "easy", "price": "n/a", "vegan": 0,}',
        '["Soup", 20, "easy", null, false]',
        '{"answers": [{"dish": "Soup", "minutes": 20, "level": "easy", "vegan": false}]}',
    ],
)
def test_json_is_read_leniently(text: str) -> None:
    assert parsed(text) == [{"cuisine": "Thai", **SOUP}]


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"minutes": 0}, "minutes: Input should be greater than or equal to 1"),
        ({"minutes": "soon"}, "minutes: Input should be a valid integer"),
        ({"minutes": 2.5}, "minutes: Input should be a valid integer"),
        ({"level": "medium"}, "level: Input should be 'easy' or 'hard'"),
        ({"dish": ""}, "dish: String should have at least 1 character"),
        ({"dish": "x" * 81}, "dish: String should have at most 80 characters"),
        ({"price": -1}, "price: Input should be greater than or equal to 0"),
        ({"price": 1e999}, "price: Input should be a finite number"),
        ({"vegan": "maybe"}, "vegan: Input should be a valid boolean"),
        ({"vegan": None}, "vegan: Input should be a valid boolean"),
    ],
)
def test_a_wrong_value_is_malformed_with_the_field_that_failed(
    change: dict[str, Any], detail: str
) -> None:
    (part,) = parsed(json.dumps(SOUP | change))
    assert part.reason == "off_schema"
    assert part.detail.startswith(detail)


def test_a_missing_field_is_malformed_with_its_name() -> None:
    assert parsed('{"dish": "Soup"}') == [Malformed("off_schema", "minutes: Field required")]


def test_of_a_list_the_good_records_stay_and_the_others_say_why() -> None:
    text = json.dumps([SOUP, SOUP | {"minutes": 0}, "soup", SOUP | {"dish": "Rice"}])
    good, late, text_alone, rice = parsed(text, several=True)
    assert (good["dish"], rice["dish"]) == ("Soup", "Rice")
    assert late.detail.startswith("minutes")
    assert text_alone == Malformed("no_object", "soup")


def test_a_truncated_list_gives_its_whole_records() -> None:
    text = json.dumps([SOUP, SOUP | {"dish": "Rice"}])[:-20]
    assert [row["dish"] for row in parsed(text, several=True)] == ["Soup"]


def test_without_several_the_first_record_is_taken() -> None:
    assert len(parsed(json.dumps([SOUP, SOUP]))) == 1


@pytest.mark.parametrize(("text", "reason"), [("", "no_text"), ("No idea.", "not_json")])
def test_an_answer_without_json_is_malformed(text: str, reason: str) -> None:
    assert parsed(text).reason == reason


def test_one_column_takes_a_list_of_texts() -> None:
    kind = RecordKind(columns={"term": "text"}, several=True)
    assert kind.parse('["a", "b"]', {}) == [{"term": "a"}, {"term": "b"}]


def test_lines_are_divided_at_bars() -> None:
    kind = RecordKind(columns={"dish": "text", "minutes": "int"}, answers="lines", several=True)
    text = "| dish | minutes |\n|---|---|\n| Soup | 20 |\n2. Rice | 15"
    soup, rice = kind.parse(text, {})
    assert (soup, rice) == ({"dish": "Soup", "minutes": 20}, {"dish": "Rice", "minutes": 15})


def test_the_head_of_a_table_of_texts_is_no_record() -> None:
    columns = {"head": "text", "tail_end": "text"}
    text = "| Head | Tail end |\n|---|---|\n| mill | river |"
    for several in (True, False):
        kind = RecordKind(columns=columns, answers="lines", several=several)
        assert kind.parse(text, {}) == [{"head": "mill", "tail_end": "river"}]


@pytest.mark.parametrize("answers", ["json", "lines", "regex"])
def test_records_beyond_the_most_that_are_read_are_told(answers: str) -> None:
    pattern = {"regex": r"(?P<n>\d+),(?P<m>\d+)", "lines": r"(?P<n>\d+),(?P<m>\d+)"}.get(answers)
    kind = RecordKind(
        columns={"n": "int", "m": "int"}, answers=answers, pattern=pattern, several=True
    )
    lines = [f"{number},1" for number in range(1200)]
    text = json.dumps([{"n": number, "m": 1} for number in range(1200)])
    *records, last = kind.parse(text if answers == "json" else "\n".join(lines), {})
    assert len(records) == 1000
    assert last == Malformed("too_many", "records behind the first 1,000")


def test_numbers_among_choices_are_read_as_answers_write_them() -> None:
    kind = RecordKind(columns={"stars": [1, 2, 2.5], "sure": ["true", "false"]})
    row = {"stars": "2", "sure": "true"}
    assert kind.parse('{"stars": 2, "sure": true}', {}) == [row]
    assert kind.parse('{"stars": "2", "sure": "True"}', {}) == [row]
    assert kind.fields["stars"].choices == ("1", "2", "2.5")


def test_none_is_a_choice_if_it_is_named_as_one() -> None:
    pain = {"choices": ["none", "mild"], "optional": True}
    kind = RecordKind(columns={"pain": pain, "place": "text?"})
    answers = '{"pain": "None", "place": "none"}', '{"pain": "n/a", "place": null}'
    rows = [kind.parse(answer, {})[0] for answer in answers]  # type: ignore[index]
    assert rows == [{"pain": "none", "place": None}, {"pain": None, "place": None}]


def test_prompts_show_bounds_without_exponents_and_inputs_that_are_zero() -> None:
    kind = RecordKind(
        columns={"part": "int", "people": "int 0..12345678", "share": "number 0.25.."},
        inputs=["part"],
    )
    shown = kind.context({"part": 0}, [{"part": 0, "people": 3, "share": 0.5}], random.Random(0))
    assert [field["type"] for field in shown["fields"]] == [
        "whole number from 0 to 12345678",
        "number from 0.25",
    ]
    assert shown["given"] == shown["examples"][0]["given"] == {"part": "0"}


def test_lines_that_do_not_match_a_pattern_are_malformed_one_by_one() -> None:
    pattern = r"^(?P<dish>.+) \((?P<minutes>\d+) min\)$"
    columns = {"dish": "text", "minutes": "int"}
    kind = RecordKind(columns=columns, answers="lines", pattern=pattern, several=True)
    assert kind.parse("- Soup (20 min)\n- Rice", {}) == [
        {"dish": "Soup", "minutes": 20},
        Malformed("no_match", "Rice"),
    ]


def test_a_regular_expression_finds_records_in_prose() -> None:
    pattern = r"(?P<dish>[A-Z]\w+) takes (?P<minutes>\d+)"
    columns = {"dish": "text", "minutes": "int"}
    kind = RecordKind(columns=columns, answers="regex", pattern=pattern, several=True)
    assert [row["dish"] for row in kind.parse("Soup takes 20. Rice takes 15.", {})] == [
        "Soup",
        "Rice",
    ]
    assert kind.parse("Nothing.", {}) == Malformed("no_match", "Nothing.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {}}, "columns: name one column at least"),
        ({"columns": {"a b": "text"}}, "'a b' is no name"),
        ({"columns": {"score": "number"}}, "'score' is a column of every row"),
        ({"columns": {"a": "integr"}}, r"a: 'integr' is no type \(did you mean 'int'\?\)"),
        ({"columns": {"a": "int 5..1"}}, "a: no number is from 5 to 1"),
        ({"columns": {"a": {"type": "int", "choices": ["x"]}}}, "`choices` are texts"),
        ({"columns": {"a": []}}, "a: choices: name one choice at least"),
        ({"columns": {"a": [True, False]}}, "a: choices: true is no text; put words such as yes"),
        ({"columns": {"a": ["x", None]}}, "a: choices: None is no text; `optional` allows"),
        ({"columns": {"a": "text 80..10"}}, "a: no text has 80 to 10 characters"),
        ({"columns": {"a": {"type": "int", "ge": float("inf")}}}, "a: ge: .* finite number"),
        ({"columns": {"a": {"type": "int", "ge": 0.2, "le": 0.7}}}, "a: no whole number"),
        ({"columns": {"a": {"type": "int", "max_length": 3}}}, "a: `min_length` and `max_length`"),
        ({"columns": {"a": {"tipe": "int"}}}, r"no key 'tipe' \(did you mean 'type'\?\)"),
        ({"columns": {"a": 3}}, "a: 3 is no type, list of choices or mapping"),
        ({"key": ["dsh"]}, r"key: no column 'dsh' \(did you mean 'dish'\?\)"),
        ({"text": "{dsh} is nice"}, "text: no column 'dsh'"),
        ({"text": "{dish with {level}"}, "text: (a brace|no column)"),
        ({"text": "dish} with {level}"}, "text: a brace without its other half"),
        ({"columns": {"text": "bool"}}, "columns.text: the column `text` of a corpus holds"),
        ({"columns": {"text": "text"}, "text": "{text}"}, "text: there is a column of this name"),
        ({"group": "x"}, "group: no column 'x'"),
        ({"answers": "regex"}, "pattern: `answers: regex` needs one"),
        ({"pattern": "(?P<dish>.)"}, "pattern: goes with `answers: lines`"),
        ({"answers": "lines", "pattern": "("}, "pattern: missing \\)"),
        ({"answers": "lines", "pattern": "(?P<dish>.)"}, r"no group \(\?P<minutes>"),
        ({"inputs": list(COLUMNS)}, "inputs: names every column"),
        ({"json_schema": {"type": "object"}}, "give either `columns` or `json_schema`"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, RecipeError), match=message):
        record(**options)


SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "dish": {"type": "string", "maxLength": 80, "description": "Name of the dish."},
            "minutes": {"type": "integer", "minimum": 1, "maximum": 600},
            "level": {"enum": ["easy", "hard"]},
            "served": {"type": ["string", "null"], "format": "date"},
        },
        "required": ["dish", "minutes", "level"],
    },
}


def test_a_json_schema_gives_columns_bounds_and_several() -> None:
    kind = RecordKind(json_schema=SCHEMA)
    assert kind.several
    assert kind.types == {"minutes": "int64"}
    assert kind.fields["dish"].description == "Name of the dish."
    rows = kind.parse(
        '[{"dish": "Soup", "minutes": 20, "level": "easy", "served": "2026-01-31"},'
        ' {"dish": "Rice", "minutes": 15, "level": "hard"},'
        ' {"dish": "Tea", "minutes": 5, "level": "easy", "served": "today"}]',
        {},
    )
    assert isinstance(rows, list)
    assert [part["served"] for part in rows[:2]] == ["2026-01-31", None]  # type: ignore[call-overload]
    assert rows[2] == Malformed("off_schema", "served: a date as 2026-01-31 is needed, not 'today'")


def test_default_rules_look_at_every_text_that_the_teacher_writes() -> None:
    kind = record(columns={"a": "text", "note": "text?", "b": "text", "level": ["easy", "hard"]})
    rows = [
        {"a": "good", "note": None, "b": "fine", "level": "easy"},
        {"a": "--", "note": "some", "b": "fine", "level": "easy"},
        {"a": "good", "note": "...", "b": "fine", "level": "easy"},
        {"a": "good", "note": "some", "b": "of the", "level": "hard"},
    ]
    batch = pa.RecordBatch.from_pylist(rows)
    assert Empty().reject(batch, kind) == [
        None, "a: no letter or digit", "note: no letter or digit", None,
    ]  # fmt: skip
    assert Unfinished().reject(batch, kind)[1:] == [None, None, "b: ends in 'the'"]
    assert Empty(column="b").reject(batch, kind) == [None] * 4


def test_prompts_tell_how_long_a_text_may_be() -> None:
    kind = record(columns={"cuisine": "text", "a": "text ..80", "b": "text 2..60", "c": "text 3.."})
    words = [field["type"] for field in kind.context(ROW, [], random.Random(0))["fields"]]
    assert words == [
        "text of at most 80 characters",
        "text of 2 to 60 characters",
        "text of at least 3 characters",
    ]


def test_a_record_in_a_wrapper_is_read() -> None:
    assert parsed(json.dumps({"recipe": SOUP}))[0]["dish"] == "Soup"


def test_of_a_structured_list_the_good_records_stay() -> None:
    kind = record(several=True)
    text = json.dumps({"answers": [SOUP, SOUP | {"dish": "Rice", "minutes": 9000}]})
    answer = read_structured_answer(text, kind.answer_model())
    assert isinstance(answer, StructuredAnswer)
    assert [one["dish"] for one in answer.value["answers"]] == ["Soup"]
    (bad,) = answer.malformed
    assert bad.detail.startswith("answers.1.minutes: ")


def test_a_null_among_types_or_values_of_a_json_schema_makes_a_column_optional() -> None:
    properties = {"year": {"type": ["integer", "null"]}, "level": {"enum": [1, 2, None]}}
    kind = RecordKind(
        json_schema={"type": "object", "properties": properties, "required": ["year", "level"]}
    )
    assert kind.nullable == {"year", "level"}
    assert kind.parse('{"year": null, "level": 2}', {}) == [{"year": None, "level": "2"}]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": [1]},
        {"type": "array", "items": True},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": "enum"}},
        {"type": "object", "properties": {"a": {"enum": 5}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": True},
    ],
)
def test_a_json_schema_of_another_form_is_refused_in_words(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="json_schema: "):
        RecordKind(json_schema=schema)


def test_a_json_schema_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "dish.json").write_text(json.dumps(SCHEMA))
    part = {"name": "record", "options": {"json_schema": "dish.json"}}
    assert list(kind_of_part(part, tmp_path).columns) == ["dish", "minutes", "level", "served"]


def test_a_nested_json_schema_is_refused_by_its_field() -> None:
    schema = {"type": "object", "properties": {"steps": {"type": "array"}}}
    with pytest.raises(ValueError, match="json_schema: steps: only flat columns"):
        RecordKind(json_schema=schema)


def test_columns_have_their_types_in_the_corpus() -> None:
    schema = candidate_schema(record())
    assert {
        name: str(schema.field(name).type) for name in ("dish", "minutes", "price", "vegan")
    } == {
        "dish": "string",
        "minutes": "int64",
        "price": "double",
        "vegan": "bool",
    }


def test_reserved_columns_are_those_of_the_schema() -> None:
    names = {field.name for field in (*COMMON_FIELDS, *FILTER_FIELDS)}
    assert (names - {"text"}) | {RENDERED} == RESERVED_COLUMNS


def test_the_key_decides_what_is_equal() -> None:
    kind = record(key=["cuisine", "dish"])
    one, other = {"cuisine": "Thai", **SOUP}, {"cuisine": "thai", **SOUP, "minutes": 30}
    assert kind.identity(one) == kind.identity(other)
    assert kind.vote_for(one) == kind.vote_for(other)
    assert kind.vote_on(one) == kind.vote_on(other) == ("thai",)
    assert record().identity(one) != record().identity(other)


def test_a_row_is_put_into_words_by_the_text() -> None:
    row = {"cuisine": "Thai", **SOUP}
    assert record(text="{dish} takes {minutes} minutes").verbalize(row) == "Soup takes 20 minutes"
    assert record().verbalize(row) == (
        "cuisine: Thai; dish: Soup; minutes: 20; level: easy; vegan: false"
    )


def test_the_schema_of_structured_answers_has_types_bounds_and_meanings() -> None:
    schema = record().answer_model().model_json_schema()["properties"]
    assert schema["minutes"] == {
        "description": "Minutes until it is served.",
        "maximum": 600,
        "minimum": 1,
        "title": "Minutes",
        "type": "integer",
    }
    assert schema["level"]["enum"] == ["easy", "hard"]
    assert "cuisine" not in schema


def test_an_input_that_does_not_fit_its_column_is_refused() -> None:
    kind = RecordKind(columns={"year": "int", "event": "text"}, inputs=["year"])
    assert kind.check({"year": "1969"}) is None
    assert str(kind.check({"year": "MCMLXIX"})).startswith("year: Input should be a valid integer")
    (row,) = kind.parse('{"event": "landing"}', {"year": "1969"})  # type: ignore[misc]
    assert row == {"year": 1969, "event": "landing"}


def test_a_few_shot_row_that_does_not_fit_is_refused_by_its_number() -> None:
    with pytest.raises(KindError, match="few-shot row 2: minutes"):
        record().check_examples(
            [{"cuisine": "Thai", **SOUP}, {"cuisine": "Thai", **SOUP, "minutes": 0}]
        )


TEXTS = st.text(
    st.characters(blacklist_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]), min_size=1
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "dish": TEXTS.map(str.strip).filter(bool),
                "minutes": st.integers(1, 600),
                "level": st.sampled_from(["easy", "hard"]),
                "price": st.none() | st.floats(0, 1e6),
                "vegan": st.booleans(),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_completion_is_parsed_back(rows: list[dict[str, Any]]) -> None:
    kind = record(several=True, columns=COLUMNS | {"dish": "text"})
    whole = [{"cuisine": "Thai", **row} for row in rows]
    parts = kind.parse(kind.completion(whole, ROW), ROW)
    assert isinstance(parts, list)
    assert [kind.normalize(part) for part in parts] == [kind.normalize(row) for row in whole]  # type: ignore[arg-type]


@given(st.text(max_size=300), st.sampled_from(["json", "lines"]), st.booleans())
def test_no_text_makes_the_parser_fail(text: str, answers: str, several: bool) -> None:
    kind = record(answers=answers, several=several)
    parts = kind.parse(text, ROW)
    for part in parts if isinstance(parts, list) else [parts]:
        assert isinstance(part, Malformed) or list(part) == list(COLUMNS)
