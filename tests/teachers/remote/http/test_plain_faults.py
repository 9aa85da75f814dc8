"""Tests of the plain client over connections that break, linger, say too much or are left."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.byte_server import (
    ByteServer,
    Exchange,
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


# What the cost of a broken request is


def broken(response: HttpResponse | Exception) -> TransientError:
    assert isinstance(response, TransientError), response
    assert response.reason == "connection"
    return response


def test_a_connection_that_is_closed_or_reset_after_the_request_may_have_cost() -> None:
    async def respond(exchange: Exchange) -> bool:
        if exchange.number:
            exchange.reset()
        return False

    async def go() -> None:
        async with ByteServer(respond) as server, plain_client(server.url) as client:
            for number in range(2):
                assert broken(await post(client, number)).billed is None

    asyncio.run(go())


@pytest.mark.parametrize("ending", ["close", "reset", "quiet", "answer"])
def test_a_request_that_was_not_written_completely_cost_nothing(ending: str) -> None:
    async def greet(exchange: Exchange) -> None:
        # More than the sockets hold is left unread.
        await exchange.reader.readexactly(10)
        exchange.writer.transport.pause_reading()  # type: ignore[attr-defined]
        if ending == "answer":
            await exchange.send(whole(0))
            await asyncio.sleep(0.1)
        elif ending == "quiet":
            await asyncio.sleep(1)
        elif ending == "reset":
            exchange.reset()
        raise EOFError

    async def go() -> None:
        async with (
            ByteServer(own, greet) as server,
            plain_client(server.url, timeout=0.5) as client,
        ):
            response = await post(client, 0, padding="x" * 20_000_000)
            if ending == "answer":
                # It came before the request: nobody knows what it answers.
                assert isinstance(response, HttpResponse)
                assert response.is_doubtful
                return
            assert isinstance(response, TransientError)
            assert response.reason == ("timeout" if ending == "quiet" else "connection")
            assert response.billed is False

    asyncio.run(go())


def test_an_address_that_accepts_and_closes_at_once_cost_nothing() -> None:
    async def greet(exchange: Exchange) -> None:
        raise EOFError

    async def go() -> None:
        async with ByteServer(own, greet) as server, plain_client(server.url) as client:
            for number in range(5):
                error = broken(await post(client, number))
                # The end may be noticed before or after the request is written.
                assert error.billed in (False, None)
            await until(lambda: not server.open)

    asyncio.run(go())


def test_an_address_that_accepts_and_never_answers_costs_its_time_only() -> None:
    async def go() -> None:
        async with (
            ByteServer(Exchange.say_nothing) as server,
            plain_client(server.url, timeout=0.2) as client,
        ):
            start = time.monotonic()
            found = await asyncio.gather(*(post(client, number) for number in range(50)))
            assert time.monotonic() - start < 1.5
            await until(lambda: not server.open)
        for error in found:
            assert isinstance(error, TransientError)
            assert (error.reason, error.billed) == ("timeout", None)

    asyncio.run(go())


# Answers from before the request, and surplus ones


def test_an_answer_that_waits_on_a_new_connection_is_nobodys() -> None:
    async def greet(exchange: Exchange) -> None:
        await exchange.send(whole(99))

    async def go() -> None:
        async with ByteServer(own, greet) as server, plain_client(server.url) as client:
            for number in range(10):
                response = await post(client, number)
                assert not assert_own_or_error(response, 99) if number == 99 else True
                assert_own_or_error(response, number)

    asyncio.run(go())


@pytest.mark.parametrize("ending", ["keep", "half-close"])
def test_an_answer_to_the_head_of_a_long_request_is_doubtful_and_ends_the_connection(
    ending: str,
) -> None:
    async def greet(exchange: Exchange) -> None:
        head = await exchange.reader.readuntil(b"\r\n\r\n")
        assert head
        exchange.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await exchange.send(whole(0))
        if ending == "half-close":
            exchange.half_close()
        await asyncio.sleep(0.05)
        raise EOFError

    async def go() -> None:
        async with ByteServer(own, greet) as server, plain_client(server.url) as client:
            response = await post(client, 0, padding="x" * 20_000_000)
            assert isinstance(response, HttpResponse)
            assert response.is_doubtful
            await until(lambda: not server.open)

    asyncio.run(go())


def test_an_answer_before_a_half_close_counts_and_the_connection_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trust_at_once(monkeypatch)

    async def respond(exchange: Exchange) -> None:
        await exchange.send(whole(exchange.number))
        exchange.half_close()

    async def go() -> None:
        async with ByteServer(respond) as server, plain_client(server.url) as client:
            for number in range(5):
                assert assert_own_or_error(await post(client, number), number)
            assert server.connections == 5
            await until(lambda: not server.open)

    asyncio.run(go())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pauses=st.lists(st.sampled_from([-1, 0, 0, 1, 2, 3, 8]), min_size=4, max_size=16),
    waits=st.lists(st.integers(0, 4), min_size=16, max_size=16),
    is_trusted=st.booleans(),
)
def test_surplus_answers_on_idle_connections_go_to_no_request(
    pauses: list[int], waits: list[int], is_trusted: bool
) -> None:
    async def respond(exchange: Exchange) -> None:
        pause = pauses[exchange.number]
        surplus = whole(1000 + exchange.number)
        if pause < 0:
            await exchange.send(whole(exchange.number) + surplus)
            return
        await exchange.send(whole(exchange.number))
        for _ in range(pause):
            await asyncio.sleep(0)
        # While a request is under way, no client can tell a surplus answer from its answer.
        if pause and not exchange.is_asked():
            exchange.writer.write(surplus)

    async def go() -> None:
        async with ByteServer(respond) as server, plain_client(server.url) as client:
            for number, wait in zip(range(len(pauses)), waits, strict=False):
                response = await post(client, number)
                assert_own_or_error(response, number)
                for _ in range(wait):
                    await asyncio.sleep(0)

    with pytest.MonkeyPatch.context() as monkeypatch:
        if is_trusted:
            trust_at_once(monkeypatch)
        asyncio.run(go())


@pytest.mark.parametrize("pause", [0, 1, 2, 5])
def test_a_server_that_closes_idle_connections_costs_at_most_the_request_that_reuses_one(
    monkeypatch: pytest.MonkeyPatch, pause: int
) -> None:
    trust_at_once(monkeypatch)

    async def respond(exchange: Exchange) -> bool:
        await exchange.send(whole(exchange.number))
        for _ in range(pause):
            await asyncio.sleep(0)
        return exchange.index < 3

    async def go() -> None:
        async with ByteServer(respond) as server, plain_client(server.url) as client:
            answers = 0
            for number in range(60):
                response = await post(client, number)
                answers += assert_own_or_error(response, number)
                if not isinstance(response, HttpResponse):
                    assert broken(response).billed is None
            assert answers >= 40
            await until(lambda: len(server.open) <= 1)

    asyncio.run(go())
