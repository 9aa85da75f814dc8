"""Inputs of a run: what is read, refused and told before anything is bought."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthkd.commands.dry_run import dry_run
from synthkd.errors import InputError, KindError, PromptError, RecipeError, UserError
from synthkd.pipeline import run
from synthkd.recipe import Recipe

ROW = {"head": "a cup", "relation": "UsedFor"}


def recipe(
    folder: Path, rows: list[dict[str, Any]] | str = "", template: str = "{{ head }}", **parts: Any
) -> Recipe:
    """Return a recipe on rows or a file, with a template; nothing listens at its address."""
    if not isinstance(rows, str):
        (folder / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "t.j2").write_text(template)
    raw: dict[str, Any] = {
        "name": "r",
        "inputs": {"path": rows if isinstance(rows, str) else "r.jsonl"},
        "prompt": {"template": "t.j2"},
        "teacher": {
            "backend": "openai",
            "model": "m",
            "base_url": "http://127.0.0.1:9/v1",
            "max_attempts": 1,
        },
        "corpus": {"path": "corpus"},
    }
    for name, value in parts.items():
        raw[name] = {**raw.get(name, {}), **value} if isinstance(value, dict) else value
    return Recipe.from_dict(raw, folder=folder)


def prompts(*args: Any, **parts: Any) -> list[str]:
    return dry_run(recipe(*args, **parts), shown=99).prompts


def said(error: type[UserError], *args: Any, **parts: Any) -> str:
    with pytest.raises(error) as caught:
        dry_run(recipe(*args, **parts))
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (["a knife"], "a list of 1"),
        ({"text": "a knife"}, "an object (text)"),
        ([], "an empty list"),
        (float("inf"), "an infinite number"),
    ],
)
def test_a_value_that_is_no_text_is_refused_with_its_row(
    tmp_path: Path, head: Any, what: str
) -> None:
    text = said(InputError, tmp_path, [ROW, {**ROW, "head": head}])
    assert text.startswith(f"r.jsonl row 2: 'head' is {what}, where a text is needed")


@pytest.mark.parametrize("head", [None, float("nan"), "", "  "])
def test_an_empty_cell_is_refused_with_its_row(tmp_path: Path, head: Any) -> None:
    assert (
        said(KindError, tmp_path, [ROW, {**ROW, "head": head}]) == "r.jsonl row 2: 'head' is empty"
    )


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([b"a knife"]), "a knife"),
        (pa.array(["a knife"], pa.large_string()), "a knife"),
        (pa.array(["a knife"]).dictionary_encode(), "a knife"),
        (pa.array([7.0]), "7"),
        (pa.array([True]), "true"),
        (pa.array([0], pa.date32()), "1970-01-01"),
        (pa.array([0], pa.timestamp("ns")), "1970-01-01 00:00:00"),
    ],
    ids=lambda value: str(getattr(value, "type", ""))[:10],
)
def test_a_column_of_another_type_is_read_as_what_it_says(
    tmp_path: Path, column: pa.Array, text: str
) -> None:
    pq.write_table(pa.table({"head": column, "relation": ["UsedFor"]}), tmp_path / "r.parquet")
    assert prompts(tmp_path, "r.parquet") == [text]


def test_a_cell_that_a_template_uses_and_that_cannot_be_read_is_refused_with_its_place(
    tmp_path: Path,
) -> None:
    columns = {"head": ["a", "b"], "relation": ["UsedFor"] * 2, "note": pa.array([b"x", b"\xff"])}
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    assert prompts(tmp_path, "r.parquet") == ["a", "b"]
    assert "r.parquet row 2" in said(PromptError, tmp_path, "r.parquet", "{{ head }} {{ note }}")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"Head": "a", "relation": "UsedFor"}, "no column 'head', but 'Head'"),
        ({"head ": "a", "relation": "UsedFor"}, "no column 'head', but 'head '"),
        ({"\ufeffhead": "a", "relation": "UsedFor"}, "no column 'head', but"),
        ({"heads": "a", "relation": "UsedFor"}, "no column 'head', but 'heads'"),
        ({"head": "a", "Relation": "UsedFor"}, "no column 'relation', but 'Relation'"),
        ({"head": "a", "relations": "UsedFor"}, "no column 'relation', but 'relations'"),
        (
            {"subject": "a", "relation": "UsedFor"},
            "no column 'head', which the kind 'triple' needs",
        ),
    ],
)
def test_a_column_of_nearly_the_right_name_is_not_passed_over(
    tmp_path: Path, row: dict[str, str], what: str
) -> None:
    text = said(InputError, tmp_path, [row], "a template")
    assert what in text
    assert "inputs.rename" in text


def test_an_optional_column_of_nearly_the_right_name_is_not_passed_over(tmp_path: Path) -> None:
    rows = [{"question": "1 + 1?", "Gold": "2"}]
    assert "no column 'gold', but 'Gold'" in said(
        InputError, tmp_path, rows, "{{ asked }}", kind={"name": "rationale"}
    )


def test_a_column_that_the_template_uses_may_be_near_to_one_of_the_kind(tmp_path: Path) -> None:
    found = prompts(
        tmp_path,
        [{"head": "a", "relations": "x"}],
        "{{ relations }}",
        kind={"relations": ["UsedFor"]},
    )
    assert found == ["x"]


def test_renaming_what_is_not_there_or_onto_another_column_is_refused(tmp_path: Path) -> None:
    assert "no column 'haed' (named by inputs.rename) (did you mean 'head'?)" in said(
        InputError, tmp_path, [ROW], inputs={"rename": {"haed": "head"}}
    )
    assert "two columns would have the name 'head'" in said(
        InputError, tmp_path, [{**ROW, "text": "x"}], inputs={"rename": {"text": "head"}}
    )


@pytest.mark.parametrize(
    ("value", "what"), [(None, "is empty"), ([1], "is a list of 1"), (float("nan"), "is empty")]
)
def test_an_id_is_a_text(tmp_path: Path, value: Any, what: str) -> None:
    assert what in said(InputError, tmp_path, [{**ROW, "id": value}], inputs={"id": "id"})


def test_a_null_in_a_prompt_is_refused_with_row_and_column(tmp_path: Path) -> None:
    rows = [{**ROW, "note": "sharp"}, {**ROW, "note": None}]
    text = said(PromptError, tmp_path, rows, "{{ head }}\n{{ note }}")
    assert text.startswith("r.jsonl row 2: template t.j2 line 2: an empty cell")
    assert text.endswith("(note)")


def test_the_first_rows_are_rendered_before_anything_is_sent(tmp_path: Path) -> None:
    rows = [{**ROW, "head": f"thing {i}", "note": "x" if i < 99 else None} for i in range(100)]
    with pytest.raises(PromptError, match="row 100: template"):
        run(recipe(tmp_path, rows, "{{ head }} {{ note }}"), quiet=True)


@pytest.mark.slow
def test_equal_ids_far_down_are_found_before_anything_is_sent(tmp_path: Path) -> None:
    rows = [{**ROW, "head": f"thing {i}", "id": i % 2999} for i in range(3000)]
    with pytest.raises(InputError, match="row 3000: the id '0' stands on another row"):
        run(recipe(tmp_path, rows, inputs={"id": "id"}), quiet=True)


# Options


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"rules": [{"too_long": {"max_words": "six"}}]}, "rule 'too_long': max_words: a whole"
            " number from 1 on is needed, not 'six'"),
        ({"rules": [{"too_long": {"max_words": True}}]}, "max_words: a whole number from 1 on is"
            " needed, not true"),
        ({"rules": [{"too_long": {"max_words": 6.5}}]}, "max_words: a whole number from 1 on is"
            " needed, not 6.5"),
        ({"rules": [{"too_long": {"max_words": None}}]}, "max_words: a whole number from 1 on is"
            " needed, not null"),
        ({"rules": [{"too_long": {"maxwords": 6}}]}, "rule 'too_long': no option 'maxwords' (did"
            " you mean 'max_words'?)"),
        ({"rules": [{"empty": {"colum": "tail"}}]}, "no option 'colum' (did you mean 'column'?)"),
        ({"rules": [{"starts_with": {"prefix": ["a"]}}]}, 'prefix: a text is needed, not ["a"]'),
        ({"rules": [{"worst_nll": {"share": "0.1"}}]}, "share: a number above 0 and below 1 is"
            " needed, not '0.1'"),
        ({"rules": [{"grounded": {"numbers": "no"}}]},
        "numbers: true or false is needed, not 'no'"),
        ({"kind": {"options": {"sevral": True}}}, "kind 'triple': no option 'sevral' (did you mean"
            " 'several'?)"),
        ({"kind": {"options": {"relations": []}}}, "kind 'triple': no option 'relations'"),
        ({"kind": {"name": "event", "options": {"n": 1}}},
        "kind 'event': no option 'n'; it has none"),
        (
            {"kind": {"name": "comparative", "options": {"claims": "5"}}},
            "kind 'comparative': claims: a whole number from 1 on is needed, not '5'",
        ),
        (
            {"kind": {"name": "proposition", "options": {"chunk_sentence": 3}}},
            "kind 'proposition': no option 'chunk_sentence' (did you mean 'chunk_sentences'?)",
        ),
    ],
)  # fmt: skip
def test_an_option_that_does_not_fit_is_refused_before_anything_is_bought(
    tmp_path: Path, parts: dict[str, Any], what: str
) -> None:
    assert what in said(RecipeError, tmp_path, [ROW], **parts)


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("label_known", "rule 'label_known': no column 'label' in rows of the kind 'triple'"),
        ("comparative_form", "rule 'comparative_form': no column 'comparative'"),
        ("order", "rule 'order': rows of the kind 'triple' say of nothing that it is more"),
        ("contaminated", "rule 'contaminated': name the evaluation set"),
        ("label_noise", "rule 'label_noise': rows of the kind 'triple' have no text and label"),
        ("off_topic", "rule 'off_topic': rows of the kind 'triple' have no text and label"),
        ({"near_duplicate": {"within": "label"}}, "rule 'near_duplicate': rows of the kind 'triple'"
            " have no column 'label'"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_judge_the_kind_is_refused_before_anything_is_bought(
    tmp_path: Path, rule: Any, what: str
) -> None:
    assert what in said(RecipeError, tmp_path, [ROW], rules=[rule])


# Few-shot examples


FEW = (
    "---\nby: relation\nshots: 2\n---\n{% for e in examples %}{{ e.sentence }}. {% endfor %}{{"
    " stem }}"
)
OAK, PEN = (
    {"head": "oak", "relation": "HasA", "tail": "bark"},
    {"head": "pen", "relation": "UsedFor", "tail": "write"},
)


def few(folder: Path, examples: list[dict[str, Any]], **own: Any) -> dict[str, Any]:
    (folder / "few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples))
    return {"prompt": {"examples": {"path": "few.jsonl", "n": 2, **own}}}


def test_own_examples_are_drawn_by_the_templates_column(tmp_path: Path) -> None:
    (prompt,) = prompts(tmp_path, [ROW], FEW, **few(tmp_path, [OAK, PEN]))
    assert prompt == "pen is used for write. a cup is used for"


def test_null_draws_from_all_and_each_says_what_its_relation_says(tmp_path: Path) -> None:
    (prompt,) = prompts(tmp_path, [ROW], FEW, **few(tmp_path, [OAK, PEN], by=None))
    assert "oak has a part called bark" in prompt
    assert "oak is used for" not in prompt


@pytest.mark.parametrize(
    ("examples", "own", "error", "what"),
    [
        (
            [OAK],
            {"by": "relatoin"},
            PromptError,
            "few.jsonl row 1: no 'relatoin' (did you mean 'relation'?)",
        ),
        (
            [{**OAK, "topic": "a"}],
            {"by": "topic"},
            PromptError,
            "drawn by 'topic', which no input has",
        ),
        ([PEN, {"head": "oak", "tail": "bark"}], {}, PromptError, "few.jsonl row 2: no 'relation'"),
        (
            [{"head": "oak", "tail": "bark"}],
            {"by": None},
            KindError,
            "few-shot row 1: 'relation' is empty or missing",
        ),
        (
            [{**OAK, "tail": float("nan")}],
            {},
            KindError,
            "few-shot row 1: 'tail' is empty or missing",
        ),
        ([{**OAK, "tail": ["bark"]}], {}, InputError, "few.jsonl row 1: 'tail' is a list of 1"),
        ([], {}, InputError, "few.jsonl: no few-shot rows in it"),
    ],
)
def test_examples_of_which_no_true_sentence_can_be_made_are_refused(
    tmp_path: Path,
    examples: list[dict[str, Any]],
    own: dict[str, Any],
    error: type[UserError],
    what: str,
) -> None:
    assert what in said(error, tmp_path, [ROW], FEW, **few(tmp_path, examples, **own))


def test_inputs_without_an_example_are_told(tmp_path: Path) -> None:
    rows = [ROW, {"head": "oak tree", "relation": "AtLocation"}]
    found = dry_run(recipe(tmp_path, rows, FEW, **few(tmp_path, [OAK, PEN])))
    assert found.warnings == ["1 inputs have no few-shot example: none is of relation 'AtLocation'"]


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("\"['a knife', 'a fork']\"", "a list"),
        ("\"{'text': 'a knife'}\"", "an object"),
        ("b'a knife'", "bytes"),
        ("'b\"a knife\"'", None),
        ("[sic] a knife", None),
        ("b's knife", None),
    ],
)
def test_a_cell_of_csv_that_holds_what_python_writes_is_refused(
    tmp_path: Path, cell: str, what: str | None
) -> None:
    (tmp_path / "r.csv").write_text(f"head,relation\na cup,UsedFor\n{cell},UsedFor\n")
    if what is None:
        assert len(prompts(tmp_path, "r.csv")) == 2
    else:
        assert f"r.csv row 2: 'head' is {what} as Python writes it" in said(
            InputError, tmp_path, "r.csv"
        )


def test_the_same_text_in_json_lines_is_a_text(tmp_path: Path) -> None:
    assert prompts(tmp_path, [{**ROW, "head": "['a knife']"}])


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_csv_that_is_divided_by_another_sign_is_refused_by_that_sign(
    tmp_path: Path, mark: str
) -> None:
    (tmp_path / "r.csv").write_text(f"head{mark}relation\na cup{mark}UsedFor\n")
    assert f"divided by {mark!r}" in said(InputError, tmp_path, "r.csv")


def test_choices_in_another_case_are_named_and_odd_ones_are_refused_with_their_row(
    tmp_path: Path,
) -> None:
    rows: list[dict[str, Any]] = [{"question": "Which?", "Choices": ["red", "blue"]}]
    kind = {"kind": {"name": "rationale"}}
    assert "no column 'choices', but 'Choices'" in said(
        InputError, tmp_path, rows, "{{ asked }}", **kind
    )
    rows = [
        {"question": "Which?", "choices": ["red", "blue"]},
        {"question": "Which?", "choices": [["red"], "blue"]},
    ]
    text = said(KindError, tmp_path, rows, "{{ asked }}", **kind)
    assert "r.jsonl row 2: 'choices' is a list whose choice 1 is a list of 1" in text
