"""Tests of the end of a run in which nothing succeeds, or too much fails for one reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.ask_teacher import ask, forget_environment, numbered, teacher
from support.dispatch import (
    QUICK,
    completions,
    echo,
    failing,
    gather,
    only_failures,
    request,
    several,
    until_error,
)

from synthkd.errors import RequestError, StalledError
from synthkd.requests import Answer, Completion, Request
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.dispatch.circuit_breaker import CircuitBreaker
from synthkd.teachers.dispatch.rate_limits import RateLimits
from synthkd.testing import FakeServer


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


def refused(breaker: CircuitBreaker, times: int, reason: str = "http_404") -> None:
    for _ in range(times):
        breaker.record_failure(reason, "no such model")


def succeeded(breaker: CircuitBreaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        breaker.record_success(now)


# Nothing succeeds


def test_it_opens_when_nothing_has_succeeded_for_its_patience() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    breaker.record_send(100.0)
    breaker.check(159.9)
    assert breaker.error is None
    breaker.check(160.0)
    assert isinstance(breaker.error, StalledError)
    assert "nothing has succeeded for 60 s" in str(breaker.error)


def test_it_names_the_last_trouble_and_what_to_do() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    breaker.record_send(100.0)
    breaker.record_attempt_failure("http_500", "out of memory")
    breaker.check(200.0)
    assert "the last error was http_500 (out of memory)" in str(breaker.error)
    assert "The answers so far are kept" in str(breaker.error)
    assert "synthkd journal retry" in str(breaker.error)


def test_a_success_starts_its_patience_again() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    breaker.record_send(100.0)
    breaker.record_success(150.0)
    breaker.check(209.0)
    assert breaker.error is None
    breaker.check(210.0)
    assert breaker.error is not None


def test_its_patience_begins_with_the_first_request() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    breaker.check(1000.0)
    assert breaker.error is None
    breaker.record_send(1000.0)
    breaker.record_send(1050.0)
    assert breaker.seconds_left(1050.0) == 10.0


def test_time_in_which_nothing_was_asked_does_not_count() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    breaker.record_send(100.0)
    breaker.record_success(110.0)
    breaker.record_idle(130.0)
    breaker.check(1000.0)
    assert breaker.error is None
    breaker.record_send(1000.0)
    assert breaker.seconds_left(1000.0) == 40.0
    breaker.check(1040.0)
    assert breaker.error is not None


def test_one_that_is_due_says_so_at_once() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    assert breaker.seconds_left(0.0) == 60
    breaker.record_send(100.0)
    assert breaker.seconds_left(500.0) == 0.0


@pytest.mark.slow
def test_inputs_that_pause_for_longer_than_its_patience_do_not_end_the_run() -> None:
    # A run goes on over a million answered inputs and one that is not: sources pause so.
    async def pausing() -> AsyncIterator[Request]:
        yield request(0)
        await asyncio.sleep(1.0)
        yield request(1)

    async def send(asked: Request) -> list[Answer]:
        # It takes a while, so that there is time to look at the clock.
        await asyncio.sleep(0.05)
        return completions(asked)

    answers = gather(pausing(), send, replace(QUICK, patience=0.7))
    assert [type(answer) for answer in answers] == [Completion] * 2


@pytest.mark.slow
def test_waiting_for_a_limit_a_minute_is_no_stall() -> None:
    policy = replace(QUICK, patience=0.5, rates=RateLimits(requests=60))
    answers = gather(several(3), echo, policy)
    assert [type(answer) for answer in answers] == [Completion] * 3


@pytest.mark.slow
def test_a_server_that_only_says_wait_ends_the_run_in_its_patience() -> None:
    def busy() -> TransientError:
        return TransientError("http_429", "slow down", retry_after=3000)

    found, error = until_error(several(100), failing(99, busy), replace(QUICK, patience=0.3))
    assert found == []
    assert isinstance(error, StalledError)
    assert "http_429 (slow down)" in str(error)


# Too much fails for one reason


def test_the_first_twenty_that_all_failed_for_one_reason_are_enough() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    refused(breaker, 19)
    assert breaker.error is None
    refused(breaker, 1)
    assert isinstance(breaker.error, StalledError)
    assert "http_404: no such model" in str(breaker.error)


def test_it_names_the_reason_that_most_failed_for() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    for _ in range(19):
        refused(breaker, 1, "http_404")
        if breaker.error is None:
            refused(breaker, 1, "too_few_choices")
    assert breaker.error is None
    refused(breaker, 1, "http_404")
    assert "20 requests that finished all failed with http_404" in str(breaker.error)


def test_a_larger_share_than_allowed_opens_it() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    succeeded(breaker, 30)
    refused(breaker, 30)
    assert breaker.error is None
    refused(breaker, 1)
    assert "31 of the last 61 requests failed with http_404" in str(breaker.error)


def test_a_few_outcomes_are_too_few_to_judge_a_share() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.1)
    succeeded(breaker, 1)
    refused(breaker, 48)
    assert breaker.error is None
    refused(breaker, 1)
    assert breaker.error is not None


def test_many_reasons_with_a_small_share_each_do_not_open_it() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    succeeded(breaker, 50)
    for number in range(400):
        refused(breaker, 1, f"reason {number % 4}")
    assert breaker.error is None


def test_what_failed_long_ago_is_forgotten() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    succeeded(breaker, 100)
    refused(breaker, 90)
    succeeded(breaker, 200)
    refused(breaker, 100)
    assert breaker.error is None
    refused(breaker, 1)
    assert "101 of the last 200" in str(breaker.error)


def test_a_share_of_one_never_opens_it_once_something_succeeded() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=1.0)
    succeeded(breaker, 1)
    refused(breaker, 1000)
    assert breaker.error is None


def test_a_server_that_is_away_is_not_its_matter() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    refused(breaker, 1000, "unreachable")
    assert breaker.error is None


def test_the_first_error_is_the_one_that_is_kept() -> None:
    breaker = CircuitBreaker(patience=60, failing_share=0.5)
    breaker.record_send(100.0)
    refused(breaker, 20)
    first = breaker.error
    breaker.check(1000.0)
    refused(breaker, 100, "another")
    assert breaker.error is first


def test_what_failed_before_the_end_is_yielded() -> None:
    def refusal() -> RequestError:
        return RequestError("http_404", "no such model")

    found, error = until_error(several(1000), failing(99, refusal))
    assert isinstance(error, StalledError)
    assert len(only_failures(found)) >= 20


# Against a server


def test_a_model_that_the_server_does_not_know_costs_a_few_requests_of_thousands() -> None:
    with FakeServer(rates={"404": 1.0}) as server, pytest.raises(StalledError) as caught:
        ask(teacher(server.url, concurrency=4), *numbered(2000))
    assert "http_404: planted 404" in str(caught.value)
    assert server.requests < 20 + 3 * 4


def test_a_server_that_begins_to_refuse_most_ends_the_run() -> None:
    script = ["", *["", "400-filter", "400-filter", "400-filter"] * 200]
    with FakeServer(script=script) as server, pytest.raises(StalledError, match="content_filter"):
        ask(teacher(server.url, concurrency=4), *numbered(800))
    assert 50 <= server.requests < 100


@pytest.mark.slow
def test_a_server_that_refuses_some_is_asked_to_the_end() -> None:
    with FakeServer(rates={"404": 0.3}) as server:
        answers = ask(teacher(server.url), *numbered(400))
    assert (len(answers), server.requests) == (400, 400)


@pytest.mark.slow
def test_a_server_that_hangs_for_good_ends_the_run_in_its_patience() -> None:
    with FakeServer(script=[""], rates={"hang": 1.0}) as server:
        who = teacher(server.url, timeout=0.1, attempts=1000)
        who.policy = replace(who.policy, patience=0.5)
        with pytest.raises(StalledError, match="timeout"):
            ask(who, *numbered(20))
