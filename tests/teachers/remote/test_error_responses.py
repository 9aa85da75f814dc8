"""Tests of responses that are no answer: no credit, wrong keys, redirects, and bills."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ask_teacher import (
    KEY,
    ask,
    closed_port,
    completed,
    failure,
    numbered,
    request,
    shown,
    teacher,
)
from support.hostile_server import Hostile, Peer, good

from synthkd.errors import (
    AuthenticationError,
    QuotaError,
    RequestError,
    SynthKDError,
    TeacherError,
    UnreachableError,
)
from synthkd.recipe import TeacherPart
from synthkd.secrets import Url
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.openai.client import served_models
from synthkd.teachers.remote.endpoint import resolve_endpoint
from synthkd.teachers.remote.error_responses import status_error
from synthkd.teachers.remote.transport import Transport

PART_FIELDS = {"backend": "openai", "model": "fake", "base_url": "http://h/v1", "api_key_env": "K"}
PART = TeacherPart.model_validate(PART_FIELDS)


def means(status: int, body: Any, **headers: str) -> TeacherError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status_error(resolve_endpoint(Url("http://h/v1"), PART), status, headers, data)


NO_CREDIT = [
    (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error",
    "code": "invalid_request_error"}}),
    (402, {"error": {"message": "Insufficient credits. Add more", "code": 402}}),
    (402, b"Payment Required"),
    (429, {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota",
    "code": None}}),
    (429, {"error": {"message": "quota", "code": "insufficient_quota"}}),
    (400, {"error": {"message": "Billing hard limit has been reached",
    "code": "billing_hard_limit_reached"}}),
    (400, {"error": {"message": "Billing hard limit has been reached"}}),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit"
        " balance is too low to access"}}),
    (403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
    (403, {"error": "Your team has either used all available credits or reached its monthly"
        " spending limit."}),
    (429, {"error": {"message": "suspended", "type": "exceeded_current_quota_error"}}),
    (429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}),
    (400, {"error": {"code": "Arrearage", "message": "Access denied"}}),
    (412, {"error": {"message": "Account is suspended, possibly due to reaching the monthly"
        " spending limit or not enough funds"}}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), NO_CREDIT)
def test_an_account_without_credit_is_known_by_each_providers_words(status: int, body: Any) -> None:
    found = means(status, body)
    assert isinstance(found, QuotaError)
    assert found.billed is False
    words = body.decode() if isinstance(body, bytes) else (body.get("error") or body)
    assert str(words["message"] if isinstance(words, dict) else words) in str(found)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (429, {"error": {"message": "You exceeded your current quota, check your plan and billing"
            " details",
                         "status": "RESOURCE_EXHAUSTED"}}, "http_429"),
        (429, {"error": {"message": "Rate limit reached for requests",
        "code": "rate_limit_exceeded"}}, "http_429"),
        (422, {"detail": [{"input": "insufficient funds is why she left"}]}, "http_422"),
        (403, {"error": {"message": "the text was flagged by moderation"}}, "http_403"),
        (404, {"error": {"message": "not enough credits was the model's name"}}, "http_404"),
    ],
)  # fmt: skip
def test_a_limit_a_minute_or_a_prompt_about_money_is_no_account_without_credit(
    status: int, body: Any, reason: str
) -> None:
    found = means(status, body)
    assert isinstance(found, RequestError | TransientError)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b""), (401, {"error": {"message": "no"}}),
        (403, {"error": {"message": "no", "code": "invalid_api_key"}}),
        (403, {"error": {"message": "Incorrect API key provided", "type": "x"}}),
        (400, {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT"}}),
    ],
)  # fmt: skip
def test_a_wrong_key_ends_the_run_whatever_its_status(status: int, body: Any) -> None:
    found = means(status, body)
    assert isinstance(found, AuthenticationError)
    assert "in K" in str(found)
    assert found.billed is False


@pytest.mark.parametrize(
    "status", [400, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 529]
)
def test_what_a_server_refuses_is_not_billed(status: int) -> None:
    assert means(status, {"error": {"message": "no"}}).billed is False


@pytest.mark.parametrize("status", [504, 524])
def test_a_gateway_that_gave_up_waiting_leaves_the_bill_open(status: int) -> None:
    assert means(status, b"timeout").billed is None


@pytest.mark.parametrize("error", [TeacherError, AuthenticationError, QuotaError, UnreachableError])
def test_an_error_that_ends_the_run_is_not_billed(error: type[TeacherError]) -> None:
    assert error("x").billed is False


def test_a_run_without_credit_fails_nothing_for_good() -> None:
    with Hostile(
        lambda peer: peer.reply({"error": {"message": "Insufficient Balance"}}, 402)
    ) as server:
        with pytest.raises(QuotaError, match="Insufficient Balance"):
            ask(teacher(server.url, concurrency=2), *numbered(50))
        assert len(server.seen) <= 4


def test_no_credit_inside_a_good_status_ends_the_run_too() -> None:
    body = {"error": {"message": "Insufficient credits", "code": 402}}
    with (
        Hostile(lambda peer: peer.reply(body)) as server,
        pytest.raises(QuotaError, match="Insufficient credits"),
    ):
        ask(teacher(server.url), request())


# Who may be billed


def billed(
    answer: Callable[[Peer], None] | None, url: str | None = None, **part: Any
) -> bool | None:
    """Return `billed` of the first failure of a request."""
    made = PART.model_copy(update={"timeout": 0.3} | part)

    async def go(where: str) -> bool | None:
        transport = Transport(resolve_endpoint(Url(where), made), made)
        with pytest.raises(TeacherError) as caught:
            await transport.post("/chat/completions", b"{}")
        await transport.close()
        return caught.value.billed

    if url is not None or answer is None:
        return asyncio.run(go(str(url)))
    with Hostile(answer) as server:
        return asyncio.run(go(server.url))


@pytest.mark.slow
def test_a_connection_that_never_was_is_not_billed() -> None:
    with closed_port() as url:
        assert billed(None, url) is False
    assert billed(None, "http://no-such-host.invalid/v1") is False
    with Hostile(lambda peer: None) as server:
        # It speaks no TLS.
        assert billed(None, server.url.replace("http:", "https:")) is False


@pytest.mark.slow
def test_a_name_that_is_looked_up_without_end_is_not_billed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1) or [])
    assert billed(None, "http://slow.invalid/v1") is False


@pytest.mark.slow
def test_a_request_that_was_written_may_be_billed_when_nothing_of_use_comes() -> None:
    assert billed(lambda peer: None) is None
    assert billed(lambda peer: peer.socket.close()) is None
    assert (
        billed(
            lambda peer: (
                peer.send(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nhalf")
                or peer.socket.close()
            )
        )
        is None
    )
    assert billed(lambda peer: peer.send(b"nonsense\r\n\r\n")) is None
    assert billed(lambda peer: peer.reply(b"<html>")) is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Sending a large body")
def test_a_request_that_was_not_written_whole_is_not_billed() -> None:
    found = []

    def close(peer: Peer) -> None:
        peer.socket.close()

    long = request(({"role": "user", "content": "x" * 30_000_000},))
    with Hostile(lambda peer: found.append(1), greet=close) as server:
        failed = failure(ask(teacher(server.url, attempts=1), long))
    assert (failed.reason, failed.tokens, found) == ("connection", 0, [])


# Redirects and secrets


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("target", "told"),
    [("https://me:hunter22@elsewhere.example:8443/v1?key=sk-hunter22",
    "https://elsewhere.example:8443"),
     ("/v2/chat", "/v2/chat, which is not followed"), ("", "redirects without a target"),
     ("http://[", "an invalid address")],
)  # fmt: skip
def test_a_redirect_is_told_with_its_host_and_without_its_secrets(
    status: int, target: str, told: str
) -> None:
    found = means(status, b"moved", Location=target)
    assert isinstance(found, RequestError)
    assert found.reason == f"http_{status}"
    assert "teacher.base_url" in found.detail
    assert told in found.detail
    assert "hunter22" not in found.detail


@pytest.mark.parametrize("status", [301, 307, 308])
@pytest.mark.parametrize("version", [None, "2024-10-21"])
def test_the_list_of_models_is_not_asked_for_elsewhere(
    monkeypatch: pytest.MonkeyPatch, status: int, version: str | None
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TEAM", "team-4711")
    models = {"object": "list", "data": [{"id": "stolen"}]}
    with Hostile(lambda peer: peer.reply(models)) as elsewhere:
        with Hostile(
            lambda peer: peer.reply(b"", status, location=f"{elsewhere.url}/models")
        ) as server:
            part = PART.model_copy(
                update={
                    "api_key_env": "OPENAI_API_KEY",
                    "headers": {"X-Team": "$TEAM"},
                    "api_version": version,
                }
            )
            assert asyncio.run(served_models(part, resolve_endpoint(Url(server.url), part))) == []
        assert (len(server.seen), elsewhere.seen) == (1, [])


@pytest.mark.parametrize(
    "body",
    [
        [],
        7,
        {"data": 7},
        {"data": [7, None, {"id": 7}, {"id": "x" * 999}]},
        b"<html>",
        b"[" * 5000,
        {"data": {"a": 1}},
    ],
)
def test_an_odd_list_of_models_is_none(body: Any) -> None:
    with Hostile(lambda peer: peer.reply(body)) as server:
        assert asyncio.run(served_models(PART, resolve_endpoint(Url(server.url), PART))) == []


@pytest.mark.slow
def test_a_list_of_models_beyond_the_bound_is_none() -> None:
    models = {"object": "list", "data": [{"id": "x" * 100} for _ in range(3_000)]}
    with Hostile(lambda peer: peer.reply(models)) as server:
        part = PART.model_copy(update={"max_answer_megabytes": 0.2})
        assert asyncio.run(served_models(part, resolve_endpoint(Url(server.url), part))) == []
        assert asyncio.run(served_models(PART, resolve_endpoint(Url(server.url), PART))) == [
            "x" * 100
        ]


SECRET = "sk-7Qz9Lm2Xv8Rt4Wp6"


def parts_of_secret(text: str, longest: int = 4) -> list[str]:
    """Return pieces of the secret, longer than a few characters, that a text holds."""
    pieces = {SECRET[i : i + longest + 1] for i in range(3, len(SECRET) - longest)}
    return sorted(piece for piece in pieces if piece in text)


@pytest.mark.slow
@given(
    before=st.integers(0, 1200), status=st.sampled_from([200, 301, 400, 402, 403, 404, 422, 429,
    500, 504]),
    form=st.sampled_from(["text", "message", "plain", "list", "code"]), after=st.integers(0, 600),
)  # fmt: skip
def test_a_key_at_any_place_of_an_error_is_shown_nowhere(
    before: int, status: int, form: str, after: int
) -> None:
    said = "x" * before + SECRET + "y" * after
    body = {
        "text": said, "message": {"error": {"message": said}}, "plain": {"error": said},
        "list": [said],
        "code": {"error": {"code": said, "type": said}},
    }[form]  # fmt: skip
    data = said.encode() if form == "text" else json.dumps(body).encode()
    part = TeacherPart.model_validate(PART_FIELDS | {"headers": {"X-Key": "$K_IN_TEST"}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K_IN_TEST", SECRET)
        found = status_error(
            resolve_endpoint(Url("http://h/v1"), part),
            status,
            {"Location": f"http://{SECRET}.h/"},
            data,
        )
    assert not parts_of_secret(str(found))
    assert len(str(found)) < 800


@pytest.mark.parametrize("before", [0, 150, 181, 190, 199, 200, 489, 499])
def test_a_key_in_what_is_no_json_is_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    for status in (200, 400, 500):
        with Hostile(
            lambda peer, status=status: peer.reply(
                b"x" * before + SECRET.encode() + b"<html>", status
            )
        ) as server:
            found = failure(ask(teacher(server.url, attempts=1), request()))
        assert not parts_of_secret(found.detail)


def test_a_key_in_the_words_of_an_answer_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    body = good(model=f"m {SECRET}") | {
        "choices": [{"message": {"content": "x"}, "finish_reason": SECRET}]
    }
    with Hostile(lambda peer: peer.reply(body)) as server:
        (answer,) = completed(ask(teacher(server.url), request()))
    assert not parts_of_secret(repr(answer))
    refused = {"choices": [{"message": {"content": None, "refusal": "z" * 490 + SECRET}}]}
    with Hostile(lambda peer: peer.reply(refused)) as server:
        assert not parts_of_secret(failure(ask(teacher(server.url), request())).detail)


@pytest.mark.slow
@pytest.mark.parametrize("wait", ["300", "300.0"])
def test_a_wait_in_milliseconds_is_kept(wait: str) -> None:
    def answer(peer: Peer) -> None:
        if peer.number == 1:
            peer.reply(b"slow down", 429, retry_after_ms=wait, retry_after="7")
        else:
            peer.reply(good())

    with Hostile(answer) as server:
        start = time.monotonic()
        completed(ask(teacher(server.url), request()))
    assert 0.3 <= time.monotonic() - start < 3


def test_an_error_shows_no_secret_of_a_broken_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with Hostile(
        lambda peer: peer.send(b"HTTP/1.1 2x0 " + SECRET.encode() + b"\r\n\r\n")
    ) as server:
        try:
            text = repr(ask(teacher(server.url, attempts=1), request()))
        except SynthKDError as error:
            text = shown(error)
    assert not parts_of_secret(text)


@pytest.mark.parametrize("said", ["your key is {}", "{}", "Bearer {}\nand more", "a{}b"])
def test_a_key_that_a_completion_repeats_is_not_kept(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Hostile(lambda peer: peer.reply(good(said.format(KEY)))) as server:
        (answer,) = completed(ask(teacher(server.url), request()))
    assert KEY not in answer.text
    assert "***" in answer.text


def test_a_word_that_serves_as_a_key_stays_in_completions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with Hostile(lambda peer: peer.reply(good("none of them"))) as server:
        (answer,) = completed(ask(teacher(server.url), request()))
    assert answer.text == "none of them"
