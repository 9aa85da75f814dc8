"""The templates of lists to continue: one for every kind, with examples and without."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.files import write_csv

from synthkd import plugins
from synthkd.kinds import (
    ComparativeKind,
    EventKind,
    FactKind,
    Kind,
    LabelledTextKind,
    PropositionKind,
    RationaleKind,
    RecordKind,
    SpanKind,
    TripleKind,
)
from synthkd.kinds.base import Malformed, readable
from synthkd.kinds.first_line import first_line_of
from synthkd.prompts import Prompt, lint, load_prompt
from synthkd.resources import resource
from synthkd.rows import read_rows

#: Of each kind: itself, an input, few-shot rows where the template ships none, and an answer.
CASES: dict[str, tuple[Kind, dict[str, Any], list[dict[str, Any]], str]] = {
    "triple": (
        TripleKind(), {"head": "knife", "relation": "UsedFor"}, [],
        " cutting bread\n- spoon is used for soup",
    ),
    "event": (EventKind(), {"number": "0"}, [], " PersonX runs home\n- PersonX sleeps"),
    "comparative": (
        ComparativeKind(), {"left": "cat", "right": "elephant"}, [],
        " typically much smaller.\n- Compared to",
    ),
    "labelled_text": (
        LabelledTextKind(), {"label": "card_lost"},
        [{"text": "Where is my card?", "label": "card_lost"}], 'I lost my card."\n- "My card',
    ),
    "rationale": (
        RationaleKind(), {"question": "How many legs do 3 cats have?"}, [],
        " A cat has 4 legs. 3 * 4 = 12.\nAnswer: 12",
    ),
    "proposition": (
        PropositionKind(),
        {
            "document_id": "d", "text": "A rat can hear and jump.", "before": "",
            # As the kind cuts a document.
            "sentences": ["A rat can hear and jump."], "starts": [0], "ends": [24],
            "units": ["sentence"], "first_index": 0,
        }, [],
        "\n- A rat can hear.\n- A rat can jump.",
    ),
    "fact": (
        FactKind(), {"text": "The novel The Salt Road is by Ida Holm."}, [],
        " Ida Holm | wrote | The Salt Road\n- The Salt Road | is a | novel",
    ),
    "span": (
        SpanKind(types=["person", "place"]), {"sentence": "Ada lives in Rome."},
        [{"sentence": "Bo saw Oslo.", "spans": [{"type": "place", "text": "Oslo"}]}],
        " person: Ada\n- place: Rome",
    ),
    "record": (
        RecordKind(columns={"dish": "text", "minutes": "int"}), {"number": "0"},
        [{"dish": "moussaka", "minutes": 90}], ' {"dish": "soup", "minutes": 20}\n- {"dish',
    ),
}  # fmt: skip
FOUND: dict[str, list[dict[str, Any]]] = {
    "triple": [{"tail": "cutting bread"}],
    "event": [{"event": "PersonX runs home"}],
    "comparative": [{"comparative": "smaller"}],
    "labelled_text": [{"text": "I lost my card."}],
    "rationale": [{"rationale": "A cat has 4 legs. 3 * 4 = 12.", "answer": "12"}],
    "proposition": [{"proposition": "A rat can hear."}, {"proposition": "A rat can jump."}],
    "fact": [{"head": "Ida Holm", "tail": "The Salt Road"}, {"relation": "is a", "tail": "novel"}],
    "span": [{"type": "person", "span": "Ada"}, {"type": "place", "span": "Rome"}],
    "record": [{"dish": "soup", "minutes": 20}],
}


def prompt_of(name: str, shown: bool = True) -> Prompt:
    prompt = load_prompt(f"{name}/continue")
    rows = CASES[name][2]
    if prompt.head.examples:
        rows = [
            row for part in read_rows(resource("prompts") / prompt.head.examples) for row in part
        ]
    CASES[name][0].check_examples(rows)
    variables = {"task": "Dishes."} if name == "record" else {}
    return replace(prompt, examples=rows if shown else [], variables=variables)


def rendered(name: str, shown: bool = True, **more: str) -> str:
    kind, row, _, _ = CASES[name]
    (message,) = prompt_of(name, shown).render({**row, **more}, kind, "id", 0)
    assert message["role"] == "prompt"
    return message["content"]


def test_every_kind_with_templates_has_one_for_small_models() -> None:
    assert set(CASES) == set(plugins.names("kinds"))


@pytest.mark.parametrize("name", CASES)
def test_the_prompt_shows_examples_of_the_form_that_is_to_be_continued(name: str) -> None:
    open_line = rendered(name).splitlines()[-1].split(" ", 1)[0]
    shown, bare = (
        [line for line in rendered(name, show).splitlines()[:-1] if line.startswith(open_line)]
        for show in (True, False)
    )
    assert shown
    assert not bare


@pytest.mark.parametrize("name", CASES)
def test_the_prompt_without_examples_has_a_heading_and_an_open_line(name: str) -> None:
    lines = rendered(name, shown=False).splitlines()
    assert len(lines) > 1
    assert not lines[-1].endswith((".", "?", " "))


@pytest.mark.parametrize("name", CASES)
def test_every_variable_of_the_template_is_one_that_inputs_have(name: str) -> None:
    kind, row, _, _ = CASES[name]
    lint(prompt_of(name), [*kind.context(row, [], random.Random(0))])


@pytest.mark.parametrize("name", CASES)
def test_what_a_model_goes_on_with_is_read_as_candidates(name: str) -> None:
    kind, row, _, answer = CASES[name]
    head = load_prompt(f"{name}/continue").head
    found = readable(kind.parse(first_line_of(answer).text if head.first_line else answer, row))
    assert not isinstance(found, Malformed)
    assert [
        {column: one[column] for column in wanted}
        for one, wanted in zip(found, FOUND[name], strict=True)
    ] == FOUND[name]


@pytest.mark.parametrize("name", CASES)
def test_an_answer_of_one_line_stops_there_and_a_block_at_the_blank_line(name: str) -> None:
    head = load_prompt(f"{name}/continue").head
    assert head.stops[0] == ("\n" if head.first_line else "\n\n")
    assert not head.chat


@pytest.mark.parametrize("relation", ["IsA", "LocatedNear", "HinderedBy"])
def test_examples_of_triples_are_of_the_inputs_relation(relation: str) -> None:
    prompt = prompt_of("triple")
    pool = prompt.pool({"head": "x", "relation": relation})
    assert len(pool) >= 6
    assert {row["relation"] for row in pool} == {relation}


def test_every_relation_of_everyday_things_and_of_conceptnet_has_examples() -> None:
    prompt = prompt_of("triple")
    for set_of in ("everyday", "conceptnet"):
        for relation in TripleKind(relations=set_of).relations:
            assert len(prompt.pool({"relation": relation})) >= 6, relation


def test_a_question_with_choices_is_shown_questions_with_choices() -> None:
    kind = CASES["rationale"][0]
    row = {"question": "What barks?", "choices": ["a cat", "a dog"]}
    (message,) = prompt_of("rationale").render(row, kind, "id", 0)
    questions = [line for line in message["content"].splitlines() if line.startswith("Question")]
    assert len(questions) > 3
    assert all("(a)" in line for line in questions)
    assert "(a)" not in rendered("rationale")


def test_a_pair_with_a_question_is_shown_questions() -> None:
    text = rendered("comparative", comparative="heavier")
    assert text.endswith("- Which is heavier, a cat or an elephant? Answer:")
    assert "Compared to" not in text


def test_texts_of_a_contrast_class_stand_before_those_of_the_class(tmp_path: Path) -> None:
    taxonomy = ["card_lost", "card_arrival"]
    real = [{"text": f"About {label}", "label": label} for label in taxonomy]
    write_csv(tmp_path / "real.csv", real)
    kind = LabelledTextKind(taxonomy=taxonomy, real=str(tmp_path / "real.csv"))
    row = {"label": "card_lost", "contrast": "card_arrival"}
    prompt = replace(load_prompt("labelled_text/continue"), examples=kind.own_examples())
    (message,) = prompt.render(row, kind, "id", 0)
    assert message["content"].splitlines() == [
        'Messages that people sent about "card arrival":', '- "About card_arrival"', "",
        'Messages that people sent about "card lost":', '- "About card_lost"', '- "',
    ]  # fmt: skip


def test_a_text_of_several_lines_is_shown_in_one() -> None:
    kind = LabelledTextKind()
    rows = [{"text": "Where is\nmy card?", "label": "card_lost"}]
    prompt = replace(load_prompt("labelled_text/continue"), examples=rows)
    (message,) = prompt.render({"label": "card_lost"}, kind, "id", 0)
    assert '\n- "Where is my card?"\n' in message["content"]


def test_facts_of_other_relations_than_the_recipes_are_not_shown() -> None:
    kind = FactKind(relations=["brother of"])
    (message,) = prompt_of("fact").render({"text": "It rained."}, kind, "id", 3)
    triples = [line for line in message["content"].splitlines() if line.count(" | ") == 2]
    assert {line.split(" | ")[1] for line in triples[:-1] if line[:2] == "- "} <= {"brother of"}
