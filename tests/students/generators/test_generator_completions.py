"""Completions of every kind: the kind parses the same rows back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.errors import StudentError
from synthkd.kinds.base import Kind, Malformed
from synthkd.kinds.comparative.kind import ComparativeKind
from synthkd.kinds.event import EventKind
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.kinds.triple import TripleKind
from synthkd.prompts import load_prompt
from synthkd.students.generators.examples import ExampleBuilder

WORDS = st.text(alphabet="abcdefgh'-.,;:\"()0123456789 éß", min_size=1, max_size=40)
LINES = st.one_of(
    WORDS,
    st.text(max_size=40),
    st.sampled_from(["- a list", '"quoted"', "1. one", "''", "PersonX and Alex", "are used for x"]),
)
HEADS = st.sampled_from(["a hammer", "PersonX pays PersonY", "hammers are used for"])
RELATIONS = st.sampled_from(["UsedFor", "xWant", "HasA", "xReact"])


def read(kind: Kind, text: str, row: dict[str, Any]) -> list[dict[str, Any]]:
    found = kind.parse(text, row)
    return [] if isinstance(found, Malformed) else found


def again(kind: Kind, candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read candidates from their own completions by the kind."""
    return [
        one
        for row, together in kind.group_by_input(candidates)
        for one in read(kind, kind.completion(together, row), row)
    ]


def content(kind: Kind, candidates: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(one[column] for column in kind.columns) for one in candidates]


@pytest.mark.slow
@given(HEADS, RELATIONS, LINES, st.booleans())
def test_a_triples_tail_is_parsed_back(head: str, relation: str, text: str, several: bool) -> None:
    kind = TripleKind(several=several)
    found = read(kind, text, {"head": head, "relation": relation})
    assert content(kind, again(kind, found)) == content(kind, found)


@given(LINES)
def test_an_event_is_parsed_back(text: str) -> None:
    kind = EventKind()
    found = read(kind, text, {})
    assert content(kind, again(kind, found)) == content(kind, found)


SAID = st.builds(
    lambda *parts: " ".join(part for part in parts if part) + ".",
    st.sampled_from(["", "are", "have", "can be", "were"]),
    st.sampled_from(["", "typically", "often"]),
    st.sampled_from(["", "much", "slightly"]),
    st.sampled_from(["heavier", "less expensive", "more legs", "faster", "better in winter"]),
    st.sampled_from(["", "than cats", "than elephants"]),
)


@pytest.mark.slow
@given(SAID, st.sampled_from([(), ("are", "have", "can be", "were")]))
def test_a_comparison_is_parsed_back(text: str, auxiliaries: tuple[str, ...]) -> None:
    kind = ComparativeKind(auxiliaries=auxiliaries)
    found = read(kind, text, {"left": "elephant", "right": "cat"})
    assert content(kind, again(kind, found)) == content(kind, found)


def test_a_comparison_of_the_other_way_round_is_asked_with_its_own_subject_first() -> None:
    kind = ComparativeKind()
    found = read(kind, "cats are lighter.", {"left": "elephant", "right": "cat"})
    ((row, _),) = kind.group_by_input(found)
    assert (row["left"], row["right"]) == ("cat", "elephant")


def test_an_answer_to_which_is_heavier_is_a_name() -> None:
    kind = ComparativeKind(asked=["heavier"])
    found = read(
        kind, "An elephant", {"left": "cat", "right": "elephant", "comparative": "heavier"}
    )
    ((row, together),) = kind.group_by_input(found)
    assert kind.completion(together, row) == " an elephant"
    assert content(kind, again(kind, found)) == content(kind, found)


STEPS = st.sampled_from(["", "12 - 5 = 7.", "First, 3 + 4 = 7\nthen done", "It is 3.5 kg (or so)"])
ANSWERS = st.sampled_from(
    ["The answer is 7.", "The answer is 3.5.", "#### 12", "So the answer is -4"]
)


@given(STEPS, ANSWERS)
def test_steps_and_a_number_are_parsed_back(steps: str, answer: str) -> None:
    kind = RationaleKind(answer="number")
    found = read(kind, f"{steps} {answer}", {"question": "How many apples are left?"})
    assert content(kind, again(kind, found)) == content(kind, found)


@given(STEPS, st.sampled_from(["(b)", "desert", "The answer is (a) sea.", "(a)"]))
def test_a_choice_is_parsed_back(steps: str, answer: str) -> None:
    kind = RationaleKind()
    found = read(
        kind,
        f"{steps} The answer is {answer}",
        {"question": "Where?", "choices": ["sea", "desert"]},
    )
    assert content(kind, again(kind, found)) == content(kind, found)


def test_an_expression_is_parsed_back() -> None:
    kind = RationaleKind(answer="expression")
    found = read(kind, "4 * 6 = 24\nAnswer: 4 * (8 - 2) = 24", {"question": "2 4 8"})
    assert found
    assert content(kind, again(kind, found)) == content(kind, found)


@given(LINES, st.booleans())
def test_a_text_for_a_class_is_parsed_back(text: str, several: bool) -> None:
    kind = LabelledTextKind(several=several)
    row = {"label": "refund", "style": "polite", "contrast": "cancel"}
    found = [one for one in read(kind, text, row) if one["text"]]
    assert content(kind, again(kind, found)) == content(kind, found)


def test_a_text_for_a_class_is_asked_with_its_axes() -> None:
    kind = LabelledTextKind()
    found = read(kind, "give it back", {"label": "refund", "style": "short", "contrast": ""})
    assert kind.question(found[0]) == {"label": "refund", "style": "short"}


DOCUMENT = "An elephant is an animal that has a trunk. Its ears,\nwhich are large, cool it."


