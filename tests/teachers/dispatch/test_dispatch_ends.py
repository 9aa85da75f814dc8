"""Tests of the errors that end a run of the dispatcher, and of the results before."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from support.dispatch import (
    QUICK,
    completions,
    echo,
    failing,
    gather,
    gone,
    request,
    several,
    until_error,
)

from synthkd.errors import AuthenticationError, DiskFullError, UnreachableError
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.teachers.dispatch import MAX_UNREACHED, DispatchPolicy, TransientError, dispatch


def test_a_wrong_key_ends_the_run() -> None:
    found, error = until_error(
        several(100), failing(1, lambda: AuthenticationError("refused; check KEY"))
    )
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


def test_a_server_that_never_answered_ends_the_run_when_the_first_request_used_up_its_tries() -> (
    None
):
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
    policy = DispatchPolicy(concurrency=16, max_attempts=3, base_delay=0.001)
    answers = gather(several(40), failing(2, gone), policy)
    assert all(isinstance(answer, Completion) for answer in answers)


def test_a_restart_of_the_server_under_many_requests_does_not_end_the_run() -> None:
    policy = DispatchPolicy(concurrency=MAX_UNREACHED * 3, max_attempts=3, base_delay=0.001)
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
    assert len(failures) >= MAX_UNREACHED
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


class FullAccount:
    """An account whose file cannot be written any more, for marks or for charges."""

    def __init__(self, marks: bool) -> None:
        self.marks = marks

    def sent(self, asked: Sequence[Request]) -> None:
        if self.marks:
            raise DiskFullError("the disk is full")

    def unbilled(self, asked: Request) -> None:
        pass

    async def unknown(self, asked: Request) -> bool:
        raise DiskFullError("the disk is full")


@pytest.mark.parametrize("marks", [True, False])
def test_an_account_that_cannot_be_written_ends_the_run(marks: bool) -> None:
    async def broken(asked: Request) -> list[Answer]:
        raise TransientError("connection", "it broke", billed=None)

    async def collect() -> None:
        async for _ in dispatch(several(3), broken, QUICK, FullAccount(marks)):
            pass

    with pytest.raises(DiskFullError):
        asyncio.run(asyncio.wait_for(collect(), 10))
