"""Tests of one request over HTTP: the bytes sent, and the meaning of answers and errors."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from support.ask_teacher import (
    KEY,
    ask,
    completed,
    failure,
    numbered,
    request,
    shown,
    teacher,
)
from support.http_server import GOOD, Answering, Reply, Seen, answering

from synthkd.errors import QuotaError, RecipeError
from synthkd.recipe import TeacherPart
from synthkd.requests import Completion, Failure
from synthkd.secrets import Url
from synthkd.teachers.remote.endpoint import resolve_endpoint
from synthkd.testing import FakeServer


def sent(url_tail: str = "", **part: Any) -> Seen:
    """Return one request as the server sees it."""
    with answering() as server:
        completed(ask(teacher(server.url + url_tail, **part), request()))
    (seen,) = server.seen
    return seen


# Headers and addresses


def test_the_key_is_sent_as_a_bearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    seen = sent()
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert "api-key" not in seen.headers


def test_headers_of_the_recipe_are_sent_with_names_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", "gateway-4711")
    seen = sent(headers={"X-Team": "kd", "X-Gateway": "token $GATEWAY_TOKEN"})
    assert (seen.headers["x-team"], seen.headers["x-gateway"]) == ("kd", "token gateway-4711")


def test_a_header_of_the_recipe_takes_the_place_of_the_usual_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TOKEN", "of-the-gateway")
    seen = sent(headers={"authorization": "Token $TOKEN"})
    assert seen.headers["authorization"] == "Token of-the-gateway"


def test_a_header_whose_variable_is_not_set_is_named_before_anything_is_sent() -> None:
    with answering() as server, pytest.raises(RecipeError, match=r"teacher\.headers\.X-Gateway"):
        ask(teacher(server.url, headers={"X-Gateway": "$NOT_SET_HERE"}), request())
    assert server.seen == []


def test_an_api_version_is_sent_with_the_key_in_a_header_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    seen = sent("/openai/deployments/gpt", api_version="2024-10-21")
    assert seen.path == "/v1/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    assert seen.headers["api-key"] == KEY
    assert "authorization" not in seen.headers


@pytest.mark.parametrize("host", ["me.openai.azure.com", "me.cognitiveservices.azure.com"])
def test_an_address_at_azure_gets_its_header_without_being_told(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    part = TeacherPart.model_validate({"backend": "openai", "model": "gpt"})
    address = resolve_endpoint(Url(f"https://{host}/openai/v1"), part)
    assert address.headers["api-key"] == KEY
    assert "Authorization" not in address.headers


def test_the_query_of_the_address_goes_with_each_request() -> None:
    assert sent("?tenant=a%20b").path == "/v1/chat/completions?tenant=a+b"


def test_user_and_password_of_the_address_are_sent_as_such() -> None:
    with answering() as server:
        url = server.url.replace("http://", "http://me:pass%20word@")
        completed(ask(teacher(url), request()))
    wanted = base64.b64encode(b"me:pass word").decode()
    assert server.seen[0].headers["authorization"] == f"Basic {wanted}"


# The body


def body(**sampling: Any) -> dict[str, Any]:
    with FakeServer() as server:
        completed(ask(teacher(server.url), request(**sampling)))
    return server.bodies[0]


def test_fields_of_extra_body_are_sent_as_they_stand() -> None:
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "min_p": 0.05}
    found = body(extra_body=extra)
    assert {name: found[name] for name in extra} == extra


def test_a_field_of_extra_body_takes_the_place_of_the_usual_one() -> None:
    assert body(max_tokens=7, extra_body={"max_tokens": 9})["max_tokens"] == 9


def test_the_response_format_is_sent_as_it_stands() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    assert body(response_format=wanted)["response_format"] == wanted


def test_a_reasoning_model_is_told_its_effort_and_the_bound_by_its_new_name() -> None:
    found = body(reasoning_effort="low", max_tokens=99)
    assert (found["reasoning_effort"], found["max_completion_tokens"]) == ("low", 99)
    assert "max_tokens" not in found


def test_text_that_is_not_ascii_arrives_as_it_was() -> None:
    text = 'naïve "中文" 🜁 \n \\'
    with FakeServer() as server:
        completed(ask(teacher(server.url), request(({"role": "user", "content": text},))))
    assert server.bodies[0]["messages"][0]["content"] == text


# What comes back


def answers_to(reply: dict[str, Any], count: int = 1, **part: Any) -> list[Completion]:
    with answering(body=reply) as server:
        return completed(ask(teacher(server.url, **part), request(indexes=tuple(range(count)))))


def test_reasoning_and_cached_tokens_are_read() -> None:
    usage = {
        "prompt_tokens": 100, "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }  # fmt: skip
    (answer,) = answers_to({**GOOD, "usage": usage})
    assert (answer.prompt_tokens, answer.cached_tokens) == (100, 64)
    assert (answer.completion_tokens, answer.reasoning_tokens) == (50, 40)


def test_cached_tokens_cost_what_the_recipe_says() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 64},
    }
    price = {"input": 2.0, "cached": 0.5, "output": 10.0}
    (answer,) = answers_to({**GOOD, "usage": usage}, price=price)
    assert answer.price == pytest.approx((36 * 2.0 + 64 * 0.5 + 50 * 10.0) / 1e6)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens_details": None}])
def test_a_server_that_counts_nothing_leaves_the_counts_unknown(usage: Any) -> None:
    (answer,) = answers_to({**GOOD, "usage": usage}, price={"input": 1.0, "output": 1.0})
    assert (answer.prompt_tokens, answer.completion_tokens, answer.price) == (None, None, None)
    assert (answer.reasoning_tokens, answer.cached_tokens) == (None, None)


def choice(text: str | None, index: int | None, **more: Any) -> dict[str, Any]:
    numbered_ = {} if index is None else {"index": index}
    return {
        **numbered_,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text},
        **more,
    }


def test_choices_are_joined_by_their_index_whatever_their_order() -> None:
    reply = {"choices": [choice("two", 2), choice("nought", 0), choice("one", 1)]}
    assert [(a.sample_index, a.text) for a in answers_to(reply, 3)] == [
        (0, "nought"),
        (1, "one"),
        (2, "two"),
    ]


def test_a_server_that_answers_out_of_order_sells_the_same_texts() -> None:
    with FakeServer() as straight, FakeServer(rates={"out-of-order": 1.0}) as mixed:
        both = [
            completed(ask(teacher(server.url), request(indexes=(0, 1, 2))))
            for server in (straight, mixed)
        ]
    assert [answer.text for answer in both[0]] == [answer.text for answer in both[1]]


def test_choices_without_an_index_are_taken_in_order() -> None:
    reply = {"choices": [choice("nought", None), choice("one", None)]}
    assert [answer.text for answer in answers_to(reply, 2)] == ["nought", "one"]


def test_choices_that_count_from_one_are_taken_in_order() -> None:
    reply = {"choices": [choice("nought", 1), choice("one", 2)]}
    assert [answer.text for answer in answers_to(reply, 2)] == ["nought", "one"]


@pytest.mark.parametrize("extra", [{"index": 0}, {"index": 1}])
def test_more_choices_than_asked_for_are_left_out(extra: dict[str, int]) -> None:
    reply = {"choices": [choice("wanted", 0), choice("too many", **extra)]}
    assert [answer.text for answer in answers_to(reply)] == ["wanted"]


def test_a_text_that_is_null_is_an_empty_completion() -> None:
    assert answers_to({"choices": [choice(None, 0)]})[0].text == ""


def test_a_refusal_is_a_failure_that_says_so() -> None:
    reply = {"choices": [{"index": 0, "message": {"content": None, "refusal": "I cannot."}}]}
    with answering(body=reply) as server:
        found = failure(ask(teacher(server.url), request()))
    assert (found.reason, found.detail, found.permanent) == ("refusal", "I cannot.", True)


def test_a_compressed_answer_is_read() -> None:
    packed = gzip.compress(json.dumps(GOOD).encode())
    with answering(body=packed, content_encoding="gzip") as server:
        (answer,) = completed(ask(teacher(server.url), request()))
    assert "gzip" in server.seen[0].headers["accept-encoding"]
    assert answer.text == "bread"


def test_an_answer_that_is_not_compressed_as_it_says_is_tried_again() -> None:
    replies = iter([(200, b"no gzip", {"content-encoding": "gzip"}), (200, GOOD, {})])
    with Answering(reply=lambda seen: next(replies)) as server:
        completed(ask(teacher(server.url), request()))
    assert len(server.seen) == 2


# What servers refuse


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    # It would drop the body, or take the key to another host.
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with (
        answering() as elsewhere,
        answering(status, b"moved", location=f"{elsewhere.url}/x") as server,
    ):
        found = failure(ask(teacher(server.url), request()))
    assert (found.reason, found.permanent) == (f"http_{status}", True)
    assert (len(server.seen), len(elsewhere.seen)) == (1, 0)


def test_a_prompt_that_the_filter_refused_fails_for_good() -> None:
    with FakeServer(rates={"400-filter": 1.0}) as server:
        found = failure(ask(teacher(server.url), request()))
    assert (found.reason, found.permanent, server.requests) == ("content_filter", True, 1)


def test_an_account_without_credit_ends_the_run_at_once() -> None:
    with (
        FakeServer(rates={"429-quota": 1.0}) as server,
        pytest.raises(QuotaError, match="no credit") as caught,
    ):
        ask(teacher(server.url, concurrency=2), *numbered(100))
    assert server.url in str(caught.value)
    assert server.requests <= 2 * 2


def test_a_model_that_the_server_does_not_have_is_told_in_its_words() -> None:
    error = {"error": {"message": "The model `fake` does not exist", "code": "model_not_found"}}
    with answering(404, error) as server:
        found = failure(ask(teacher(server.url), request()))
    assert (found.reason, found.permanent) == ("http_404", True)
    assert found.detail == "The model `fake` does not exist"


@pytest.mark.parametrize(
    "said",
    [{"error": "no room"}, {"error": {"message": "no room"}}, {"message": "no room"},
    {"detail": "no room"},
     ["no room"], b"no room", b"<html>no room", {"error": {"message": None, "code": 7,
     "x": "no room"}}],
)  # fmt: skip
def test_what_a_server_says_is_kept_in_whatever_form(said: Any) -> None:
    with answering(422, said) as server:
        found = failure(ask(teacher(server.url), request()))
    assert found.reason == "http_422"
    assert "no room" in found.detail


def test_a_long_error_is_cut() -> None:
    with answering(400, b"x" * 100_000) as server:
        found = failure(ask(teacher(server.url), request()))
    assert len(found.detail) <= 500


# Secrets


def echo(status: int) -> Answering:
    """Repeat all that was sent, as gateways in debug mode do."""

    def reply(seen: Seen) -> Reply:
        return status, {"error": {"message": json.dumps([seen.path, seen.headers])}}, {}

    return Answering(reply=reply)


@pytest.mark.parametrize("status", [400, 403, 500])
def test_no_secret_is_in_an_error_though_the_server_repeats_it(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("GATEWAY_TOKEN", "gateway-4711")
    with echo(status) as server:
        who = teacher(
            f"{server.url}?sig=query-4712%2Fx",
            attempts=1,
            headers={"X-Gateway": "token $GATEWAY_TOKEN"},
        )
        found = failure(ask(who, request()))
    seen = server.seen[0]
    assert (seen.headers["authorization"], seen.headers["x-gateway"]) == (
        f"Bearer {KEY}",
        "token gateway-4711",
    )
    assert "query-4712" in seen.path
    for secret in (KEY, "gateway-4711", "query-4712"):
        assert secret not in found.detail + repr(who) + who.identity


@pytest.mark.parametrize("status", [400, 500])
def test_no_password_of_the_address_is_in_an_error_though_the_server_repeats_it(
    status: int,
) -> None:
    with echo(status) as server:
        who = teacher(server.url.replace("http://", "http://me:pass%20word@"), attempts=1)
        found = failure(ask(who, request()))
    coded = base64.b64encode(b"me:pass word").decode()
    assert server.seen[0].headers["authorization"] == f"Basic {coded}"
    for secret in (coded, "pass word", "pass%20word"):
        assert secret not in found.detail


def test_an_address_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    part = TeacherPart.model_validate({"backend": "openai", "model": "gpt"})
    address = resolve_endpoint(
        Url("https://me:password@host/v1?key=query-4712", trusted=True), part
    )
    assert address.public == "https://host/v1"
    for secret in (KEY, "password", "query-4712"):
        assert secret not in repr(address)


def test_a_secret_is_masked_in_each_of_its_forms() -> None:
    part = TeacherPart.model_validate({"backend": "openai", "model": "gpt"})
    address = resolve_endpoint(Url("https://me:pass%20word@host/v1", trusted=True), part)
    assert address.mask("a pass word, a pass%20word, a pass+word") == "a ***, a ***, a ***"


def test_a_run_without_credit_does_not_show_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with (
        FakeServer(rates={"429-quota": 1.0}, echo_key=True) as server,
        pytest.raises(QuotaError) as caught,
    ):
        ask(teacher(server.url), request())
    assert KEY not in shown(caught.value)


def test_some_choices_refused_leave_the_others() -> None:
    withheld = choice("", 1, finish_reason="content_filter")
    with answering(body={"choices": [choice("bread", 0), withheld]}) as server:
        answers = ask(teacher(server.url), request(indexes=(0, 1)))
    assert [type(answer) for answer in answers] == [Completion, Failure]
