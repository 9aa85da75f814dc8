"""The OpenAI backend against a real server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from synthkd.errors import AuthenticationError, RecipeError, UnreachableError
from synthkd.recipe import Price, TeacherPart
from synthkd.requests import Answer, Completion, Failure, Request, Sampling
from synthkd.teachers.dispatch import Policy, retry_after
from synthkd.teachers.openai import OpenAITeacher
from synthkd.testing import FakeServer

QUICK = Policy(concurrency=4, max_attempts=4, base=0.01)


def ask(
    server: FakeServer | str, count: int = 1, n: int = 1, role: str = "user", policy: Policy = QUICK,
    start: int = 0, sampling: dict[str, Any] | None = None, **part: Any,
) -> list[Answer]:  # fmt: skip
    url = server if isinstance(server, str) else server.url
    teacher = OpenAITeacher(TeacherPart(backend="openai", model="fake", base_url=url, **part), policy)

    async def requests() -> AsyncIterator[Request]:
        for i in range(count):
            wanted = tuple(range(start, start + n))
            messages = ({"role": role, "content": f"prompt {i}"},)
            yield Request(teacher.identity, messages, Sampling(n=n, **(sampling or {})), wanted, str(i))

    async def work() -> list[Answer]:
        found = [answer async for group in teacher.stream(requests()) for answer in group]
        await teacher.close()
        return found

    return asyncio.run(work())


def only(answers: list[Answer]) -> Any:
    (answer,) = answers
    return answer


def test_every_sample_of_every_request_is_answered_once() -> None:
    with FakeServer() as server:
        answers = ask(server, count=20, n=3)
    assert len({answer.key for answer in answers}) == 60
    assert server.requests == 20


def test_no_more_requests_are_in_flight_than_asked() -> None:
    with FakeServer(latency=0.02) as server:
        ask(server, count=30)
    assert 1 < server.most_in_flight <= 4


@pytest.mark.parametrize("role", ["user", "prompt"])
def test_logprobs_are_summed_for_chats_and_for_plain_completions(role: str) -> None:
    with FakeServer(answer=lambda *_: "ab c") as server:
        answer = only(ask(server, role=role, sampling={"logprobs": True}))
    assert answer.logprob == pytest.approx(-0.5)
    assert answer.completion_tokens == 2


def test_a_plain_prompt_goes_to_the_completions_endpoint_unless_chat_is_asked_for() -> None:
    with FakeServer() as server:
        ask(server, role="prompt")
        ask(server, role="prompt", chat=True)
    assert "prompt" in server.bodies[0]
    assert server.bodies[1]["messages"] == [{"role": "user", "content": "prompt 0"}]


def test_only_what_the_recipe_names_is_sent() -> None:
    with FakeServer() as server:
        ask(server, sampling={"temperature": None, "seed": None})
        ask(server, sampling={"top_k": 5, "extra_body": {"guide": 1}, "stop": ("\n",), "top_p": 0.5})
    assert not {"temperature", "seed", "stop", "top_p", "logprobs"} & set(server.bodies[0])
    sent = server.bodies[1]
    assert (sent["top_k"], sent["guide"], sent["stop"], sent["top_p"]) == (5, 1, ["\n"], 0.5)


def test_samples_that_are_bought_later_are_not_seeded_as_the_first_were() -> None:
    with FakeServer() as server:
        first = ask(server, n=2)
        later = ask(server, n=2, start=2)
    assert [body["seed"] for body in server.bodies] == [0, 2]
    assert {a.sample_index for a in later} == {2, 3}
    assert {a.text for a in first if isinstance(a, Completion)} != {a.text for a in later if isinstance(a, Completion)}


@pytest.mark.parametrize("fault", ["429", "500", "reset", "cut", "not-json", "no-choices"])
def test_a_passing_fault_is_tried_again(fault: str) -> None:
    with FakeServer(script=[fault]) as server:
        assert isinstance(only(ask(server)), Completion)
    assert server.requests == 2


@pytest.mark.parametrize("fault", ["429-seconds", "429-date"])
def test_a_server_that_says_when_to_come_back_is_not_asked_before(fault: str) -> None:
    import time

    start = time.monotonic()
    with FakeServer(script=[fault]) as server:
        assert isinstance(only(ask(server)), Completion)
    # A date has whole seconds, so the second may be almost over when it is written.
    assert time.monotonic() - start >= (0.9 if fault == "429-seconds" else 0.01)


def test_a_request_that_hangs_is_given_up_and_tried_again() -> None:
    with FakeServer(script=["hang"]) as server:
        assert isinstance(only(ask(server, timeout=0.3)), Completion)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("400-context", "context_too_long"), ("404", "http_404"), ("content-filter", "content_filter")],
)
def test_a_refusal_for_good_is_a_fate_and_not_tried_again(fault: str, reason: str) -> None:
    with FakeServer(script=[fault]) as server:
        answers = ask(server, count=2)
    failure = next(answer for answer in answers if isinstance(answer, Failure))
    assert failure.reason == reason
    assert failure.permanent
    assert server.requests == 2


def test_a_request_that_keeps_failing_ends_as_a_fate_that_may_be_asked_again() -> None:
    with FakeServer(script=["500"] * 4) as server:
        failure = only(ask(server))
    assert (failure.reason, failure.permanent, failure.attempts) == ("http_500", False, 4)


def test_a_server_that_ignores_n_is_asked_for_the_rest() -> None:
    with FakeServer(script=["one-choice"] * 3) as server:
        answers = ask(server, n=4)
    assert sorted(answer.sample_index for answer in answers) == [0, 1, 2, 3]
    assert all(isinstance(answer, Completion) for answer in answers)


def test_a_dead_endpoint_ends_the_run_with_its_address() -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9/v1"):
        ask("http://127.0.0.1:9/v1", count=5)


def test_a_wrong_key_ends_the_run_and_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with FakeServer(key="another") as server, pytest.raises(AuthenticationError, match="OPENAI_API_KEY") as caught:
        ask(server, count=5)
    assert "sk-very-secret" not in str(caught.value)


def test_a_missing_key_is_named_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    teacher = OpenAITeacher(TeacherPart(backend="openai", model="m"))

    async def none() -> AsyncIterator[Request]:
        return
        yield

    async def work() -> None:
        async for _ in teacher.stream(none()):
            pass

    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        asyncio.run(work())


def test_neither_the_identity_nor_the_repr_holds_a_secret() -> None:
    part = TeacherPart(backend="openai", model="m", base_url="http://user:pass@host/v1?key=sk-1")
    teacher = OpenAITeacher(part)
    for text in (teacher.identity, repr(teacher)):
        assert "pass" not in text
        assert "sk-1" not in text


def test_the_key_is_masked_where_a_server_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted")
    with FakeServer(script=["404"]) as server:
        assert "planted" not in only(ask(server)).detail


def test_the_price_counts_the_prompt_once_and_each_choice() -> None:
    with FakeServer(answer=lambda *_: "a b") as server:
        answers = ask(server, n=3, price=Price(input=1e6, output=1e6))
    assert sum(answer.price or 0 for answer in answers if isinstance(answer, Completion)) == 2 + 6


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"teacher\.model"):
        OpenAITeacher(TeacherPart(backend="openai"))


@pytest.mark.parametrize(("value", "seconds"), [("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("soon", None), (None, None)])
def test_retry_after_is_read_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert (retry_after("Wed, 21 Oct 2115 07:28:00 GMT") or 0) > 1e6
