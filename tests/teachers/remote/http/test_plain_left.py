"""Tests that no connection of the plain client is left behind, whatever ends its request."""

from __future__ import annotations

import asyncio
import gzip
import logging
import random
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
)

from synthkd.teachers.remote.http import HttpClient, HttpResponse

_OK = b"HTTP/1.1 200 OK\r\n"


FAILING: dict[str, Callable[[Exchange], Awaitable[object]]] = {
    "not-decoded": lambda one: one.send(
        _OK + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + gzip.compress(b"{}")[:20]
    ),
    "not-decoded-chunks": lambda one: one.send(
        _OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\na\r\n"
        + gzip.compress(b"{}")[:10] + b"\r\n0\r\n\r\n"
    ),
    "unknown-encoding": lambda one: one.send(
        _OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "too-large": lambda one: one.send(_OK + b"Content-Length: 9999999\r\n\r\n" + b" " * 2_000_000),
    "no-http": lambda one: one.send(b"SSH-2.0-x\r\n"),
    "changed": lambda one: one.send(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    "timeout": Exchange.say_nothing,
    "cut-error": lambda one: one.send(b"HTTP/1.1 500 X\r\n\r\n" + b"x" * 300_000),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_no_connection_of_a_failed_answer_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    trust_at_once(monkeypatch)
    respond = FAILING[name]

    async def go() -> None:
        options = {"timeout": 0.1, "max_answer_megabytes": 1}
        async with ByteServer(respond) as server, plain_client(server.url, **options) as client:
            for number in range(4):
                response = await post(client, number)
                assert not isinstance(response, HttpResponse) or response.status == 500
            # A body that does not decode may still have ended where its framing says.
            await until(lambda: len(server.open) <= ("not-decoded" in name))

    asyncio.run(go())


def test_requests_that_are_abandoned_at_any_moment_close_their_connections_and_are_not_sent_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trust_at_once(monkeypatch)
    asked: list[int] = []

    async def respond(exchange: Exchange) -> None:
        asked.append(exchange.number)
        await (exchange.say_nothing() if exchange.number else own(exchange))

    async def go() -> None:
        for turns in range(1, 12):
            async with ByteServer(respond) as server, plain_client(server.url) as client:
                # One is sent on a connection that is used again, the others on new ones.
                assert assert_own_or_error(await post(client, 0), 0)
                tasks = [asyncio.ensure_future(post(client, number)) for number in range(1, 6)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                client.abandon()
                await asyncio.wait(tasks)
                await until(lambda: not server.open)
                before = len(asked)
                await asyncio.sleep(0.01)
                assert len(asked) == before

    asyncio.run(go())
    assert max(asked) == 5


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), is_trusted=st.booleans())
def test_requests_that_are_left_at_random_moments_cost_no_other_request_its_answer(
    seed: int, is_trusted: bool
) -> None:
    dice = random.Random(seed)

    async def respond(exchange: Exchange) -> None:
        content = answer_to(exchange.number)
        pieces = [_OK, b"Content-Length: %d\r\n" % len(content), b"\r\n", content[:5], content[5:]]
        for piece in pieces:
            await exchange.send(piece)
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)

    async def left(client: HttpClient, number: int) -> None:
        task = asyncio.ensure_future(post(client, number))
        for _ in range(dice.randrange(25)):
            await asyncio.sleep(0)
        task.cancel()
        try:
            assert_own_or_error(await task, number)
        except asyncio.CancelledError:
            cancelled.append(number)

    async def kept(client: HttpClient, number: int) -> None:
        assert assert_own_or_error(await post(client, number), number)

    async def go() -> None:
        async with ByteServer(respond) as server, plain_client(server.url) as client:
            for start in range(0, 40, 8):
                await asyncio.gather(
                    *((left if dice.random() < 0.6 else kept)(client, start + n) for n in range(8))
                )
            # An answer that nobody waits for any more ends the use of its connection.
            await asyncio.gather(*(kept(client, 40 + number) for number in range(8)))
            await client.close()
            await until(lambda: not server.open)

    cancelled: list[int] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        if is_trusted:
            trust_at_once(monkeypatch)
        asyncio.run(go())
    assert cancelled


def test_a_request_that_is_left_as_it_fails_leaves_nothing_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def respond(exchange: Exchange) -> bool:
        await exchange.send(_OK)
        return False

    async def go() -> None:
        async with ByteServer(respond) as server, plain_client(server.url) as client:
            for turns in range(40):
                task = asyncio.ensure_future(post(client, 0))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                del task
            await asyncio.sleep(0.01)

    with caplog.at_level(logging.WARNING, "asyncio"):
        asyncio.run(go())
    assert caplog.records == []
