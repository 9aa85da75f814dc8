"""Tests of the plain client over mutated answers, beside aiohttp over the same bytes."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace

import httptools
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from support.answer_shapes import HEALTH, PHASES, shapes
from support.byte_server import (
    ByteServer,
    Exchange,
    aiohttp_client,
    cut,
    is_lost,
    plain_client,
    post,
    trust_at_once,
    whole,
)

from synthkd.teachers.remote.http import HttpResponse

_LINES = st.sampled_from(
    [b"Content-Length: 5", b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 0x5",
     b"Content-Length: 5, 5", b"Content-Length: 5 5", b"Content-Length: 99999999999999999999999",
     b"Content-Length: 9223372036854775807", b"Content-Length: 0", b"Content-Length:",
     b"Content-Length : 5", b" Content-Length: 5", b"Content-Length: 1_0", b"Content-Length: 05",
     b"Content_Length: 5", b"Content-Length\x00: 5", b"X: a\rContent-Length: 5",
     b"X: a\nContent-Length: 5", b"X: a\r\n Content-Length: 5", b"X: a\r\n\tb", b"\x00", b": x",
     b"no colon", b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked",
     b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked",
     b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: xchunked",
     b"Transfer-Encoding:\tchunked\t", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding:",
     b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked\r\n ,gzip",
     b"Connection: close", b"Connection: keep-alive, close", b"Connection: upgrade\r\nUpgrade: h2c",
     b"Content-Encoding: gzip", b"Content-Encoding: identity", b"Content-Encoding: br",
     b"Trailer: Content-Length", b"", b"HTTP/1.1 200 OK", b"HTTP/1.1 100 Continue\r\n",
     b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\n{}",
     b"HTTP/1.1 101 Changed\r\nUpgrade: x\r\nConnection: upgrade\r\n"]
)  # fmt: skip
_TOKENS = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b";", b",", b"-", b"+", b"0", b"0x", b'"',
     b"0" * 30, b"f" * 17, b"\x80", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"_",
     b"0\r\n\r\n", b"\x1f\x8b"]
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return an answer to request 0 with a few things wrong."""
    shape = draw(shapes)
    # Short, so that mutations hit the framing.
    data = replace(shape, content=shape.content[:5]).wire(0)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["line", "line", "byte", "insert", "delete", "double", "end"]))
        if kind == "line":
            lines = data.split(b"\r\n")
            lines.insert(draw(st.integers(0, min(6, len(lines)))), draw(_LINES))
            data = b"\r\n".join(lines)
        elif kind == "byte":
            data = data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]
        elif kind == "insert":
            data = data[:place] + draw(_TOKENS) + data[place:]
        elif kind == "delete":
            data = data[:place] + data[place + draw(st.integers(1, 4)) :]
        elif kind == "double":
            lines = data.split(b"\r\n")
            line = draw(st.integers(0, len(lines) - 1))
            data = b"\r\n".join([*lines[: line + 1], *lines[line:]])
        else:
            data += draw(_TOKENS)
    return data


@settings(max_examples=150, phases=PHASES, suppress_health_check=HEALTH)
@given(data=mutated(), places=st.lists(st.integers(1, 300), max_size=2))
def test_a_mutated_answer_is_an_error_or_what_aiohttp_makes_of_it_and_hurts_no_other_request(
    monkeypatch: pytest.MonkeyPatch, data: bytes, places: list[int]
) -> None:
    trust_at_once(monkeypatch)
    assert_sound(data, places)


def end_of_answer(data: bytes) -> int:
    """Return the place at which the first answer that is not an interim one ends."""

    class Ends:
        def on_message_complete(self) -> None:
            if parser.get_status_code() >= 200:
                ends.append(place)

    ends: list[int] = []
    parser = httptools.HttpResponseParser(Ends())
    with suppress(httptools.HttpParserError):
        for place in range(1, len(data) + 1):
            parser.feed_data(data[place - 1 : place])
    return ends[0] if ends else len(data)


def assert_sound(data: bytes, places: list[int]) -> None:
    """Ask twice: the first answer is ``data``, the second one a valid one."""
    sent = data

    async def respond(exchange: Exchange) -> bool:
        if exchange.number == 1:
            await exchange.send(whole(1))
            return True
        await exchange.send(*cut(sent, places))
        # Another request may follow; otherwise the end of the connection ends the answer.
        for _ in range(4):
            await asyncio.sleep(0.002)
            if exchange.is_asked():
                return True
        return False

    async def go() -> None:
        nonlocal sent
        async with ByteServer(respond) as server:
            async with plain_client(server.url, timeout=2) as client:
                first, second = await post(client, 0), await post(client, 1)
            async with aiohttp_client(server.url, timeout=2) as client:
                other = await post(client, 0)
                if not isinstance(other, HttpResponse) and (end := end_of_answer(sent)) < len(sent):
                    # aiohttp refuses an answer if anything follows it at once.
                    sent = sent[:end]
                    other = await post(client, 0)
        event(type(first).__name__)
        if isinstance(first, HttpResponse) and not first.is_doubtful:
            assert isinstance(other, HttpResponse), (first, other)
            assert (first.status, first.content) == (other.status, other.content)
        elif not isinstance(first, HttpResponse):
            assert is_lost(first)
        if isinstance(second, HttpResponse) and not second.is_doubtful:
            assert json.loads(second.content)["number"] == 1

    asyncio.run(go())


@settings(max_examples=100, phases=PHASES, suppress_health_check=HEALTH)
@given(data=st.binary(max_size=200))
def test_any_bytes_as_an_answer_are_an_error_or_what_aiohttp_makes_of_them(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    trust_at_once(monkeypatch)
    assume(data)
    assert_sound(b"HTTP/1.1 200 OK\r\n" + data, [])
