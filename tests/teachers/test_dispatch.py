"""What the dispatcher promises, whatever backend sends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from synthkd.errors import AuthenticationError, RequestError, UnreachableError
from synthkd.requests import Answer, Completion, Failure, Request, Sampling
from synthkd.teachers.dispatch import (
    GONE_AFTER,
    Policy,
    Send,
    TransientError,
    dispatch,
    retry_after,
)

QUICK = Policy(concurrency=4, max_attempts=3, base=0.001, longest=0.01)


def request(number: int, n: int = 1) -> Request:
    messages = ({"role": "user", "content": f"prompt {number}"},)
    return Request("test", messages, Sampling(n=n), tuple(range(n)), f"input-{number}")


async def several(count: int, n: int = 1) -> AsyncIterator[Request]:
    for number in range(count):
        yield request(number, n)


def completions(asked: Request) -> list[Answer]:
    return [Completion(asked.request_id, index, asked.prompt, "stop") for index in asked.sample_indexes]


async def echo(asked: Request) -> list[Answer]:
    return completions(asked)


def gather(requests: AsyncIterator[Request], send: Send, policy: Policy = QUICK) -> list[Answer]:
    async def collect() -> list[Answer]:
        return [answer async for group in dispatch(requests, send, policy) for answer in group]

    return asyncio.run(asyncio.wait_for(collect(), 10))


def until_error(
    requests: AsyncIterator[Request], send: Send, policy: Policy = QUICK, reading: float = 0.0
) -> tuple[list[Answer], Exception]:
    """What was yielded, and the error that ended it."""

    async def collect() -> tuple[list[Answer], Exception]:
        found: list[Answer] = []
        try:
            async for group in dispatch(requests, send, policy):
                found += group
                await asyncio.sleep(reading)
        except Exception as error:  # noqa: BLE001 (the caller looks at what it is)
            return found, error
        raise AssertionError("nothing was raised")

    return asyncio.run(asyncio.wait_for(collect(), 10))


def failing(times: int, error: Callable[[], Exception]) -> Send:
    """Each request fails so many times, then it is answered."""
    tries: Counter[str] = Counter()

    async def send(asked: Request) -> list[Answer]:
        tries[asked.request_id] += 1
        if tries[asked.request_id] <= times:
            raise error()
        return completions(asked)

    return send


def busy() -> TransientError:
    return TransientError("http_500", "busy")


def gone() -> TransientError:
    return TransientError("unreachable", "nothing answers at http://127.0.0.1:9/v1; is the server up?")


def only_failures(answers: list[Answer]) -> list[Failure]:
    assert all(isinstance(answer, Failure) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Failure)]


def test_every_sample_of_every_request_is_answered_once() -> None:
    answers = gather(several(50, n=3), echo)
    assert Counter(answer.key for answer in answers) == {
        f"{request(number, 3).request_id}-{index}": 1 for number in range(50) for index in range(3)
    }


def test_no_requests_give_no_answers() -> None:
    assert gather(several(0), echo) == []


def test_no_more_requests_are_in_flight_than_places() -> None:
    now, most = 0, 0

    async def send(asked: Request) -> list[Answer]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return completions(asked)

    gather(several(40), send)
    assert most == QUICK.concurrency


def test_requests_are_pulled_only_as_there_is_room() -> None:
    pulled = 0

    async def endless() -> AsyncIterator[Request]:
        nonlocal pulled
        while True:
            pulled += 1
            yield request(pulled)

    async def never(asked: Request) -> list[Answer]:
        await asyncio.sleep(60)
        return []

    async def look() -> None:
        async with aclosing(dispatch(endless(), never, QUICK)) as answers:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(answers), 0.1)

    asyncio.run(look())
    assert pulled == 2 * QUICK.concurrency


def test_a_slow_reader_slows_the_pulling() -> None:
    pulled = 0

    async def endless() -> AsyncIterator[Request]:
        nonlocal pulled
        while True:
            pulled += 1
            yield request(pulled)

    async def look() -> int:
        async with aclosing(dispatch(endless(), echo, QUICK)) as answers:
            taken = len(await anext(answers))
            await asyncio.sleep(0.1)
        return taken

    taken = asyncio.run(look())
    assert pulled <= taken + 2 * QUICK.concurrency


def test_what_fails_in_passing_is_tried_again() -> None:
    answers = gather(several(10), failing(2, busy))
    assert len(answers) == 10
    assert all(isinstance(answer, Completion) for answer in answers)


def test_what_keeps_failing_becomes_a_failure_that_a_later_run_may_try_again() -> None:
    (failure,) = only_failures(gather(several(1), failing(99, busy)))
    assert (failure.reason, failure.attempts, failure.permanent) == ("http_500", 3, False)


def test_what_is_refused_for_good_is_tried_once() -> None:
    failures = only_failures(gather(several(1, n=2), failing(1, lambda: RequestError("http_400", "no"))))
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
    policy = Policy(concurrency=1, max_attempts=2, base=0.001)
    waited = {"prompt 0"}

    async def send(asked: Request) -> list[Answer]:
        if asked.prompt in waited:
            waited.clear()
            raise TransientError("http_429", "slow down", retry_after=0.3)
        return completions(asked)

    async def first() -> Answer:
        async with aclosing(dispatch(several(2), send, policy)) as answers:
            return (await anext(answers))[0]

    start = time.perf_counter()
    answer = asyncio.run(first())
    assert isinstance(answer, Completion)
    assert answer.text == "prompt 1"
    assert time.perf_counter() - start < 0.25


def test_a_retry_never_comes_before_the_server_said() -> None:
    start = time.perf_counter()
    gather(several(1), failing(1, lambda: TransientError("http_429", "slow down", retry_after=0.2)))
    assert time.perf_counter() - start >= 0.2


def test_waits_are_jittered_from_nought_to_a_doubling_bound() -> None:
    policy = Policy(base=1.0, longest=5.0)
    for attempt, bound in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (9, 5.0)]:
        waits = [policy.wait(attempt, None) for _ in range(2000)]
        assert 0 <= min(waits) < 0.05 * bound
        assert 0.95 * bound < max(waits) <= bound


def test_retry_after_is_read_as_seconds() -> None:
    assert retry_after("2.5") == 2.5
    assert retry_after("2") == 2


def test_retry_after_is_read_as_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < (retry_after(in_a_minute) or 0) <= 60


@pytest.mark.parametrize("value", [None, "", "soon", "nan", "inf", "Wed, 99 Foo 2020"])
def test_a_retry_after_that_says_nothing_is_no_wait_of_its_own(value: str | None) -> None:
    assert retry_after(value) is None


@pytest.mark.parametrize("value", ["-3", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_in_the_past_is_no_wait(value: str) -> None:
    assert retry_after(value) == 0.0


def test_a_wrong_key_ends_the_run() -> None:
    found, error = until_error(several(100), failing(1, lambda: AuthenticationError("refused; check KEY")))
    assert found == []
    assert isinstance(error, AuthenticationError)


def test_nothing_is_pulled_after_the_end_was_decided() -> None:
    sent = 0

    async def send(asked: Request) -> list[Answer]:
        nonlocal sent
        sent += 1
        if sent == 5:
            raise AuthenticationError("refused; check KEY")
        return completions(asked)

    until_error(several(1000), send, reading=0.01)
    assert sent < 5 + 3 * QUICK.concurrency


def test_answers_that_came_are_yielded_before_the_error() -> None:
    good = 0

    async def send(asked: Request) -> list[Answer]:
        nonlocal good
        number = int(asked.prompt.split()[1])
        if number == 6:
            await asyncio.sleep(0.02)
            raise AuthenticationError("refused; check KEY")
        await asyncio.sleep(0.001 * (number % 4))
        good += 1
        return completions(asked)

    found, error = until_error(several(8), send, reading=0.05)
    assert isinstance(error, AuthenticationError)
    assert len(found) == good == 7


def test_an_error_of_the_requests_themselves_is_raised() -> None:
    async def broken() -> AsyncIterator[Request]:
        yield request(0)
        raise LookupError("the inputs broke")

    _, error = until_error(broken(), echo)
    assert isinstance(error, LookupError)


def test_a_server_that_never_answered_ends_the_run_when_the_first_request_used_up_its_tries() -> None:
    tries: Counter[str] = Counter()

    async def send(asked: Request) -> list[Answer]:
        tries[asked.request_id] += 1
        raise gone()

    _, error = until_error(several(1000), send)
    assert isinstance(error, UnreachableError)
    assert "http://127.0.0.1:9/v1" in str(error)
    assert max(tries.values()) == QUICK.max_attempts
    assert len(tries) <= 2 * QUICK.concurrency


def test_a_server_that_comes_up_while_the_first_requests_wait_is_used() -> None:
    policy = Policy(concurrency=16, max_attempts=3, base=0.001)
    answers = gather(several(40), failing(2, gone), policy)
    assert all(isinstance(answer, Completion) for answer in answers)


def test_a_restart_of_the_server_under_many_requests_does_not_end_the_run() -> None:
    policy = Policy(concurrency=GONE_AFTER * 3, max_attempts=3, base=0.001)
    tries: Counter[str] = Counter()

    async def send(asked: Request) -> list[Answer]:
        tries[asked.request_id] += 1
        if asked.prompt != "prompt 0" and tries[asked.request_id] == 1:
            await asyncio.sleep(0.01)
            raise gone()
        return completions(asked)

    answers = gather(several(200), send, policy)
    assert len(answers) == 200
    assert all(isinstance(answer, Completion) for answer in answers)


def test_a_server_that_went_away_leaves_failures_and_then_ends_the_run() -> None:
    sent = 0

    async def send(asked: Request) -> list[Answer]:
        nonlocal sent
        sent += 1
        if sent <= 5:
            return completions(asked)
        raise gone()

    found, error = until_error(several(1000), send)
    failures = [answer for answer in found if isinstance(answer, Failure)]
    assert isinstance(error, UnreachableError)
    assert len(found) - len(failures) == 5
    assert len(failures) >= GONE_AFTER
    assert {(f.reason, f.permanent, f.attempts) for f in failures} == {("unreachable", False, 3)}


def test_a_success_in_between_lets_a_shaky_server_go_on() -> None:
    tries: Counter[str] = Counter()

    async def send(asked: Request) -> list[Answer]:
        number = int(asked.prompt.split()[1])
        tries[asked.request_id] += 1
        if number % 10:
            raise gone()
        return completions(asked)

    policy = replace(QUICK, concurrency=1, max_attempts=1)
    answers = gather(several(100), send, policy)
    assert sum(isinstance(answer, Completion) for answer in answers) == 10
    assert sum(isinstance(answer, Failure) for answer in answers) == 90


def test_cancelling_ends_and_awaits_every_task() -> None:
    ended = 0

    async def send(asked: Request) -> list[Answer]:
        nonlocal ended
        try:
            await asyncio.sleep(60)
        finally:
            ended += 1
        return []

    async def read() -> None:
        async for _ in dispatch(several(20), send, QUICK):
            pass

    async def cancelled() -> set[asyncio.Task[Any]]:
        reader = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(cancelled()) == set()
    assert ended == QUICK.concurrency


def test_a_reader_that_leaves_early_leaves_no_task_behind() -> None:
    async def leave() -> set[asyncio.Task[Any]]:
        async with aclosing(dispatch(several(1000), echo, QUICK)) as answers:
            await anext(answers)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(leave()) == set()
