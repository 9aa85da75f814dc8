"""The first line of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.kinds.base import Malformed, without_thoughts
from synthkd.kinds.first_line import AnswerPart, first_line_of


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (" bread\n- a fork is used for eating", "bread"),
        ("\n\n - bread\n", "bread"),
        ("- \n- bread", "bread"),
        ("-5 degrees", "-5 degrees"),
        ("* – bread", "bread"),
        ('Where is my card?"\n- "Why', "Where is my card?"),
        ('"Where is my card?"', '"Where is my card?"'),
        ('She said "no"', 'She said "no"'),
        ("Where is my card?”", "Where is my card?"),
        ('a screen of 27"', 'a screen of 27"'),
        ('bread"\r\nsoup', "bread"),
        ("", ""),
        (" \n-\n", ""),
    ],
)
def test_a_line_is_read_without_the_dash_and_the_quote_that_the_prompt_opened(
    answer: str, line: str
) -> None:
    assert first_line_of(answer).text == line


def test_the_line_is_that_of_the_answer_behind_a_models_thoughts() -> None:
    assert first_line_of("<think>one\ntwo</think>\nbread\nsoup").text == "bread"


def test_a_reply_of_thoughts_alone_is_left_to_the_kind() -> None:
    assert first_line_of("<think>one\ntwo").text == "<think>one\ntwo"


def test_a_line_before_another_is_whole_though_a_limit_cut_the_completion() -> None:
    assert first_line_of("bread\nso").finish("length") == "stop"
    assert first_line_of("brea").finish("length") == "length"
    assert first_line_of("bread\nso").finish("content_filter") == "content_filter"


def test_a_line_is_alone_if_only_blanks_follow_it() -> None:
    assert first_line_of("bread\n \n") == AnswerPart("bread", whole=True, alone=True)
    assert first_line_of("bread\nsoup") == AnswerPart("bread", whole=True, alone=False)


PIECES = ("bread", "-", " ", "\n", '"', "”", "“", "5", "*", "\u2028", "<think>", "</think>", "</s>")


@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.text(max_size=30)))
def test_a_part_is_one_line_of_the_answer_without_blanks_around_it(text: str) -> None:
    answer, part = without_thoughts(text), first_line_of(text)
    if isinstance(answer, Malformed):
        assert part == AnswerPart(text)
    else:
        assert part.text == part.text.strip()
        assert part.text in answer
        assert len(part.text.splitlines()) <= 1
        assert bool(part.text) or not any(map(str.isalnum, answer))
