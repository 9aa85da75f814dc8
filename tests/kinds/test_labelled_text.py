"""The kind `labelled_text`: taxonomy, inputs, and reading answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.files import ROOT

from synthkd import Recipe, load_corpus, run
from synthkd.errors import InputError, KindError, RecipeError
from synthkd.kinds.base import Malformed
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.stages.plan import plan_run

INTENTS = ROOT / "corpora" / "everyday" / "intents.yaml"
TWO = {
    "refund": "The customer wants the money back.",
    "exchange": "The customer wants another size.",
}

FOUR = (
    ("I want my money back for the red shoes.", "refund"),
    ("Give me my money back, please.", "refund"),
    ("Please exchange the shoes for a larger size.", "exchange"),
    ("I want to exchange this for another size.", "exchange"),
)


def kind(**options: Any) -> LabelledTextKind:
    return LabelledTextKind(**{"taxonomy": TWO, **options})


def texts(found: Any) -> list[tuple[str, str]]:
    assert not isinstance(found, Malformed), found
    return [(row["text"], row["label"]) for row in found]


def file(folder: Path, name: str, *rows: tuple[str, str]) -> str:
    path = folder / name
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([("text", "label"), *rows])
    return str(path)


REAL = (("Give it back.", "refund"), ("Give me a larger one.", "exchange"))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (" Please refund me.\n", "Please refund me."),
        ("Message: Please refund me.", "Please refund me."),
        ('"Please refund me."', "Please refund me."),
        ("“Please refund me.”", "Please refund me."),
        ("**Message:** Please refund me.", "Please refund me."),
        ("1. Please refund me.", "Please refund me."),
        ('Here is a message:\n\n"Please refund me."', "Please refund me."),
        ("Intent: refund\nStyle: polite\nMessage: Please refund me.", "Please refund me."),
        ("refund: Please refund me.", "Please refund me."),
        ("Please refund me. [refund]", "Please refund me."),
        ("(Refund) Please refund me.", "Please refund me."),
        ("Please refund me.\nIntent: exchange\nMessage: Swap it.", "Please refund me."),
        ("Please refund me,\nnow.", "Please refund me, now."),
        ("```\nPlease refund me.\n```", "Please refund me."),
        ('{"text": "Please refund me.", "label": "refund"}', "Please refund me."),
        ('["Please refund me.", "Now."]', "Please refund me."),
        ("我要退款。", "我要退款。"),
        ('She said "hi" and "bye"', 'She said "hi" and "bye"'),
        ("[urgent] give it back", "[urgent] give it back"),
    ],
)
def test_decorations_around_a_text_are_removed(answer: str, text: str) -> None:
    assert texts(kind().parse(answer, {"label": "refund"})) == [(text, "refund")]


def test_lines_are_several_texts_and_a_heading_gives_their_label() -> None:
    answer = (
        "Here are three:\n1. Give it back.\n2. 'I want my money.'\n\nIntent: Exchange\n- Swap it."
    )
    assert texts(kind(several=True).parse(answer, {"label": "refund"})) == [
        ("Give it back.", "refund"),
        ("I want my money.", "refund"),
        ("Swap it.", "exchange"),
    ]


@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", '{{"examples": {}}}'])
def test_a_json_list_is_read_with_the_labels_in_it(wrap: str) -> None:
    items = [
        {"text": "Give it back.", "label": "Refund"},
        {"message": "Swap it.", "intent": "exchange"},
        "Now.",
    ]
    found = kind(several=True).parse(wrap.format(json.dumps(items)), {"label": "refund"})
    assert texts(found) == [
        ("Give it back.", "refund"),
        ("Swap it.", "exchange"),
        ("Now.", "refund"),
    ]


def test_a_truncated_json_list_gives_its_whole_items() -> None:
    answer = (
        '[{"text": "One.", "label": "refund"}, {"text": "Two.", "label": "refund"}, {"text": "Thr'
    )
    assert texts(kind(several=True).parse(answer, {"label": "refund"})) == [
        ("One.", "refund"),
        ("Two.", "refund"),
    ]


@pytest.mark.parametrize("answer", ["", "  \n ", '[{"label": "refund"', "Intent: refund"])
def test_an_answer_without_a_text_is_malformed_with_a_reason(answer: str) -> None:
    found = kind().parse(answer, {"label": "refund"})
    assert isinstance(found, Malformed)
    assert found.reason


def test_an_unknown_label_stays_as_written() -> None:
    answer = '[{"text": "One.", "label": "refnd"}]'
    assert texts(kind().parse(answer, {"label": "refund"})) == [("One.", "refnd")]


@pytest.mark.slow
@given(text=st.text(max_size=200), several=st.booleans())
def test_parsing_a_verbalized_candidate_gives_the_candidate(text: str, several: bool) -> None:
    one = kind(several=several)
    row = {"label": "refund", "style": "polite", "contrast": "exchange"}
    found = one.parse(text, row)
    for candidate in [] if isinstance(found, Malformed) else found:
        assert one.parse(one.verbalize(candidate), row) == [candidate]


def test_one_text_with_two_labels_is_one_question_with_two_answers() -> None:
    one, other = (
        {"text": text, "label": label}
        for text, label in (("Hi, there!", "refund"), ("hi there", "exchange"))
    )
    assert kind().vote_on(one) == kind().vote_on(other)
    assert kind().vote_for(one) != kind().vote_for(other)


def test_a_class_expands_to_every_combination_of_axes_and_contrast() -> None:
    one = kind(axes={"style": ["polite", "short"], "length": ["long"]}, contrast=True)
    rows = one.expand({"label": "refund"})
    assert [(row["style"], row["length"], row["contrast"]) for row in rows] == [
        ("polite", "long", ""), ("polite", "long", "exchange"), ("short", "long", ""), ("short",
        "long", "exchange"),
    ]  # fmt: skip


def test_drawn_combinations_depend_on_the_seed_and_repeat_only_after_all_are_drawn() -> None:
    axes = {"style": ["a", "b", "c"]}
    rows = kind(axes=axes, per_class=5, seed=1).expand({"label": "refund"})
    assert rows == kind(axes=axes, per_class=5, seed=1).expand({"label": "refund"})
    assert sorted(row["style"] for row in rows[:3]) == ["a", "b", "c"]
    assert [row.get("draw") for row in rows] == [None] * 3 + [1] * 2


def test_a_rows_own_axes_are_kept() -> None:
    rows = kind(axes={"style": ["polite", "short"]}, contrast=True).expand(
        {"label": "refund", "style": "angry", "contrast": ""}
    )
    assert rows == [{"label": "refund", "style": "angry", "contrast": ""}]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"taxonomy": []}, "no classes in it"),
        ({"taxonomy": ["refund"]}, "the only class"),
        ({"taxonomy": ["refund", "exchange", "refund"]}, "row 3: the class 'refund' stands twice"),
        ({"taxonomy": ["a_b", "A b"]}, "reads the same as 'a_b'"),
        ({"taxonomy": ["a", ""]}, "row 2: a class has no label"),
        (
            {"taxonomy": [{"label": "a", "near": ["c"]}, {"label": "b"}]},
            "near 'c', which is no class",
        ),
        ({"taxonomy": [{"name": "a"}]}, "no column 'label'"),
    ],
)
def test_an_invalid_taxonomy_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(KindError, match=says):
        kind(**options)


@pytest.mark.parametrize(
    "options",
    [{"axes": {"style": "polite"}}, {"axes": {"label": ["a"]}}, {"axes": "style"}, {"per_class": 0},
    {"per_class": 10**9}, {"texts": 0}, {"contrast": True, "taxonomy": None},
     {"real": 3}, {"taxonomy": 3}],
)  # fmt: skip
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(
        (ValueError, RecipeError), match=r"axes|per_class|texts|contrast|real|taxonomy"
    ):
        kind(**options)


def test_real_rows_of_an_unknown_class_are_refused_with_the_row_and_the_nearest(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        KindError,
        match=r"real.csv row 2: the taxonomy has no class 'refnd' \(did you mean 'refund'",
    ):
        kind(real=file(tmp_path, "real.csv", REAL[0], ("x", "refnd")))


def test_a_class_without_a_real_row_is_refused_unless_zero_shot_is_set(tmp_path: Path) -> None:
    path = file(tmp_path, "real.csv", REAL[0])
    with pytest.raises(
        KindError, match="no real row of the class 'exchange': add one, or set `zero_shot: true`"
    ):
        kind(real=path)
    assert len(kind(real=path, zero_shot=True).real) == 1


def recipe(folder: Path, **changes: Any) -> Recipe:
    (folder / "said.jsonl").write_text(json.dumps({"input_id": "x", "text": "x"}) + "\n")
    (folder / "taxonomy.yaml").write_text(
        json.dumps([{"label": k, "description": v} for k, v in TWO.items()])
    )
    raw = {
        "name": "x",
        "inputs": {"path": "taxonomy.yaml"},
        "kind": {
            "name": "labelled_text",
            "options": {"taxonomy": "taxonomy.yaml", **changes.pop("options", {})},
        },
        "prompt": {"template": "labelled_text/chat"},
        "teacher": {"backend": "recorded", "path": "said.jsonl"},
        "corpus": {"path": "corpus"},
        **changes,
    }
    return Recipe.from_dict(raw, folder)


def test_an_input_of_an_unknown_class_is_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "asked.csv").write_text("label\nrefnd\n")
    with pytest.raises(KindError, match="row 1: the taxonomy has no class 'refnd'"):
        plan_run(recipe(tmp_path, inputs={"path": "asked.csv"}))


def test_inputs_without_labels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "asked.csv").write_text("name\nrefund\n")
    with pytest.raises(InputError, match="no column 'label'"):
        plan_run(recipe(tmp_path, inputs={"path": "asked.csv"}))


@pytest.mark.parametrize("name", ["chat", "json-list"])
def test_prompts_show_real_rows_of_the_class_and_marked_ones_of_the_contrast_class(
    name: str, tmp_path: Path
) -> None:
    options = {
        "real": file(tmp_path, "real.csv", *REAL),
        "contrast": True,
        "axes": {"style": ["polite"]},
    }
    plan = plan_run(recipe(tmp_path, options=options, prompt={"template": f"labelled_text/{name}"}))
    prompts = [asked.request.messages[-1]["content"] for group in plan.batches() for asked in group]
    assert len(prompts) == 4
    plain, contrast = prompts[:2]
    assert "- Give it back." in plain
    assert "larger" not in plain
    assert TWO["refund"] in plain
    assert "Style: polite." in plain
    assert (
        'Texts of the class "exchange", which yours must differ from:\n- Give me a larger one.'
        in contrast
    )


def test_real_rows_that_lie_in_the_evaluation_set_are_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    options = {
        "real": file(tmp_path, "real.csv", *REAL),
        "evaluation": file(tmp_path, "test.csv", ("give it   BACK", "refund")),
    }
    with pytest.raises(
        KindError,
        match=r"1 real rows lie in the evaluation set: .*real.csv row 1 'Give it back.' is",
    ):
        plan_run(recipe(tmp_path, options=options))


def test_few_shot_rows_of_any_file_are_checked_against_the_evaluation_set(tmp_path: Path) -> None:
    options = {"evaluation": file(tmp_path, "test.csv", ("give it   BACK", "refund"))}
    shown = {"path": file(tmp_path, "shots.csv", *REAL), "by": "label"}
    with pytest.raises(KindError, match=r"few-shot row 1 'Give it back\.'"):
        plan_run(
            recipe(
                tmp_path,
                options=options,
                prompt={"template": "labelled_text/chat", "examples": shown},
            )
        )


def test_a_recipe_that_names_an_evaluation_set_checks_every_text_against_it(tmp_path: Path) -> None:
    options = {"evaluation": file(tmp_path, "test.csv", ("Something else.", "refund"))}
    assert "contaminated" in [
        rule.name for rule in plan_run(recipe(tmp_path, options=options)).components.rules
    ]
    with pytest.raises(RecipeError, match="leave out `contaminated`; add it"):
        plan_run(recipe(tmp_path, options=options, rules=["empty"]))


def test_a_rule_against_contamination_needs_an_evaluation_set(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"contaminated.*evaluation"):
        plan_run(recipe(tmp_path, rules=["contaminated"]))


@pytest.mark.parametrize("rule", ["off_topic", "label_agrees"])
def test_a_rule_by_real_rows_is_refused_without_any_before_anything_is_sent(
    tmp_path: Path, rule: str
) -> None:
    with pytest.raises(RecipeError, match=f"rule '{rule}': no real rows to compare with"):
        plan_run(recipe(tmp_path, rules=[rule]))
    shown = {"path": file(tmp_path, "shots.csv", *FOUR), "by": "label"}
    prompt = {"template": "labelled_text/chat", "examples": shown}
    plan_run(recipe(tmp_path, rules=[rule], prompt=prompt))


def test_default_rules_leave_the_messages_of_a_model_that_chats(tmp_path: Path) -> None:
    said = {
        "Give me my money back for the red shoes.": None,
        "I'd be happy to help you with your money.": "chatter",
        "Please exchange this for another larger size.": "label_agrees",
        "I want my money back, since the": "unfinished",
    }
    made = recipe(
        tmp_path,
        options={"real": file(tmp_path, "real.csv", *FOUR), "axes": []},
        inputs={"path": "asked.csv", "id": "key"},
        teacher={"backend": "recorded", "path": "said.jsonl", "sampling": {"n": len(said)}},
    )
    (tmp_path / "asked.csv").write_text("key,label\na,refund\n")
    rows = [{"input_id": "a", "sample_index": i, "text": text} for i, text in enumerate(said)]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(made, quiet=True)
    corpus = load_corpus(tmp_path / "corpus")
    found = [*corpus.table(provenance=True).to_pylist(), *corpus.rejected.to_pylist()]
    assert {row["text"]: row["rejected_by"] for row in found} == said


def test_the_shipped_taxonomy_is_valid() -> None:
    one = LabelledTextKind(taxonomy=str(INTENTS))
    assert one.taxonomy is not None
    assert len(one.taxonomy.labels) == 12
    assert one.taxonomy.others("refund") == ["exchange", "cancel order", "damaged item"]