@pytest.fixture(scope="module")
def propositions() -> Kind:
    pytest.importorskip("spacy")
    from synthkd.kinds.proposition.kind import PropositionKind

    return PropositionKind(chunk_sentences=2)


CLAIMS = st.lists(
    st.sampled_from(
        [
            "An elephant is an animal.",
            "An elephant has a trunk.",
            "Its ears are large.",
            "Ears (2) cool it.",
        ]
    ),
    max_size=4,
    unique=True,
)


@pytest.mark.slow
@settings(max_examples=50)
@given(CLAIMS, CLAIMS)
def test_propositions_of_a_chunk_are_parsed_back_together(
    propositions: Kind, first: list[str], second: list[str]
) -> None:
    (row,) = propositions.expand({"document_id": "d", "text": DOCUMENT})
    groups = "\n".join(
        f"<s>\n{''.join(f'- {one}' + chr(10) for one in said)}</s>" for said in (first, second)
    )
    found = [
        one for one in read(propositions, groups, row) if one["proposition"] and one["sentence"]
    ]
    assert set(content(propositions, again(propositions, found))) == set(
        content(propositions, found)
    )


def test_propositions_of_a_sentence_have_the_order_of_its_words(propositions: Kind) -> None:
    sentence = "An elephant is an animal that has a trunk and can swim."
    said = ["An elephant can swim.", "An elephant is an animal.", "An elephant has a trunk."]
    rows = [{"document_id": "d", "sentence": sentence, "proposition": one} for one in said]
    ((row, together),) = propositions.group_by_input(rows)
    assert propositions.completion(together, row) == (
        "\n<s>\n- An elephant is an animal.\n- An elephant has a trunk.\n- An elephant can"
        " swim.\n</s>"
    )


def test_several_tails_of_a_head_and_relation_are_one_answer() -> None:
    kind = TripleKind(several=True)
    rows = [
        {"head": "a hammer", "relation": "UsedFor", "tail": tail} for tail in ("nails", "pulling")
    ]
    (example,), left = ExampleBuilder(kind, load_prompt("triple/student")).examples(rows)
    assert example.completion == " nails\npulling" or example.completion == " nails\n pulling"
    assert not sum(left.reasons.values())


def test_people_have_the_same_names_in_prompt_and_completion() -> None:
    rows = [{"head": "PersonX pays PersonY", "relation": "xWant", "tail": "to thank PersonY"}]
    (example,), _ = ExampleBuilder(TripleKind(), load_prompt("triple/student")).examples(rows)
    assert example.prompt == "<head> Alex pays Chris </head> <relation> xWant </relation> [GEN]"
    assert example.completion == " to thank Chris"


def test_a_row_without_a_completion_is_left_out_and_counted() -> None:
    rows = [
        {"head": "a", "relation": "HasA", "tail": "two\nlines"},
        {"head": "a", "relation": "HasA", "tail": None},
        {"head": "a", "relation": "HasA", "tail": "one"},
    ]
    examples, left = ExampleBuilder(TripleKind(), load_prompt("triple/student")).examples(rows)
    assert [example.completion for example in examples] == [" one"]
    assert str(left) == "2 of 3 rows left out (1 that no answer can say, 1 with an empty column)"


def test_text_after_a_stop_text_of_the_template_is_not_parsed() -> None:
    kind = TripleKind(several=True)
    rows = [{"head": "a", "relation": "HasA", "tail": tail} for tail in ("one", "two")]
    _, left = ExampleBuilder(kind, load_prompt("triple/everyday")).examples(rows)
    assert left.reasons["that no answer can say"] == 2


def test_rows_of_one_question_share_its_number_and_negatives_too() -> None:
    rows = [{"head": "a", "relation": "HasA", "tail": tail} for tail in ("one", "two")]
    wrong = [{"head": "a", "relation": "HasA", "tail": "none"}]
    examples, _ = ExampleBuilder(TripleKind(), load_prompt("triple/student")).examples(rows, wrong)
    assert [(example.question, example.good) for example in examples] == [
        (0, True),
        (0, True),
        (0, False),
    ]


def test_rows_of_another_kind_are_refused_by_name() -> None:
    with pytest.raises(StudentError, match="no column 'relation'"):
        ExampleBuilder(TripleKind(), load_prompt("triple/student")).examples(
            [{"head": "a", "tail": "b"}]
        )


def test_a_template_of_another_kind_is_refused() -> None:
    with pytest.raises(StudentError, match="is for the kind 'event'"):
        ExampleBuilder(TripleKind(), load_prompt("event/student"))


def test_a_kind_of_ones_own_needs_a_template_and_nothing_else() -> None:
    from synthkd.prompts import Head, Prompt
    from synthkd.students.generators.fit import student_template
    from synthkd.students.generators.options import GeneratorOptions

    class Definition(EventKind):
        name = "definition"
        columns = ("term", "meaning")
        input_columns = ("term",)
        group_column = "term"
        completion = Kind.completion

        def parse(self, text: str, row: Any) -> list[dict[str, str]] | Malformed:
            return [{"term": str(row["term"]), "meaning": text.strip()}]

        def normalize(self, candidate: Any) -> tuple[str, ...]:
            return str(candidate["term"]), str(candidate["meaning"])

    with pytest.raises(
        StudentError, match="no template is shipped for students of the kind 'definition'"
    ):
        student_template(Definition(), GeneratorOptions())
    prompt = Prompt("own", Head(chat=False), "{{ term }} means", Path())
    (example,), _ = ExampleBuilder(Definition(), prompt).examples(
        [{"term": "knife", "meaning": "a tool"}]
    )
    assert (example.prompt, example.completion) == ("knife means", " a tool")
