"""Tests of the plain client over answers that are cut into pieces or truncated."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answer_shapes import EACH, HEALTH, IDS, PHASES, Shape, shapes
from support.byte_server import (
    ByteServer,
    Exchange,
    cut,
    is_lost,
    plain_client,
    post,
    trust_at_once,
    whole,
)

from synthkd.teachers.remote.http import HttpResponse
from synthkd.teachers.remote.http.plain_connection import PlainConnection


async def ask(server: ByteServer, count: int = 1) -> list[HttpResponse | Exception]:
    """Ask the plain client one request after the other."""
    async with plain_client(server.url) as client:
        return [await post(client, number) for number in range(count)]


def assert_own(response: HttpResponse | Exception, shape: Shape, number: int) -> None:
    assert isinstance(response, HttpResponse), response
    assert (response.status, response.content) == (shape.status, shape.content_of(number))
    assert not response.is_doubtful


# Every way to cut an answer


@settings(max_examples=120, phases=PHASES, suppress_health_check=HEALTH)
@given(shape=shapes, places=st.lists(st.integers(1, 400), max_size=12))
def test_an_answer_is_the_same_however_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, shape: Shape, places: list[int]
) -> None:
    trust_at_once(monkeypatch)

    async def respond(exchange: Exchange) -> bool:
        await exchange.send(*cut(shape.wire(exchange.number), places))
        return shape.framing != "end"

    async def go() -> None:
        async with ByteServer(respond) as server:
            for number, response in enumerate(await ask(server, 3)):
                assert_own(response, shape, number)

    asyncio.run(go())


@pytest.mark.parametrize("shape", EACH, ids=IDS)
def test_an_answer_is_the_same_cut_at_every_single_place(
    monkeypatch: pytest.MonkeyPatch, shape: Shape
) -> None:
    trust_at_once(monkeypatch)
    size = len(shape.wire(0))

    async def respond(exchange: Exchange) -> None:
        # Request 0 comes in one piece, the last one byte by byte.
        last = exchange.number == size
        places = range(size) if last else (exchange.number,)
        await exchange.send(*cut(shape.wire(exchange.number), places))

    async def go() -> None:
        async with ByteServer(respond) as server:
            for number, response in enumerate(await ask(server, size + 1)):
                assert_own(response, shape, number)

    asyncio.run(go())


def test_the_server_of_these_tests_cuts_what_the_client_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received, pieces = PlainConnection.data_received, []

    def count(self: PlainConnection, data: bytes) -> None:
        pieces.append(data)
        received(self, data)

    monkeypatch.setattr(PlainConnection, "data_received", count)

    async def go() -> None:
        async with ByteServer(lambda one: one.send(*cut(whole(0), range(99)))) as server:
            await ask(server)

    asyncio.run(go())
    assert pieces == [bytes([byte]) for byte in whole(0)]


# Truncated answers


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("shape", EACH, ids=IDS)
def test_an_answer_that_ends_early_at_any_byte_is_an_error_of_unknown_cost(
    shape: Shape, ending: str
) -> None:
    size = len(shape.wire(0))

    async def respond(exchange: Exchange) -> bool:
        await exchange.send(shape.wire(0)[: exchange.number])
        if ending == "reset":
            exchange.reset()
        return False

    async def go() -> None:
        async with ByteServer(respond) as server:
            for number, response in enumerate(await ask(server, size)):
                assert is_lost(response), (number, response)

    asyncio.run(go())


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_body_without_length_ends_with_the_connection_unless_it_is_reset(encoding: str) -> None:
    shape = Shape("end", encoding)
    wire = shape.wire(0)
    head = wire.index(b"\r\n\r\n") + 4

    async def respond(exchange: Exchange) -> bool:
        place, is_reset = divmod(exchange.number, 2)
        await exchange.send(wire[:place])
        if is_reset:
            exchange.reset()
        return False

    async def go() -> None:
        async with ByteServer(respond) as server:
            for number, response in enumerate(await ask(server, 2 * len(wire) + 1)):
                place, is_reset = divmod(number, 2)
                # An encoded body tells by itself that it is not whole.
                is_over = place in (head, len(wire)) or (place > head and not encoding)
                if is_over and not is_reset:
                    assert isinstance(response, HttpResponse)
                    expected = shape.content_of(0) if place == len(wire) else wire[head:place]
                    assert response.content == expected
                else:
                    assert is_lost(response), (number, response)

    asyncio.run(go())


def test_a_client_that_is_closed_takes_no_part_of_a_body_without_length_for_a_whole() -> None:
    async def go() -> None:
        async with ByteServer(respond) as server, plain_client(server.url) as client:
            asked = asyncio.ensure_future(post(client, 0))
            await sent.wait()
            await client.close()
            assert is_lost(await asked)

    async def respond(exchange: Exchange) -> None:
        await exchange.send(b'HTTP/1.1 200 OK\r\n\r\n{"number": 0')
        sent.set()
        await asyncio.sleep(60)

    sent = asyncio.Event()
    asyncio.run(go())
