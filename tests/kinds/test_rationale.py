"""Rationales: questions, steps and answers in the words of teachers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.kind import RationaleKind

APPLES = {"question": "Tom has 12 apples. He gives 5 to Ann. How many apples does Tom have left?"}
BANK = {"question": "Where is money kept?", "choices": ["river", "bank", "river bank", "bank"]}


def only(kind: RationaleKind, text: str, row: dict[str, Any]) -> dict[str, Any]:
    found = kind.parse(text, row)
    assert isinstance(found, list), found
    return found[0]


def refused(kind: RationaleKind, text: str, row: dict[str, Any]) -> str:
    found = kind.parse(text, row)
    assert isinstance(found, Malformed), found
    return found.reason


def test_a_completion_is_cut_into_steps_and_answer() -> None:
    found = only(RationaleKind(), " Tom has 12 apples. 12 - 5 = 7. The answer is 7.\n", APPLES)
    assert (found["rationale"], found["answer"]) == ("Tom has 12 apples. 12 - 5 = 7.", "7")
    assert (found["steps"], found["steps_wrong"]) == (1, 0)


def test_an_invented_next_question_is_cut_off() -> None:
    text = (
        "12 - 5 = 7. The answer is 7.\n\nQ: There are 15 trees.\nA: 15 + 6 = 21. The answer is 21."
    )
    assert only(RationaleKind(), text, APPLES)["answer"] == "7"
    assert only(RationaleKind(phrase="last"), text, APPLES)["answer"] == "7"


def test_stop_marks_of_the_recipe_replace_the_defaults() -> None:
    text = "12 - 5 = 7\nExercise 2: 20 - 1 = 19"
    assert only(RationaleKind(stop_marks=["Exercise"]), text, APPLES)["answer"] == "7"


def test_a_repeated_question_is_not_part_of_the_steps() -> None:
    text = f"Question: {APPLES['question']}\nAnswer: 12 - 5 = 7. The answer is 7."
    assert only(RationaleKind(), text, APPLES)["rationale"] == "12 - 5 = 7."


@pytest.mark.parametrize(
    ("end", "answer"),
    [
        ("The answer is $1,200.50.", "1200.5"),
        ("So the answer is 20 shirts.", "20"),
        ("Answer: -3", "-3"),
        ("The final answer is: **3/4** of a cake", "0.75"),
        ("#### 1/3", "1/3"),
        (r"The answer is \boxed{\frac{1}{3}}.", "1/3"),
        ("The answer is (10 - 6).", "4"),
        ("The answer is (67 * 66) / 6.", "737"),
        ("Hence the answer is 2 * 76 = 152. Answer: 152", "152"),
        ("Hence the answer is Answer: 7", "7"),
        ("The answer is 25%.", "25"),
        ("The answer is seven.", "7"),
        ("The answer is 2½ hours", "2.5"),
        ("A: 96", "96"),
        ("The answer is 5 because 12 - 7 is 5.", "5"),
        ("The answer is 7, since 1 + 1 = 3.", "7"),
        ("The answer is 12 large planks + 17 small planks = 29 planks total.", "29"),
        ("She will have 149 white t - shirts.", "149"),
        ("57 - 3 = 54 shirts", "54"),
    ],
)
def test_numbers_are_read_with_units_signs_fractions_and_separators(end: str, answer: str) -> None:
    assert only(RationaleKind(answer="number"), f"Some steps. {end}", APPLES)[
        "answer"
    ] == answer or (
        only(RationaleKind(answer="number"), f"Some steps.\n{end}", APPLES)["answer"] == answer
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_text"),
        ("I do not know.", "no_answer"),
        ("The answer is (some - 8).", "not_a_number"),
        ("The answer is 71 tomatoes and 12 potatoes.", "ambiguous"),
        ("The answer is (175, 5).", "not_a_number"),
    ],
)
def test_a_text_without_a_number_is_malformed_with_a_reason(text: str, reason: str) -> None:
    assert refused(RationaleKind(answer="number"), text, APPLES) == reason


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So the answer is (b) bank.", "bank"),
        ("The answer is B", "bank"),
        ("the answer is b)", "bank"),
        ("The answer is C because it is near.", "river bank"),
        ("The answer is a river bank.", "river bank"),
        ("The answer is (b) or (d).", "bank"),
        ("River bank.", "river bank"),
        ("Money is kept in a bank.", "bank"),
        ("It is not the answer. Hence the answer is {a}.", "river"),
    ],
)
def test_choices_are_named_by_letter_or_by_their_words(text: str, answer: str) -> None:
    assert only(RationaleKind(), text, BANK)["answer"] == answer


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("So the answer is either (a) river or (b) bank.", "ambiguous"),
        ("The answer is (a) bank.", "ambiguous"),
        ("The answer is one of these.", "not_a_choice"),
        ("So the answer is (z).", "not_a_choice"),
        ("Nobody knows where it is kept nowadays, and nobody will tell us.", "no_answer"),
    ],
)
def test_several_choices_or_none_have_reasons_of_their_own(text: str, reason: str) -> None:
    assert refused(RationaleKind(), text, BANK) == reason


def test_choices_with_equal_text_are_one_answer() -> None:
    kind = RationaleKind()
    b, d = only(kind, "The answer is (b).", BANK), only(kind, "The answer is (d).", BANK)
    assert kind.vote_for(b) == kind.vote_for(d) == "bank"


@pytest.mark.parametrize(
    "given",
    ['["river", "bank"]', "(a) river (b) bank", "a) river\nb) bank", "river\nbank", "river|bank"],
)
def test_choices_may_come_as_a_list_or_as_text(given: str) -> None:
    found = only(RationaleKind(), "The answer is (b).", {"question": "Where?", "choices": given})
    assert (found["answer"], found["question"]) == ("bank", "Where? (a) river (b) bank")


def test_yes_and_no_are_read_if_the_question_asks_for_them() -> None:
    row = {"question": "Is a whale a fish?"}
    assert only(RationaleKind(), "Whales breathe air. So the answer is no.", row)["answer"] == "no"
    assert only(RationaleKind(), "No. Whales breathe air.", row)["answer"] == "no"
    assert only(RationaleKind(answer="yes_no"), "The answer is false.", row)["answer"] == "no"


def test_an_expression_is_right_when_it_uses_the_given_numbers_and_comes_to_the_target() -> None:
    kind, row = RationaleKind(answer="expression"), {"question": "4 9 10 13"}
    right = only(kind, "Steps:\n13 - 9 = 4 (left: 4 4 10)\nAnswer: (13 - 9) * (10 - 4) = 24", row)
    assert (right["answer"], right["right"]) == ("(13 - 9) * (10 - 4)", True)
    assert not only(kind, "Answer: (13 - 9) * 6 = 24", row)["right"]
    other = only(kind, "(10 - 4) * (13 - 9)", row)
    assert kind.vote_for(other) == kind.vote_for(right)
    exact = only(kind, "Answer: 6 / (1 - 3 / 4) = 24", {"question": "1 3 4 6"})
    assert exact["right"]
    assert refused(kind, "8 * 10 = 80\nThere is no solution.", row) == "no_answer"


@pytest.mark.parametrize(
    ("gold", "right"),
    [("7", True), ("7.0", True), ("14/2", True), ("7 apples", True), ("8", False), ("", None)],
)
def test_answers_are_compared_with_gold_exactly(gold: str, right: bool | None) -> None:
    kind = RationaleKind(answer="number")
    assert only(kind, "The answer is 7.", {**APPLES, "gold": gold})["right"] is right


def test_a_gold_choice_may_be_a_letter_or_its_text() -> None:
    for gold in ("b", "(b)", "bank", "d"):
        assert only(RationaleKind(), "The answer is (b).", {**BANK, "gold": gold})["right"]


def test_a_structured_answer_has_its_steps_in_a_field() -> None:
    kind = RationaleKind()
    (found,) = kind.read({"rationale": "12 - 5 = 7", "answer": "7 apples"}, APPLES)  # type: ignore[misc]
    assert (found["rationale"], found["answer"]) == ("12 - 5 = 7", "7")


def test_completions_of_one_question_vote_on_the_number_whatever_its_form() -> None:
    kind = RationaleKind(answer="number")
    one, other = (
        only(kind, "The answer is 1,200.", APPLES),
        only(kind, "It is so. Answer: $1200.00", APPLES),
    )
    assert kind.vote_on(one) == kind.vote_on(other)
    assert kind.vote_for(one) == kind.vote_for(other)
    assert kind.identity(one) != kind.identity(other)


def test_a_very_long_chain_of_equations_is_read() -> None:
    assert (
        refused(RationaleKind(answer="number"), "The answer is " + "1=" * 5000, APPLES)
        == "not_a_number"
    )


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["number", "choice", "auto", "expression", "yes_no", "text"])
@pytest.mark.parametrize(
    "piece",
    ["The answer is so. ", "1=", "((", "9", "1 + 1 = 2 = ", "bank river ", "- ", "½", "A: "],
)
def test_a_looping_text_is_read_in_bounded_time(piece: str, answer: Any) -> None:
    found = RationaleKind(answer=answer).parse(piece * (20_000 // len(piece)), BANK)
    assert isinstance(found, list | Malformed)


WORD = st.text("abcdefgh", min_size=2, max_size=8).filter(lambda word: word not in ("be", "bad"))
STEPS = st.lists(WORD, min_size=1, max_size=8).map(lambda words: " ".join(words).capitalize() + ".")


@pytest.mark.slow
@given(STEPS, st.fractions(max_denominator=50))
def test_a_verbalized_rationale_with_a_number_is_read_back(steps: str, number: Any) -> None:
    from synthkd.kinds.rationale.number_answers import write_number

    kind = RationaleKind(answer="number")
    row = {"question": "How many are there?"}
    made = {"question": row["question"], "rationale": steps, "answer": write_number(number)}
    found = only(kind, kind.verbalize(made), row)
    assert {name: found[name] for name in kind.columns} == made


@pytest.mark.slow
@given(STEPS, st.lists(WORD, min_size=2, max_size=5, unique=True), st.integers(0, 1))
def test_a_verbalized_rationale_with_a_choice_is_read_back(
    steps: str, choices: list[str], place: int
) -> None:
    kind = RationaleKind()
    row = {"question": "Which one?", "choices": choices}
    made = {"question": kind.full_question(row), "rationale": steps, "answer": choices[place]}
    found = only(kind, kind.verbalize(made), row)
    assert {name: found[name] for name in kind.columns} == made


@pytest.mark.slow
@given(
    st.text(max_size=200) | st.text("0123456789+-*/^()=.,$%x <>{}\\\n:aAbQ", max_size=200),
    st.sampled_from(["number", "choice", "yes_no", "text", "expression", "auto"]),
    st.sampled_from(["first", "last"]),
)
def test_no_text_makes_the_parser_raise(text: str, answer: Any, phrase: Any) -> None:
    kind = RationaleKind(answer=answer, phrase=phrase)
    for row in (
        {"question": "1 2 3 4"},
        {"question": text, "choices": ["a b", text if text.strip() else "c"], "gold": text},
    ):
        found = kind.parse("The answer is " + text, row), kind.parse(text, row)
        for answers in found:
            if isinstance(answers, list):
                kind.identity(answers[0])
                assert kind.normalize({**answers[0], "answer": kind.vote_for(answers[0])})[
                    2
                ] == kind.vote_for(answers[0])
