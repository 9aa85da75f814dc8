"""Tests of the backend `anthropic` against the Messages API of the test server."""

from __future__ import annotations

from typing import Any

import pytest
from support.ask_teacher import CHAT, KEY, PLAIN, ask, completed, failure, request, teacher_of

from synthkd.errors import AuthenticationError, QuotaError, RecipeError
from synthkd.prices import max_dollars
from synthkd.recipe import PricePart, TeacherPart
from synthkd.secrets import Url
from synthkd.teachers.anthropic import AnthropicTeacher
from synthkd.teachers.anthropic.teacher import ANTHROPIC_API
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.endpoint import resolve_endpoint
from synthkd.teachers.remote.error_responses import status_error
from synthkd.teachers.remote.parameter_support import ParameterSupport
from synthkd.testing import FakeServer, FinishedAnswer

SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["tail", "maxLength"],
    "properties": {
        "tail": {"type": "string", "maxLength": 20}, "maxLength": {"type": "integer", "maximum": 9},
    },
}  # fmt: skip


def api() -> FakeServer:
    return FakeServer(protocol="anthropic")


def part(**more: Any) -> TeacherPart:
    return TeacherPart.model_validate({"backend": "anthropic", "model": "fake"} | more)


def test_a_chat_is_asked_as_the_reference_says() -> None:
    with api() as server:
        asked = request(CHAT, temperature=0.5, top_k=7, max_tokens=9, stop=("###",))
        (found,) = completed(ask(teacher_of(server), asked))
    assert server.bodies == [
        {
            "model": "fake", "max_tokens": 9, "temperature": 0.5, "top_k": 7,
            "stop_sequences": ["###"], "system": "Be short.",
            "messages": [{"role": "user", "content": "What is bread for?"}],
        }
    ]  # fmt: skip
    assert server.headers[0]["anthropic-version"] == "2023-06-01"
    assert (found.finish_reason, found.prompt_tokens, found.completion_tokens) == ("end_turn", 6, 2)
    assert found.seed is None, "the API has no seed"


def test_a_plain_prompt_is_a_users_turn() -> None:
    with api() as server:
        completed(ask(teacher_of(server), request(PLAIN)))
    assert server.bodies[0]["messages"] == [{"role": "user", "content": PLAIN[0]["content"]}]


def test_each_sample_is_a_request_of_its_own() -> None:
    with api() as server:
        found = completed(ask(teacher_of(server), request(indexes=(0, 1, 2))))
    assert [answer.sample_index for answer in found] == [0, 1, 2]
    assert server.requests == 3


def test_a_blank_stop_sequence_ends_the_text_here() -> None:
    with FakeServer(protocol="anthropic", answer=lambda *_: "one\ntwo") as server:
        (found,) = completed(ask(teacher_of(server), request(stop=("\n", "###"))))
    assert server.bodies[0]["stop_sequences"] == ["###"]
    assert (found.text, found.finish_reason) == ("one", "stop_sequence")


def test_a_schema_goes_without_the_keywords_that_the_api_refuses() -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    with api() as server:
        (found,) = completed(ask(teacher_of(server), request(response_format=shape)))
    sent = server.bodies[0]["output_config"]["format"]
    assert sent["type"] == "json_schema"
    # A property keeps its name, whatever that is.
    assert sent["schema"]["properties"] == {
        "tail": {"type": "string"},
        "maxLength": {"type": "integer"},
    }
    assert found.text.startswith('{"tail"')


@pytest.mark.parametrize(
    ("effort", "field", "value"),
    [("low", "output_config", {"effort": "low"}), ("none", "thinking", {"type": "disabled"})],
)
def test_an_effort_is_sent_in_the_apis_form(effort: str, field: str, value: Any) -> None:
    with api() as server:
        completed(ask(teacher_of(server), request(reasoning_effort=effort)))
    assert server.bodies[0][field] == value


def test_thoughts_stand_beside_the_text() -> None:
    answer = FinishedAnswer("an answer", reasoning="a thought")
    with FakeServer(protocol="anthropic", answer=lambda *_: answer) as server:
        (found,) = completed(ask(teacher_of(server), request()))
    assert (found.text, found.reasoning) == ("an answer", "a thought")


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"logprobs": True}, "no such parameter"),
        ({"regex": "a+"}, "no such parameter"),
        ({"presence_penalty": 0.5}, "no such parameter"),
        ({"temperature": 1.5}, "takes 0 to 1"),
        ({"response_format": {"type": "json_object"}}, "json_schema only"),
        ({"extra_body": {"system": "x"}}, "template"),
    ],
)
def test_what_the_api_does_not_have_is_refused_before_anything_is_sent(
    sampling: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        AnthropicTeacher(part(sampling=sampling))


def test_plain_completions_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"teacher\.chat"):
        AnthropicTeacher(part(chat=False))


# The prompt cache


