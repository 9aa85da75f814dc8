"""Tests of the response reader: any response ends as completions, failures or a refusal."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from support.ask_teacher import (
    ask,
    completed,
    failure,
    request,
    teacher,
)
from support.hostile_server import Hostile, good
from support.openai_responses import read

from synthkd.requests import Completion, Failure
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.embedded_errors import body_error


def one(body: Any, **sampling: Any) -> Completion:
    (answer,) = completed(read(body, **sampling))
    return answer


ODD = [
    -1,
    -(2**63),
    2**53,
    2**63 - 1,
    10**400,
    3.0,
    1e308,
    math.inf,
    -math.inf,
    math.nan,
    True,
    "7",
    [7],
    {"n": 7},
    None,
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd)[:20])
def test_a_count_that_cannot_be_is_unknown_and_so_is_the_price(odd: Any) -> None:
    body = good(usage={"prompt_tokens": odd, "completion_tokens": 2})
    assert (one(body).prompt_tokens, one(body).completion_tokens, one(body).price) == (
        None,
        2,
        None,
    )
    body = good(usage={"prompt_tokens": 5, "completion_tokens": odd})
    assert (one(body).prompt_tokens, one(body).completion_tokens, one(body).price) == (
        5,
        None,
        None,
    )
    details = {
        "prompt_tokens_details": {"cached_tokens": odd},
        "completion_tokens_details": {"reasoning_tokens": odd},
    }
    answer = one(good(usage={"prompt_tokens": 5, "completion_tokens": 2} | details))
    assert (answer.cached_tokens, answer.reasoning_tokens) == (None, None)
    assert answer.price == pytest.approx((5 * 1.0 + 2 * 2.0) / 1e6)


@pytest.mark.parametrize(
    "usage",
    [7, "much", [1, 2], True, {"prompt_tokens_details": 3, "completion_tokens_details": []}],
)
def test_a_usage_of_another_form_leaves_all_counts_unknown(usage: Any) -> None:
    answer = one(good(usage=usage))
    assert (answer.prompt_tokens, answer.completion_tokens, answer.price) == (None, None, None)


@pytest.mark.parametrize(
    ("usage", "read_", "written"),
    [
        ({"prompt_tokens": 8_000, "completion_tokens": 64}, 8_000, 64),
        ({"prompt_tokens": 100_000, "completion_tokens": 64}, None, 64),
        ({"prompt_tokens": 9, "completion_tokens": 1_000}, 9, 1_000),
        ({"prompt_tokens": 9, "completion_tokens": 50_000}, 9, None),
        (
            {"prompt_tokens": 9, "completion_tokens": 50_000,
            "completion_tokens_details": {"reasoning_tokens": 49_000}},
            9, 50_000,
        ),
    ],
)  # fmt: skip
def test_more_than_a_request_could_come_to_is_unknown(
    usage: Any, read_: int | None, written: int | None
) -> None:
    answer = one(good(usage=usage), max_tokens=64)
    assert (answer.prompt_tokens, answer.completion_tokens) == (read_, written)


def test_a_bound_in_extra_body_counts_too() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 50_000}
    assert (
        one(good(usage=usage), max_tokens=64, extra_body={"max_tokens": 60_000}).completion_tokens
        == 50_000
    )


def choice(content: Any, **more: Any) -> dict[str, Any]:
    return {"index": 0, "finish_reason": "stop", "message": {"content": content}} | more


@pytest.mark.parametrize(
    "content", [7, True, {"text": "x"}, [["x"]], [{"type": "image"}], [1], 1.5]
)
def test_a_text_that_is_none_is_one_failure_to_ask_again_later(content: Any) -> None:
    (found,) = read(
        {"choices": [choice(content)], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    )
    assert isinstance(found, Failure)
    assert (found.reason, found.permanent, found.tokens) == ("bad_response", False, 7)
    assert found.price == pytest.approx((5 * 1.0 + 2 * 2.0) / 1e6)


def test_one_odd_choice_leaves_the_others() -> None:
    body = {"choices": [choice("a"), choice(7, index=1), choice("c", index=2)]}
    assert [type(answer) for answer in read(body, 3)] == [Completion, Failure, Completion]


@pytest.mark.parametrize(
    ("content", "text"),
    [([{"type": "text", "text": "br"}, {"type": "text", "text": "ead"}], "bread"), (["br", "ead"],
    "bread"), ([], ""),
     ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "bread"}], "bread"),
     ("br\ud83dead", "br�ead")],
)  # fmt: skip
def test_a_text_in_parts_is_joined_and_half_a_character_is_replaced(
    content: Any, text: str
) -> None:
    assert one({"choices": [choice(content)]}).text == text


@pytest.mark.parametrize("choices", [[], None, 7, "x", {}, [None], [[]], [7, "x"]])
def test_a_body_without_a_choice_is_refused(choices: Any) -> None:
    with pytest.raises(TransientError) as caught:
        read({"choices": choices})
    assert (caught.value.reason, caught.value.billed) == ("bad_response", None)


@pytest.mark.parametrize("index", [-1, 5, 10**30, True, "0", 1.0, [0], {}])
def test_indexes_that_make_no_sense_leave_the_choices_in_order(index: Any) -> None:
    body = {"choices": [choice("a", index=index), choice("b", index=0)]}
    assert [answer.text for answer in completed(read(body, 2))] == ["a", "b"]


@pytest.mark.parametrize("odd", [7, [1], {"a": 1}, None, "x" * 500])
def test_a_model_or_an_end_that_is_no_name_is_unknown(odd: Any) -> None:
    answer = one(good(model=odd) | {"choices": [choice("x", finish_reason=odd)]})
    assert (answer.model, answer.finish_reason) == (None, "unknown")


@pytest.mark.parametrize(
    "odd", [math.inf, -math.inf, math.nan, 10**400, -(10**400), True, "x", [], {}, 0.5, -1e7]
)
def test_a_log_probability_that_cannot_be_makes_the_sum_unknown(odd: Any) -> None:
    content = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": odd}]
    assert one({"choices": [choice("ab", logprobs={"content": content})]}).logprob is None
    plain = {"token_logprobs": [-0.5, odd], "tokens": ["a", "b"]}
    assert one({"choices": [{"text": "ab", "logprobs": plain}]}).logprob is None


def test_null_and_whole_log_probabilities_are_read() -> None:
    plain = {"token_logprobs": [None, -1, -0.5]}
    assert one({"choices": [{"text": "ab", "logprobs": plain}]}).logprob == -1.5


@pytest.mark.parametrize(
    "logprobs",
    [7, [], "x", {"content": 7}, {"content": [7]}, {"token_logprobs": {"a": 1}}, {"content": [{}]}],
)
def test_log_probabilities_of_another_form_are_unknown(logprobs: Any) -> None:
    answer = one({"choices": [choice("x", logprobs=logprobs)]})
    assert (answer.logprob, answer.first_tokens) == (None, None)


def test_only_tokens_with_a_number_are_among_the_likeliest() -> None:
    tops = [
        {"token": t, "logprob": v}
        for t, v in [("b", -1), ("c", math.nan), (7, -1.0), ("d", "x"), ("e" * 999, -1.0)]
    ]
    place = {"token": "a", "logprob": -0.5, "top_logprobs": [*tops, 7, None]}
    found = one({"choices": [choice("a", logprobs={"content": [place]})]}).first_tokens
    assert json.loads(str(found)) == [["a", -0.5], ["b", -1]]


def test_thoughts_without_log_probabilities_are_paid_for_in_shares() -> None:
    content = [{"token": "a", "logprob": -0.5}]
    usage = {"prompt_tokens": 1, "completion_tokens": 50}
    assert (
        one(
            {"choices": [choice("a", logprobs={"content": content})], "usage": usage}
        ).completion_tokens
        == 50
    )


def test_a_large_body_is_read_in_bounded_time() -> None:
    start = time.monotonic()
    place = {
        "token": "a",
        "logprob": -0.5,
        "top_logprobs": [{"token": str(i), "logprob": -1.0} for i in range(5000)],
    }
    one({"choices": [choice("x" * 10**6, logprobs={"content": [place] * 20_000})] * 3})
    assert time.monotonic() - start < 2


def test_an_error_in_the_place_of_an_answer_is_told_in_its_words() -> None:
    body = {"error": {"message": "upstream broke", "code": "x"}}
    with Hostile(lambda peer: peer.reply(body)) as server:
        found = failure(ask(teacher(server.url, attempts=1), request()))
    assert (found.reason, found.tokens) == ("bad_response", None)
    assert "upstream broke" in found.detail


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (
            {"code": 20012, "message": "Model does not exist", "data": None},
            20012,
            "Model does not exist",
        ),
        ({"object": "error", "message": "too long", "code": 400}, 400, "too long"),
        ({"detail": "Not found"}, None, "Not found"),
        ({"errors": [{"msg": "no such key"}]}, None, '[{"msg":"no such key"}]'),
        ({"status": "error", "error_msg": "busy", "choices": None}, "error", "busy"),
    ],
)
def test_a_body_that_is_an_error_without_the_key_error_keeps_code_and_words(
    body: Any, code: Any, words: str
) -> None:
    assert body_error(body) == {"code": code, "message": words}


@pytest.mark.parametrize(
    "body",
    [
        {"choices": []},
        {"choices": [{"message": "bark"}], "message": "ok"},
        {"status": "ok"},
        [],
        None,
    ],
)
def test_a_body_without_words_of_an_error_bears_none(body: Any) -> None:
    assert body_error(body) is None
