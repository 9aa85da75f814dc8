"""Yes and no in answers: denied and retracted words are malformed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.kind import RationaleKind

WORDS = {"yes": "yes", "no": "no", "true": "yes", "false": "no"}


def read(text: str, **row: Any) -> str | None:
    """Return the answer; None if it is malformed."""
    found = RationaleKind(answer="yes_no").parse(text, {"question": "Is a bat a bird?", **row})
    return None if isinstance(found, Malformed) else str(found[0]["answer"])


@settings(max_examples=60)
@given(
    st.sampled_from(["The answer is ", "Answer: ", "**Answer**: ", "So the answer is: ", ""]),
    st.sampled_from([*WORDS]),
    st.sampled_from([str.lower, str.upper, str.title]),
    st.sampled_from(["{}", "**{}**", '"{}"', "({})", "`{}`"]),
    st.sampled_from(["", ".", "!", ", it is a mammal.", " because bats nurse their young."]),
)
def test_an_answer_is_read_in_any_case_and_decoration(
    phrase: str, word: str, case: Any, decoration: str, end: str
) -> None:
    assert read(phrase + decoration.format(case(word)) + end) == WORDS[word]


@settings(max_examples=60)
@given(
    st.permutations(["yes", "no"]) | st.permutations(["true", "false"]),
    st.sampled_from(
        [
            "{} or {}",
            "{} and {}",
            "{}/{}",
            "{}. Wait, {}.",
            "{}, but {}",
            "Neither {} nor {}",
            "Not {}",
            "I would not say {}",
            "It would be wrong to say {}",
        ]
    ),
    st.sampled_from(["{}", "The answer is {}", "I thought about bats for a long time, and so. {}"]),
)
def test_a_denied_or_retracted_answer_is_malformed(words: list[str], form: str, frame: str) -> None:
    text = frame.format(form.format(*words))
    # `not true` is no; behind a sentence of its own, the last word may count.
    other = WORDS[words[1]] if words[0] == "true" or "Wait" in form else None
    assert read(text) in (None, other), text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("No doubt, yes", "yes"), ("No problem: true.", "yes"), ("no, because yes would be wrong",
        "no"), ("That is not true.", "no"),
        ("It isn't true", "no"), ("Y", "yes"), ("Nope.", "no"), ("Correct!", "yes"), ("sí", "yes"),
        ("不是", "no"), ("нет", "no"),
        ("No doubt", None), ("No idea", None), ("There is no answer", None), ("no one knows", None),
        ("There is no bird", None),
        ("nothing", None), ("Maybe", None),
    ],
)  # fmt: skip
def test_a_no_before_a_noun_is_not_an_answer_and_a_word_alone_is(
    text: str, answer: str | None
) -> None:
    assert read(text) == answer


@pytest.mark.parametrize(
    ("gold", "right"), [("1", True), ("0", False), ("Y", True), ("FALSE", False), ("maybe", None)]
)
def test_gold_answers_of_tables_are_read(gold: str, right: bool | None) -> None:
    found = RationaleKind(answer="yes_no").parse(
        "The answer is yes.", {"question": "Is it?", "gold": gold}
    )
    assert isinstance(found, list)
    assert found[0]["right"] is right