@pytest.mark.parametrize("time", ["5m", "1h"])
def test_a_cached_system_message_is_marked_and_counted_at_its_own_prices(time: str) -> None:
    price = {"input": 10.0, "output": 0.0, "cached": 1.0}
    with api() as server:
        options = {"cache": "system", "cache_time": time}
        who = teacher_of(server, options=options, price=price, concurrency=1)
        first, second = completed(ask(who, request(indexes=(0, 1))))
    (block,) = server.bodies[0]["system"]
    assert block["text"] == "Be short."
    assert block["cache_control"] == {
        "type": "ephemeral",
        **({"ttl": "1h"} if time == "1h" else {}),
    }
    write = {"5m": 12.5, "1h": 20.0}[time]
    # Six tokens: two of the system message, four of the user's.
    assert first.price == pytest.approx((2 * write + 4 * 10) / 1e6)
    assert second.price == pytest.approx((2 * 1 + 4 * 10) / 1e6)
    assert (first.prompt_tokens, first.cached_tokens, second.cached_tokens) == (6, 0, 2)


def test_a_cached_prompt_is_marked_at_its_last_turn() -> None:
    with api() as server:
        completed(ask(teacher_of(server, options={"cache": "prompt"}), request()))
    (block,) = server.bodies[0]["messages"][0]["content"]
    assert block["cache_control"] == {"type": "ephemeral"}
    assert server.bodies[0]["system"] == "Be short."


def test_the_bound_of_a_budget_covers_the_surcharge_of_the_cache() -> None:
    price = AnthropicTeacher(
        part(price={"input": 10.0, "output": 1.0}, options={"cache": "prompt"})
    ).price
    assert price is not None
    assert max_dollars(price, 100, 0) == pytest.approx(100 * 12.5 / 1e6)


def test_the_table_has_the_price_of_a_dated_model_at_the_providers_address() -> None:
    found = AnthropicTeacher(part(model="claude-haiku-4-5-20251001")).price
    assert found == PricePart(input=1.0, output=5.0, cached=0.1)
    elsewhere = part(model="claude-haiku-4-5-20251001", base_url="http://127.0.0.1:9/v1")
    assert AnthropicTeacher(elsewhere).price is None


def test_a_format_is_the_same_whether_cached_or_not_for_the_key() -> None:
    """The options do not change who answers: completions are found again."""
    plain, cached = part(), part(options={"cache": "prompt"})
    assert AnthropicTeacher(plain).identity == AnthropicTeacher(cached).identity


# Keys and addresses


def test_the_key_of_the_environment_goes_into_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with FakeServer(protocol="anthropic", key=KEY) as server:
        completed(ask(teacher_of(server), request()))
    assert "authorization" not in server.headers[0]


def test_without_a_key_nothing_is_sent_to_the_provider() -> None:
    with pytest.raises(AuthenticationError, match="ANTHROPIC_API_KEY"):
        ask(AnthropicTeacher(part()), request())


def test_an_address_of_the_environment_gets_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/")
    assert str(AnthropicTeacher(part()).base_urls[0]) == "http://127.0.0.1:9/v1"


# Errors


def error(status: int, kind: str, message: str, **more: Any) -> Exception:
    from synthkd.fastjson import dumps

    endpoint = resolve_endpoint(Url("http://h/v1"), part(), ANTHROPIC_API)
    body = {"type": "error", "error": {"type": kind, "message": message, **more}}
    return status_error(endpoint, status, {}, dumps(body))


def test_an_overload_is_tried_again_more_slowly() -> None:
    found = error(529, "overloaded_error", "Overloaded")
    assert isinstance(found, TransientError)
    assert found.slow_down


@pytest.mark.parametrize(
    ("status", "message", "more"),
    [
        (400, "Your credit balance is too low to access the Anthropic API.", {}),
        (400, "You have reached your specified API usage limits. You will regain access.", {}),
        (429, "limit", {"details": {"error_code": "enforced_spend_limit_reached"}}),
    ],
)
def test_an_account_that_may_spend_no_more_ends_the_run(
    status: int, message: str, more: dict[str, Any]
) -> None:
    assert isinstance(error(status, "invalid_request_error", message, **more), QuotaError)


def test_a_filter_that_refuses_a_request_is_a_failure_of_its_own() -> None:
    with FakeServer(protocol="anthropic", rates={"400-filter": 1.0}) as server:
        found = failure(ask(teacher_of(server), request()))
    assert (found.reason, found.permanent) == ("content_filter", True)


@pytest.mark.parametrize("usage", [None, [], {"input_tokens": "x"}, {"input_tokens": -5},
                                   {"input_tokens": 3, "cache_read_input_tokens": []}])  # fmt: skip
def test_odd_usage_is_unknown(usage: Any) -> None:
    body = {"content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "usage": usage}
    form = AnthropicTeacher(part()).wire_format()
    made = form.choices(body, request())
    assert (made["usage"] or {}).get("prompt_tokens") in (None, -5)
    assert form.body(request(), ParameterSupport())[0] == "/messages"
