"""Tests of the response reader: any response ends as completions, failures or a refusal."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count as count_from
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ask_teacher import (
    ask,
    completed,
    failure,
    forget_environment,
    numbered,
    request,
    teacher,
)
from support.hostile_server import Hostile, Peer, good

from synthkd import fastjson
from synthkd.journal import Journal
from synthkd.recipe import PricePart
from synthkd.requests import Answer, Completion, Failure
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.openai.embedded_errors import body_error
from synthkd.teachers.openai.responses import parse_answers

PRICE = PricePart(input=1.0, output=2.0)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


def read(body: Any, count: int = 1, **sampling: Any) -> list[Answer]:
    return parse_answers(request(indexes=tuple(range(count)), **sampling), body, 0.1, PRICE)


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


# Whatever comes

_NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.booleans(),
    st.sampled_from([0, 1, 2, 2**53, 2**63, -1]),
)
_TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
_LEAVES = st.one_of(st.none(), _NUMBERS, _TEXTS)
_JUNK = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


def _mostly(good_: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(good_, good_, _JUNK)


def _dict(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return _mostly(st.fixed_dictionaries({}, optional=fields))


_LOGPROB = _mostly(st.floats(-50, 0))
_TOP = _dict(token=_mostly(_TEXTS), logprob=_LOGPROB)
_TOPS = _mostly(st.lists(_TOP, max_size=3)) | st.dictionaries(_TEXTS, _LOGPROB, max_size=3)
_PLACE = _dict(token=_mostly(_TEXTS), logprob=_LOGPROB, top_logprobs=_TOPS)
_LOGPROBS = _dict(
    content=_mostly(st.lists(_PLACE, max_size=3)),
    tokens=_mostly(st.lists(_TEXTS, max_size=3)),
    token_logprobs=_mostly(st.lists(_LOGPROB, max_size=3)),
    top_logprobs=_mostly(st.lists(_TOPS, max_size=3)),
)
_CHOICE = _dict(
    index=_mostly(st.integers(-1, 4)),
    finish_reason=_mostly(st.sampled_from(["stop", "length", "content_filter"])),
    message=_dict(content=_mostly(_TEXTS), refusal=_mostly(_TEXTS)),
    text=_mostly(_TEXTS),
    logprobs=_LOGPROBS,
)
_USAGE = _dict(
    prompt_tokens=_mostly(st.integers(0, 10_000)),
    completion_tokens=_mostly(st.integers(0, 3_000)),
    prompt_tokens_details=_dict(cached_tokens=_mostly(st.integers(0, 100))),
    completion_tokens_details=_dict(reasoning_tokens=_mostly(st.integers(0, 100))),
)
BODIES = _dict(
    model=_mostly(_TEXTS),
    usage=_USAGE,
    choices=_mostly(st.lists(_CHOICE, min_size=1, max_size=4)),
    error=_JUNK,
)


_NUMBER = count_from(0)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """Return one journal for all examples: each asks something else."""
    with Journal(tmp_path_factory.mktemp("reader") / "journal.sqlite") as found:
        yield found


@pytest.mark.slow
@settings(max_examples=200, deadline=2000)
@given(body=BODIES, count=st.integers(1, 3), data=st.data())
def test_whatever_a_body_says_its_answers_are_sound_and_can_be_committed(
    journal: Journal, body: Any, count: int, data: Any
) -> None:
    text = json.dumps(body, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass")
    answers, by_standard = (
        outcome(load, text, count) for load in (fastjson.loads, fastjson._lenient)
    )
    assert answers == by_standard
    if isinstance(answers, str):
        return
    indexes = [answer.sample_index for answer in answers]
    assert indexes
    assert indexes == sorted(set(indexes))
    assert set(indexes) <= set(range(count))
    for answer in answers:
        sound(answer)
    asked = request(({"role": "user", "content": str(next(_NUMBER))},), tuple(range(count)))
    journal.reserve([asked], "run", [(0.01, 100)])
    journal.store_answers(
        [replace(answer, request_id=asked.request_id) for answer in answers], "run"
    )
    held = journal.cached_indexes([asked.request_id]).get(asked.request_id, set())
    assert held == {answer.sample_index for answer in answers if isinstance(answer, Completion)}
    spent = journal.spending("run")
    assert all(
        value >= 0 and math.isfinite(value)
        for value in (spent.dollars, spent.tokens, spent.unknown_dollars)
    )


@pytest.mark.parametrize("load", [fastjson.loads, fastjson._lenient])
@pytest.mark.parametrize(
    "text",
    [b'{"a": "x"}', b'\xef\xbb\xbf{"a": "x"}', b'{"a": "x", "b": NaN}', b'{"a": "x", "b":'
        b' [-Infinity, Infinity]}',
     b'{"b": "\\ud83d", "a": "x"}', b'{"a": "x", "b": "two\nlines"}', b'{"a": "x", "b":'
     b' 123456789012345678901234567890}'],
)  # fmt: skip
def test_json_that_is_nearly_json_is_read_alike_with_and_without_orjson(
    load: Any, text: bytes
) -> None:
    assert load(text)["a"] == "x"


def outcome(load: Any, text: bytes, count: int) -> list[Answer] | str:
    try:
        return read(load(text), count)
    except (TransientError, ValueError) as error:
        return type(error).__name__


def sound(answer: Answer) -> None:
    if isinstance(answer, Failure):
        assert answer.tokens is None or 0 <= answer.tokens < 2**53
        assert type(answer.detail) is str
        assert len(answer.detail) <= 500
        return
    for value in (
        answer.prompt_tokens,
        answer.completion_tokens,
        answer.cached_tokens,
        answer.reasoning_tokens,
    ):
        assert value is None or (type(value) is int and 0 <= value < 2**53)
    for number in (answer.logprob, answer.price):
        assert number is None or (type(number) is float and math.isfinite(number))
    assert answer.price is None or answer.price >= 0
    for name in (answer.text, answer.finish_reason, answer.model or ""):
        name.encode()
    if answer.first_tokens is not None:
        json.loads(answer.first_tokens)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 2_000 + b"]" * 2_000,
        b"\xff\xfe",
        b"\x80",
        b"",
        b"nul",
        b'{"a": 1}}',
    ],
    ids=lambda data: str(data[:6]),
)
def test_a_text_that_is_no_json_is_refused_in_passing(data: bytes) -> None:
    for load in (fastjson.loads, fastjson._lenient):
        with pytest.raises(ValueError, match=r"."):
            load(data)


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(good("br\ud83dead")).encode(), b"\xef\xbb\xbf" + json.dumps(good()).encode(),
        json.dumps(good(usage={"prompt_tokens": math.nan, "completion_tokens": math.inf})).encode(),
        b'{"choices": [{"text": "x", "logprobs": {"token_logprobs": [-Infinity]}}]}',
    ],
)  # fmt: skip
def test_what_only_the_standard_library_reads_is_one_answer_for_one_request(data: bytes) -> None:
    with Hostile(lambda peer: peer.reply(data)) as server:
        completed(ask(teacher(server.url), request()))
    assert len(server.seen) == 1


def test_an_odd_answer_among_others_costs_no_other_one(tmp_path: Path) -> None:
    odd = [
        {"usage": {"prompt_tokens": 2**63 - 1}}, {"model": {"a": [1]}},
        {"usage": {"completion_tokens": 1e308}},
        {"choices": [{"message": {"content": {"a": 1}}}]}, {"choices": [{"message": 7}]},
        {"model": "\ud83d"},
    ]  # fmt: skip

    def answer(peer: Peer) -> None:
        number = int(peer.asked["messages"][0]["content"])
        peer.reply(good() | (odd[number] if number < len(odd) else {}))

    with Hostile(answer) as server, Journal(tmp_path / "journal.sqlite") as journal:
        asked = numbered(12)
        journal.reserve(asked, "run", [(0.01, 100)] * 12)
        journal.store_answers(ask(teacher(server.url), *asked), "run")
        assert (journal.counts().completions, len(server.seen)) == (10, 12)


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
