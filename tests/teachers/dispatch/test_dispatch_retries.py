"""Tests of the dispatcher's retries."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.dispatch import busy, completions, failing, gather, only_failures, several

from synthkd.errors import RequestError
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.teachers.dispatch import DispatchPolicy, TransientError, dispatch, parse_retry_after


def test_what_fails_in_passing_is_tried_again() -> None:
    answers = gather(several(10), failing(2, busy))
    assert len(answers) == 10
    assert all(isinstance(answer, Completion) for answer in answers)


def test_what_keeps_failing_becomes_a_failure_that_a_later_run_may_try_again() -> None:
    (failure,) = only_failures(gather(several(1), failing(99, busy)))
    assert (failure.reason, failure.attempts, failure.permanent) == ("http_500", 3, False)


def test_what_is_refused_for_good_is_tried_once() -> None:
    failures = only_failures(
        gather(several(1, n=2), failing(1, lambda: RequestError("http_400", "no")))
    )
    assert [(f.reason, f.attempts, f.permanent) for f in failures] == [("http_400", 1, True)] * 2


def test_an_error_that_nobody_foresaw_fails_its_own_request_only() -> None:
    async def send(asked: Request) -> list[Answer]:
        if asked.prompt == "prompt 3":
            raise KeyError("odd")
        return completions(asked)

    answers = gather(several(10), send)
    assert [a.reason for a in answers if isinstance(a, Failure)] == ["error"]
    assert len(answers) == 10


def test_answers_that_came_before_a_failed_try_are_kept_and_not_asked_for_again() -> None:
    asked_for: list[tuple[int, ...]] = []

    async def send(asked: Request) -> list[Answer]:
        asked_for.append(asked.sample_indexes)
        if len(asked_for) == 1:
            first = completions(replace(asked, sample_indexes=asked.sample_indexes[:2]))
            raise TransientError("http_500", "busy", answers=first)
        return completions(asked)

    answers = gather(several(1, n=5), send)
    assert asked_for == [(0, 1, 2, 3, 4), (2, 3, 4)]
    assert sorted(answer.sample_index for answer in answers) == [0, 1, 2, 3, 4]


def test_a_waiting_retry_holds_no_place() -> None:
    policy = DispatchPolicy(concurrency=1, max_attempts=2, base_delay=0.001)
    waited = {"prompt 0"}

    async def send(asked: Request) -> list[Answer]:
        if asked.prompt in waited:
            waited.clear()
            raise TransientError("http_429", "slow down", retry_after=60)
        return completions(asked)

    async def first() -> Answer:
        async with aclosing(dispatch(several(2), send, policy)) as answers:
            return (await anext(answers))[0]

    start = time.perf_counter()
    answer = asyncio.run(first())
    assert isinstance(answer, Completion)
    assert answer.text == "prompt 1"
    assert time.perf_counter() - start < 30


@pytest.mark.slow
def test_a_retry_never_comes_before_the_server_said() -> None:
    start = time.perf_counter()
    gather(several(1), failing(1, lambda: TransientError("http_429", "slow down", retry_after=0.2)))
    assert time.perf_counter() - start >= 0.2


def test_waits_are_jittered_from_nought_to_a_doubling_bound() -> None:
    policy = DispatchPolicy(concurrency=1, max_attempts=9, base_delay=1.0, max_delay=5.0)
    for attempt, bound in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (9, 5.0)]:
        waits = [policy.delay(attempt, None) for _ in range(2000)]
        assert 0 <= min(waits) < 0.05 * bound
        assert 0.95 * bound < max(waits) <= bound


def test_retry_after_is_read_as_seconds() -> None:
    assert parse_retry_after("2.5") == 2.5
    assert parse_retry_after("2") == 2


def test_retry_after_is_read_as_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < (parse_retry_after(in_a_minute) or 0) <= 60


@pytest.mark.parametrize("value", [None, "", "soon", "nan", "inf", "Wed, 99 Foo 2020"])
def test_a_retry_after_that_says_nothing_is_no_wait_of_its_own(value: str | None) -> None:
    assert parse_retry_after(value) is None


@pytest.mark.parametrize("value", ["-3", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_in_the_past_is_no_wait(value: str) -> None:
    assert parse_retry_after(value) == 0.0
