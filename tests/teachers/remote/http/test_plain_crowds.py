"""Tests of the plain client over many connections with faults of all kinds at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from support.byte_server import (
    ByteServer,
    Exchange,
    answer_to,
    assert_own_or_error,
    own,
    plain_client,
    post,
    trust_at_once,
    until,
    whole,
)

from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.http import HttpResponse

_OK = b"HTTP/1.1 200 OK\r\n"


async def _early(exchange: Exchange) -> object:
    # Before the next request is read.
    return await exchange.send(whole(exchange.number) + whole(10_000 + exchange.number))


async def _late(exchange: Exchange) -> None:
    await exchange.send(whole(exchange.number))
    await asyncio.sleep(0.001)
    if not exchange.is_asked():
        exchange.writer.write(whole(10_000 + exchange.number))


async def _close(exchange: Exchange) -> bool:
    return False


async def _close_after(exchange: Exchange) -> bool:
    await own(exchange)
    return False


async def _reset(exchange: Exchange) -> None:
    await exchange.send(whole(exchange.number)[:30])
    exchange.reset()


async def _half(exchange: Exchange) -> bool:
    await exchange.send(whole(exchange.number)[:45])
    return False


async def _error(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\n{}")


async def _slow(exchange: Exchange) -> None:
    for byte in whole(exchange.number):
        await exchange.send(bytes([byte]))


async def _end(exchange: Exchange) -> bool:
    await exchange.send(_OK + b"\r\n" + answer_to(exchange.number))
    return False


async def _garbage(exchange: Exchange) -> None:
    await exchange.send(b"\x00\xff no answer \r\n\r\n")


async def _interim(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 103 Hints\r\n\r\n" * 20 + whole(exchange.number))


FAULTS: list[Callable[[Exchange], Awaitable[object]]] = [
    *(own, own, own, own, _early, _late, _close, _close_after, _reset, _half, _error),
    *(_slow, _end, _garbage, Exchange.say_nothing, _interim),
]


async def ask_over_faults(
    seed: int, count: int, in_flight: int, faults: list[Callable[[Exchange], Awaitable[object]]]
) -> int:
    """Ask over connections with faults of all kinds; return the number of answers."""
    dice = random.Random(seed)
    answers = 0

    async def respond(exchange: Exchange) -> object:
        return await dice.choice(faults)(exchange)

    async def worker() -> None:
        nonlocal answers
        for number in numbers:
            response = await post(client, number)
            most_open.append(len(server.open))
            if isinstance(response, HttpResponse) and response.status == 503:
                continue
            if assert_own_or_error(response, number):
                answers += 1
            elif not isinstance(response, HttpResponse):
                assert isinstance(response, TransientError)
                assert response.billed is (False if response.reason == "unreachable" else None)

    numbers = iter(range(count))
    most_open: list[int] = []
    async with ByteServer(respond) as server, plain_client(server.url, timeout=0.3) as client:
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        await until(lambda: len(server.open) <= in_flight)
        # Both sides of a closing connection, for a moment.
        assert max(most_open) <= 3 * in_flight
        await client.close()
        await until(lambda: not server.open)
    return answers


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_trusted", [False, True])
def test_over_faults_of_all_kinds_each_request_gets_its_own_answer_or_an_error(
    monkeypatch: pytest.MonkeyPatch, seed: int, is_trusted: bool
) -> None:
    if is_trusted:
        trust_at_once(monkeypatch)
    assert asyncio.run(ask_over_faults(seed, 200, 32, FAULTS)) > 80


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_over_many_faults_on_uvloop_each_request_gets_its_own_answer_or_an_error(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    uvloop = pytest.importorskip("uvloop")
    if seed % 2:
        trust_at_once(monkeypatch)
    # uvloop writes at the end of a turn: whether a request is under way cannot be seen before.
    faults = [fault for fault in FAULTS if fault is not _late]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask_over_faults(seed, 1000, 64, faults)) > 400
