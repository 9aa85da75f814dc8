"""A judge's reply is read strictly, or not at all."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.effort import COMPILING, lines_run

from synthkd.critics.judge.verdict import UNREADABLE, read_verdict
from synthkd.critics.judge.verdict_forms import FORMS, find_form
from synthkd.errors import CriticError

YES_NO = FORMS["yes-no"]
PAIR = FORMS["pair"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Yes", "yes"),
        (" no", "no"),
        ("NO.", "no"),
        ("**Yes**", "yes"),
        ('"no"', "no"),
        ("No, the river runs north.", "no"),
        ("Yes - both are metals", "yes"),
        ("yes\n\nBecause it does.", "yes"),
        ("Yes, no doubt about it.", "yes"),
        ("It cuts bread.\nVerdict: yes", "yes"),
        ("It is soft.\n**Verdict:** No.\n", "no"),
        ("Verdict: no\nIt is soft.", "no"),
        ("The final answer is no.", "no"),
        ('{"verdict": "yes"}', "yes"),
        ("<think>No, or is it? verdict: no</think>\n\nYes.", "yes"),
    ],
)
def test_the_first_word_or_a_verdict_line_is_read(text: str, value: str) -> None:
    assert read_verdict(text, YES_NO).value == value


@pytest.mark.parametrize(
    "text",
    [
        "Norway",
        "not",
        "Not at all",
        "nothing wrong, yes",
        "nobody would say so",
        "No one knows.",
        "No-one would",
        "No doubt it is true",
        "Yesterday it was",
        "yes/no",
        "Yes?",
        "I would say yes",
        "The statement notes that Norway is false",
        "Verdict: yes or no",
        "Answer: no one",
        "verdict: yes/no",
        "I cannot answer that.",
        "",
        "  \n ",
        "**",
        "<think>Is it? Yes.",
        "<think>\nverdict: yes",
    ],
)
def test_a_word_inside_another_or_in_a_phrase_is_no_verdict(text: str) -> None:
    found = read_verdict(text, YES_NO)
    assert (found.value, found.worth, found.how, found.text) == (None, None, UNREADABLE, text)
    assert found.reason in ("no verdict", "empty", "only thoughts")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"verdict": "yes", "reason": "a knife cuts"}', "yes"),
        ('```json\n{\n  "reason": "verdict: yes is tempting",\n  "verdict": "No"\n}\n```', "no"),
        (
            'Here is my verdict:\n{"reason": "it does", "final_verdict": "YES",}\nLet me know!',
            "yes",
        ),
        ('{"evaluation": {"is_valid": false, "score": 2}}', "no"),
        ('[{"verdict": true}]', "yes"),
        ("{'reason': 'it cuts', 'verdict': 'yes'}", "yes"),
        ('{"verdict": "no", "reason": "a spoon does not c', "no"),
        ('```\n{"answer": "**Yes.**"}\n```', "yes"),
        ('{"verdict": 0}', "no"),
    ],
)
def test_a_verdict_in_json_is_read_with_reasons_fences_and_commas(text: str, value: str) -> None:
    assert read_verdict(text, YES_NO).value == value


@pytest.mark.parametrize(
    "text",
    [
        '{"verdict": "perhaps"}',
        '{"verdict": null}',
        '{"verdict": 4}',
        '{"score": 4}',
        '{"reason": "the verdict is yes"}',
        '{"verdict": "yes"} {"verdict": "no"}',
        '{"verdict": "yes", "correct": false}',
        '{"verdict": "yes"}\nNo',
        "{}",
        '{"verdict": {"verdict": {}}}',
    ],
)
def test_json_that_says_nothing_or_two_things_is_unreadable(text: str) -> None:
    assert read_verdict(text, YES_NO).value is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Verdict: valid", "yes"),
        ("INCORRECT.", "no"),
        ("True", "yes"),
        ("It is soft.\n## Verdict\n**No**", "no"),
        ("It cuts.\nVerdict: yes\nConfidence: 0.9", "yes"),
        ("Verdict: no, since a spoon is blunt.", "no"),
        ("<reason>it cuts</reason><verdict>Yes</verdict>", "yes"),
        ("So it is \\boxed{no}", "no"),
        ("It cuts bread.\n\nYes.", "yes"),
        ("It is blunt. [RESULT] no", "no"),
        ("Yes (knives cut)", "yes"),
    ],
)
def test_common_ways_to_end_with_a_verdict_are_read(text: str, value: str) -> None:
    assert read_verdict(text, YES_NO).value == value


@pytest.mark.parametrize(
    "text", ["yes\nno", "Valid point, though", "Verdict: yes (or no)", "Result: yes or no"]
)
def test_two_verdicts_or_a_phrase_that_begins_like_one_are_not_read(text: str) -> None:
    assert read_verdict(text, YES_NO).value is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("It cuts, no? Yes.\n</think>\n\nNo", "no"),
        ("No, wait. It does cut.</think>Yes", "yes"),
        ("<thinking>no</thinking>\nYes", "yes"),
        ("[THINK]no[/THINK]Yes", "yes"),
        ("<think>a</think>no<think>b</think>\nverdict: yes", "yes"),
        ('no</think>```json\n{"verdict": "yes"}\n```', "yes"),
    ],
)
def test_thoughts_are_no_part_of_a_reply_with_an_opening_tag_or_without(
    text: str, value: str
) -> None:
    found = read_verdict(text, YES_NO, json.dumps([["No", -0.1], ["Yes", -3.0]]))
    assert (found.value, found.shares) == (value, None)


@pytest.mark.parametrize(
    "text", ["yes, no", "No; yes", "No.\nVerdict: yes", "verdict: yes\nwell\nverdict: no"]
)
def test_a_reply_that_contradicts_itself_is_unreadable(text: str) -> None:
    assert read_verdict(text, YES_NO).reason == "contradictory"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A", "a"),
        ("[[B]]", "b"),
        ("Output (a)", "a"),
        ("2\n\nIt is shorter.", "b"),
        ("Tie.", "tie"),
        ("Both are fine.\nverdict: tie", "tie"),
        ("Output (a) is longer. Therefore, Output (b) is better.", "b"),
        ("Response 2 is better because it is shorter.", "b"),
        ("After some thought, I conclude that Output (a) is the better one.", "a"),
        ("Assistant (a) argues that Output (a) is better. Therefore, Output (b) is better.", "b"),
    ],
)
def test_a_pair_is_read_from_a_letter_or_a_whole_sentence(text: str, value: str) -> None:
    assert read_verdict(text, PAIR).value == value


@pytest.mark.parametrize(
    "text",
    [
        "A better answer would name the river.",
        "Output (a), while longer, has a mistake.",
        "1. Both name the river.",
        "It is unclear whether Output (a) is better.",
        "I don't think that Output (a) is better.",
        "Assistant (a) argues that Output (a) is better.",
        "Both Output (a) and Output (b) are equally good.",
        "A, B",
    ],
)
def test_an_article_a_list_or_a_hedged_sentence_is_no_verdict_on_a_pair(text: str) -> None:
    assert read_verdict(text, PAIR).value is None


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("5", 1.0),
        ("1", 0.0),
        ("Rating: 4", 0.75),
        ("3/5", 0.5),
        ("2 out of 5", 0.25),
        ("4\nGood.", 0.75),
        ("It is true. [RESULT] 4", 0.75),
        ("Score: 4/5", 0.75),
        ('{"score": 2, "reason": "odd"}', 0.25),
        ("4.0", 0.75),
        ("**5**", 1.0),
        ('{"rating": "3/5"}', 0.5),
        ("Score: 2, as it is rare", 0.25),
    ],
)
def test_a_rating_is_worth_its_place_between_one_and_five(text: str, worth: float) -> None:
    assert read_verdict(text, "rating").worth == worth


@pytest.mark.parametrize(
    "text",
    [
        "4.5",
        "45",
        "6",
        "-1",
        "Score: -1",
        "1. The statement is true",
        "0",
        "8/10",
        "Score: 4/10",
        "[RESULT] 9",
        '{"score": 4.5}',
        '{"score": 10}',
        '{"score": true}',
        "4 out of 10",
        "Score: 4,5",
        "Rating: 3 or 4",
    ],
)
def test_another_number_is_no_rating(text: str) -> None:
    assert read_verdict(text, "rating").value is None


def tokens(**likeliest: float) -> str:
    return json.dumps(
        [[token.replace("_", " "), math.log(share)] for token, share in likeliest.items()]
    )


def test_the_probability_comes_from_the_first_tokens_in_any_case_and_with_leading_space() -> None:
    found = read_verdict(
        "Yes", YES_NO, tokens(Yes=0.4, _yes=0.1, YES=0.1, No=0.15, _no=0.05, Norway=0.2)
    )
    assert found.how == "tokens"
    assert found.worth == pytest.approx(0.6 / 0.8)


def test_a_token_that_only_begins_like_a_verdict_does_not_count() -> None:
    found = read_verdict("No", YES_NO, tokens(No=0.3, Norway=0.3, Nothing=0.2, Yes=0.1))
    assert found.worth == pytest.approx(0.1 / 0.4)


def test_what_none_of_the_likeliest_tokens_says_gets_the_most_that_it_can_have() -> None:
    found = read_verdict("Yes", YES_NO, tokens(Yes=0.9, Sure=0.06))
    assert found.worth == pytest.approx(0.9 / 0.94)
    assert read_verdict("Yes", YES_NO, tokens(Yes=1.0)).worth == pytest.approx(1.0)


def test_a_sampled_word_gives_way_to_the_likelier_one() -> None:
    found = read_verdict("No", YES_NO, tokens(Yes=0.8, No=0.2))
    assert (found.value, found.worth) == ("yes", pytest.approx(0.8))


@pytest.mark.parametrize(
    "text", ["No doubt it is true", "Norway", "Well. I say yes.", "It cuts.\nverdict: yes"]
)
def test_first_tokens_say_nothing_where_the_first_word_is_no_verdict(text: str) -> None:
    assert read_verdict(text, YES_NO, tokens(No=0.9, Yes=0.1)).how != "tokens"


def test_tokens_before_the_word_leave_the_verdict_to_the_word() -> None:
    stars = json.dumps([["**", -0.01], ["No", -5.0], ["Yes", -9.0]])
    assert read_verdict("**Yes**", YES_NO, stars).how == "word"
    thoughts = json.dumps([["<think>", -0.5], ["No", -1.2]])
    assert read_verdict("<think>hm</think>Yes", YES_NO, thoughts).worth == 1


def test_first_tokens_of_another_text_do_not_count() -> None:
    assert read_verdict("Yes", YES_NO, tokens(Okay=0.6, No=0.3)).how == "word"


def test_a_synonym_in_the_text_counts_and_among_the_tokens_does_not() -> None:
    assert read_verdict("Valid", YES_NO, tokens(Valid=0.9, Invalid=0.1)).how == "word"
    assert read_verdict("Yes", YES_NO, tokens(Yes=0.5, true=0.4, No=0.1)).worth == pytest.approx(
        0.5 / 0.6
    )


def test_a_rating_from_tokens_is_their_mean() -> None:
    found = read_verdict("4", "rating", json.dumps([["4", math.log(0.5)], ["5", math.log(0.5)]]))
    assert found.worth == pytest.approx(0.875, abs=1e-6)


def test_an_unknown_form_is_refused_with_the_nearest() -> None:
    with pytest.raises(CriticError, match="did you mean 'yes-no'"):
        find_form("yesno")


# What holds for every text

WORDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12)


@pytest.mark.slow
@given(st.text(max_size=400), st.sampled_from(sorted(FORMS)))
def test_no_text_makes_the_parser_fail_and_the_text_is_kept(text: str, form: str) -> None:
    found = read_verdict(text, form)
    assert found.text == text
    assert (found.value is None) == (found.worth is None) == (found.how == UNREADABLE)
    assert found.value is None or found.value in FORMS[form].words


@pytest.mark.slow
@given(st.sampled_from(["yes", "no"]), WORDS)
def test_a_word_that_goes_on_is_never_a_verdict(word: str, rest: str) -> None:
    assert read_verdict(word + rest, YES_NO).value is None
    assert read_verdict(rest + word, YES_NO).value is None


@given(st.sampled_from(["yes", "no"]), WORDS.filter(lambda w: w.casefold() not in ("yes", "no")))
def test_a_verdict_is_never_found_in_the_middle_of_a_line(word: str, other: str) -> None:
    assert read_verdict(f"{other} {word}", YES_NO).value is None
    assert read_verdict(f"{word} {other}", YES_NO).value is None


@given(
    st.sampled_from(["yes", "no"]),
    st.sampled_from([str.upper, str.title, str.lower]),
    st.sampled_from(["", " ", "\n", "**", '"', "("]),
    st.sampled_from(["", ".", ",", "!", "\n", "**", '"', ")", ". It is so.", "\n\nIt is so."]),
)
def test_case_and_marks_around_a_verdict_change_nothing(
    word: str, case: object, left: str, right: str
) -> None:
    assert read_verdict(left + case(word) + right, YES_NO).value == word  # type: ignore[operator]


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Yes", " yes", "NO", "No", " maybe", "Norway"]), st.floats(-30, 0)
        ),
        min_size=1,
    )
)
def test_a_probability_from_tokens_is_one_and_the_shares_sum_to_one(
    pairs: list[tuple[str, float]],
) -> None:
    found = read_verdict("Yes", YES_NO, json.dumps(pairs))
    assert found.worth is not None
    assert 0 <= found.worth <= 1
    if found.shares is not None:
        assert sum(found.shares.values()) == pytest.approx(1)


@given(st.text(max_size=1500, alphabet='{}[]"verdict:yes, \n<>`'))
def test_the_work_on_replies_of_brackets_and_quotes_grows_with_their_length(text: str) -> None:
    reply = "{" + text * 10
    assert lines_run(lambda: read_verdict(reply, YES_NO)) < 30 * len(reply) + COMPILING


@pytest.mark.slow
@given(
    st.sampled_from(["yes", "no"]),
    st.dictionaries(
        st.sampled_from(["reason", "confidence", "note"]),
        st.text(max_size=40) | st.floats(0, 1),
        max_size=3,
    ),
    st.sampled_from(["{}", "```json\n{}\n```", "Sure:\n{}", "{}\n\nDone."]),
    st.booleans(),
)
def test_other_fields_and_what_stands_around_json_change_nothing(
    word: str, fields: dict[str, object], around: str, last: bool
) -> None:
    said = {**fields, "verdict": word} if last else {"verdict": word, **fields}
    assert read_verdict(around.replace("{}", json.dumps(said, indent=1)), YES_NO).value == word


@pytest.mark.slow
@given(st.text(max_size=2000, alphabet="Output (ab) is better.,:\n*"))
def test_the_work_on_replies_of_verdict_words_grows_with_their_length(text: str) -> None:
    reply = text * 20
    assert lines_run(lambda: read_verdict(reply, PAIR)) < 5 * len(reply) + COMPILING
