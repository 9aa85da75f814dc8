"""Property tests of response bodies: sound answers from arbitrary and broken JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count as count_from
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ask_teacher import (
    BACKENDS,
    ask,
    completed,
    numbered,
    request,
    teacher,
)
from support.hostile_server import Hostile, Peer, good
from support.openai_responses import read

from synthkd import fastjson
from synthkd.errors import TeacherError
from synthkd.journal import Journal
from synthkd.recipe import PricePart, TeacherPart
from synthkd.requests import Answer, Completion, Failure
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote import responses
from synthkd.teachers.remote.responses import parse_answers

PRICE = PricePart(input=1.0, output=2.0, cached=0.5)

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


_NEARLY_USUAL = st.fixed_dictionaries(
    {
        "choices": st.lists(
            st.fixed_dictionaries(
                {
                    "finish_reason": st.sampled_from(["stop", "stop", "length", None]),
                    "message": st.fixed_dictionaries(
                        {"content": st.one_of(_TEXTS, _TEXTS, _JUNK)},
                        optional={"reasoning": _JUNK, "refusal": _JUNK, "role": _JUNK},
                    ),
                },
                optional={
                    "index": _JUNK,
                    "logprobs": st.one_of(st.none(), _LOGPROBS),
                    "error": _JUNK,
                    "thinking": _JUNK,
                    "content": _JUNK,
                },
            ),
            min_size=1,
            max_size=2,
        )
    },
    optional={"usage": _USAGE, "model": _mostly(_TEXTS)},
)


@settings(max_examples=300, deadline=None)
@given(body=_NEARLY_USUAL)
def test_a_usual_body_gives_the_answer_that_the_closer_look_gives(body: Any) -> None:
    def parsed() -> Any:
        try:
            return parse_answers(request(indexes=(0,)), body, 0.5, PRICE)
        except TeacherError as error:
            return type(error), str(error)

    quick = parsed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(responses, "_usual_choice", lambda body: None)
        assert parsed() == quick


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


# Other providers' forms

_ANTHROPIC = _dict(
    model=_mostly(_TEXTS),
    stop_reason=_mostly(st.sampled_from(["end_turn", "max_tokens", "refusal"])),
    content=_mostly(
        st.lists(_dict(type=_mostly(st.sampled_from(["text", "thinking"])), text=_mostly(_TEXTS)))
    ),
    usage=_dict(
        input_tokens=_mostly(st.integers(0, 10_000)),
        output_tokens=_mostly(st.integers(0, 3_000)),
        cache_read_input_tokens=_mostly(st.integers(0, 100)),
        cache_creation_input_tokens=_mostly(st.integers(0, 100)),
        output_tokens_details=_dict(thinking_tokens=_mostly(st.integers(0, 100))),
    ),
)
_PARTS = _mostly(st.lists(_dict(text=_mostly(_TEXTS), thought=st.booleans()), max_size=3))
_SCORES = _dict(token=_mostly(_TEXTS), logProbability=_LOGPROB)
_CANDIDATE = _dict(
    index=_mostly(st.integers(-1, 4)),
    finishReason=_mostly(st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY"])),
    content=_dict(parts=_PARTS),
    logprobsResult=_dict(
        chosenCandidates=_mostly(st.lists(_SCORES, max_size=3)),
        topCandidates=_mostly(
            st.lists(_dict(candidates=_mostly(st.lists(_SCORES, max_size=3))), max_size=3)
        ),
    ),
)
_GEMINI = _dict(
    modelVersion=_mostly(_TEXTS),
    candidates=_mostly(st.lists(_CANDIDATE, max_size=4)),
    promptFeedback=_dict(blockReason=_mostly(_TEXTS)),
    usageMetadata=_dict(
        promptTokenCount=_mostly(st.integers(0, 10_000)),
        candidatesTokenCount=_mostly(st.integers(0, 3_000)),
        thoughtsTokenCount=_mostly(st.integers(0, 100)),
        cachedContentTokenCount=_mostly(st.integers(0, 100)),
    ),
)


@pytest.mark.parametrize(("backend", "bodies"), [("anthropic", _ANTHROPIC), ("gemini", _GEMINI)])
@settings(deadline=None)
@given(data=st.data())
def test_whatever_another_provider_says_is_translated_and_its_answers_are_sound(
    backend: str, bodies: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    part = TeacherPart(backend=backend, model="fake", base_url="http://h/v1")
    asked = request(indexes=(0, 1), stop=("\n",))
    body = BACKENDS[backend](part).wire_format().choices(data.draw(bodies), asked)
    try:
        answers = parse_answers(asked, body, 0.1, PRICE)
    except TransientError as error:
        answers = error.answers
    except TeacherError:
        return
    assert {answer.sample_index for answer in answers} <= {0, 1}
    for answer in answers:
        if isinstance(answer, Completion):
            assert isinstance(answer.text, str)
            assert answer.price is None or (answer.price >= 0 and math.isfinite(answer.price))
