"""Tests of several addresses of one model: load is shared, and a dead address rests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from dataclasses import replace

import pytest
from pydantic import ValidationError
from support.ask_teacher import (
    ask,
    closed_port,
    completed,
    each,
    numbered,
    request,
    teacher,
)
from support.dispatch import QUICK, busy, completions, failing, gone, several

from synthkd.errors import AuthenticationError, RecipeError, UnreachableError
from synthkd.requests import Answer, Completion, Request
from synthkd.teachers.dispatch import Send, dispatch
from synthkd.teachers.openai import OpenAITeacher
from synthkd.testing import FakeServer


def both(*urls: str, attempts: int = 3, **part: object) -> OpenAITeacher:
    return teacher(list(urls), attempts, **{"identity": "mine", **part})


# Sharing


@pytest.mark.slow
def test_the_load_is_shared_out_evenly() -> None:
    with FakeServer(latency=0.01) as one, FakeServer(latency=0.01) as other:
        answers = completed(ask(both(one.url, other.url, concurrency=8), *numbered(400)))
    assert len({answer.key for answer in answers}) == 400
    assert one.requests + other.requests == 400
    assert 120 <= one.requests <= 280


@pytest.mark.slow
def test_a_faster_endpoint_gets_more() -> None:
    with FakeServer(latency=0.2) as slow, FakeServer(latency=0.01) as fast:
        completed(ask(both(slow.url, fast.url, concurrency=8), *numbered(200)))
    assert fast.requests > 2 * slow.requests


def test_no_more_is_in_flight_than_asked_for_over_all_endpoints() -> None:
    most = now = 0

    async def send(asked: Request) -> list[Answer]:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return completions(asked)

    assert len(gathered(several(40), [send] * 3)) == 40
    assert most == QUICK.concurrency


def gathered(requests: AsyncIterator[Request], sends: list[Send], **policy: float) -> list[Answer]:
    async def collect() -> list[Answer]:
        groups = dispatch(requests, sends, replace(QUICK, **policy))  # type: ignore[arg-type]
        return [answer async for group in groups for answer in group]

    return asyncio.run(asyncio.wait_for(collect(), 15))


# One that is gone


def test_a_dead_endpoint_costs_no_request_its_tries() -> None:
    with closed_port() as dead, FakeServer() as alive:
        answers = completed(ask(both(dead, alive.url, attempts=1), *numbered(100)))
    assert (len(answers), alive.requests) == (100, 100)


def test_a_try_at_a_dead_endpoint_is_not_counted() -> None:
    async def dead(asked: Request) -> list[Answer]:
        raise gone()

    answers = gathered(several(3), [dead, failing(1, busy)], max_attempts=2)
    assert [type(answer) for answer in answers] == [Completion] * 3


def test_a_dead_endpoint_rests_while_the_other_goes_on() -> None:
    tried = 0

    async def dead(asked: Request) -> list[Answer]:
        nonlocal tried
        tried += 1
        raise gone()

    async def alive(asked: Request) -> list[Answer]:
        await asyncio.sleep(0.001)
        return completions(asked)

    answers = gathered(several(200), [dead, alive], max_attempts=1)
    assert [type(answer) for answer in answers] == [Completion] * 200
    # It is asked once for each place that it had, and then again only after seconds.
    assert tried <= 4 * QUICK.concurrency


def test_when_all_are_gone_the_run_ends() -> None:
    with (
        closed_port() as one,
        closed_port() as other,
        pytest.raises(UnreachableError, match=r"127\.0\.0\.1"),
    ):
        ask(both(one, other), *numbered(100))


def test_an_endpoint_that_refuses_the_key_ends_the_run() -> None:
    with (
        FakeServer() as open_,
        FakeServer(key="another") as closed,
        pytest.raises(AuthenticationError) as caught,
    ):
        ask(both(open_.url, closed.url), *numbered(100))
    assert closed.url in str(caught.value)


@pytest.mark.slow
def test_one_that_dies_in_the_run_loses_nothing() -> None:
    with FakeServer(latency=0.005) as alive, ExitStack() as dies:
        dying = dies.enter_context(FakeServer(latency=0.005))
        answers: list[Answer] = []

        async def collect() -> None:
            who = both(dying.url, alive.url, concurrency=8, attempts=5)
            try:
                async with aclosing(who.stream(each(tuple(numbered(300))))) as groups:
                    async for group in groups:
                        answers.extend(group)
                        if dying.requests >= 30:
                            await asyncio.to_thread(dies.close)
            finally:
                await who.close()

        asyncio.run(asyncio.wait_for(collect(), 15))
    assert len({answer.key for answer in completed(answers)}) == 300
    assert dying.requests < 100


@pytest.mark.slow
def test_one_that_comes_back_is_used_again() -> None:
    # It rests for a second, however many requests found it gone at the same time.
    back = False
    used: list[float] = []
    start = time.monotonic()

    async def away(asked: Request) -> list[Answer]:
        if not back:
            raise gone()
        used.append(time.monotonic())
        return completions(asked)

    async def alive(asked: Request) -> list[Answer]:
        nonlocal back
        await asyncio.sleep(0.02)
        back = True
        return completions(asked)

    async def until_used() -> AsyncIterator[Request]:
        number = 0
        while not used and time.monotonic() < start + 12:
            # All places are taken before the first of them fails.
            if number >= 64:
                await asyncio.sleep(0.001)
            yield request(({"role": "user", "content": str(number)},))
            number += 1

    answers = gathered(until_used(), [away, alive], concurrency=64)
    assert used
    assert used[0] - start >= 1.0
    assert {type(answer) for answer in answers} == {Completion}


@pytest.mark.slow
def test_one_that_answers_everything_with_an_error_does_not_eat_the_requests() -> None:
    # It is the quickest of all, so the one with the most room.
    with FakeServer(rates={"500": 1.0}) as broken, FakeServer(latency=0.005) as alive:
        answers = completed(
            ask(both(broken.url, alive.url, concurrency=8, attempts=6), *numbered(300))
        )
    assert len(answers) == 300
    assert broken.requests < 100


def test_a_single_endpoint_never_rests() -> None:
    tries = 0

    async def send(asked: Request) -> list[Answer]:
        nonlocal tries
        tries += 1
        if tries <= 6:
            raise gone()
        return completions(asked)

    start = time.monotonic()
    assert len(gathered(several(1), [send], max_attempts=7)) == 1
    # With rests it would be 31 s and more.
    assert time.monotonic() - start < 10


# Who answers


def test_several_endpoints_need_a_name_for_who_answers() -> None:
    with pytest.raises(RecipeError, match=r"teacher\.identity"):
        teacher(["http://one/v1", "http://two/v1"])


def test_who_answers_depends_on_neither_order_nor_number_of_endpoints() -> None:
    names = {
        both("http://one/v1", "http://two/v1").identity,
        both("http://two/v1", "http://one/v1").identity,
        both("http://three/v1").identity,
    }
    assert names == {"mine"}


def test_one_endpoint_in_a_list_is_named_as_one_that_stands_alone() -> None:
    assert teacher(["http://one/v1"]).identity == teacher("http://one/v1").identity


def test_each_address_is_shown_without_its_password() -> None:
    who = both("http://me:secret-1@127.0.0.1:81/one", "http://127.0.0.1:82/two?key=secret-2")
    assert "one" in repr(who)
    assert "two" in repr(who)
    assert "secret" not in repr(who)


def test_one_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(ValidationError, match="http://"):
        both("http://one/v1", "two:8000/v1")
