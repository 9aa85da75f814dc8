"""Tests of the dispatcher with any backend: all is answered, within bounds, nothing left behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from support.dispatch import QUICK, completions, echo, gather, request, several

from synthkd.requests import Answer, Request
from synthkd.teachers.dispatch import dispatch


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
