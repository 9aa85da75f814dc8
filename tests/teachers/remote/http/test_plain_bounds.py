"""Tests that whatever a server sends, the plain client's memory and time are bounded."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable

import pytest
from support.byte_server import ByteServer, Exchange, answer_to, plain_client, post, trust_at_once

from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.http import HttpResponse

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
#: Bytes of a decoded body at most, in these tests.
_MOST = 150_000


def start_then(start: bytes, piece: bytes) -> Callable[[Exchange], Awaitable[object]]:
    """Return an answer that begins, and goes on with one piece without end."""

    async def respond(exchange: Exchange) -> None:
        await exchange.send(start)
        await exchange.send_endlessly(piece)

    return respond


def in_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def bomb(megabytes: int, bits: int = 31) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(megabytes)) + packer.flush()


def answer_with(body: bytes, *head: bytes) -> Callable[[Exchange], Awaitable[object]]:
    lines = b"\r\n".join([*head, b"Content-Length: %d" % len(body)])
    return lambda exchange: exchange.send(_OK + lines + b"\r\n\r\n" + body)


def peak_of(
    respond: Callable[[Exchange], Awaitable[object]], **part: object
) -> tuple[HttpResponse | Exception, int]:
    """Ask once; return the response or error, and the bytes that were taken at the peak."""

    async def go() -> HttpResponse | Exception:
        options = {"max_answer_megabytes": _MOST / 1e6, "timeout": 20} | part
        async with ByteServer(respond) as server, plain_client(server.url, **options) as client:
            tracemalloc.reset_peak()
            start, _ = tracemalloc.get_traced_memory()
            response = await post(client, 0)
            peaks.append(tracemalloc.get_traced_memory()[1] - start)
            return response

    peaks: list[int] = []
    tracemalloc.start()
    try:
        return asyncio.run(go()), peaks[0]
    finally:
        tracemalloc.stop()


_LINE = b"X-Header: value\r\n"
UNKNOWN = {
    "many-headers": start_then(_OK, _LINE * 100),
    "tiny-headers": start_then(_OK, b"a:\r\n" * 100),
    "one-long-header": start_then(_OK + b"X: ", b"x" * 5000),
    "one-long-name": start_then(_OK, b"x" * 5000),
    "one-long-reason": start_then(b"HTTP/1.1 200 ", b"x" * 5000),
    "blank-lines": start_then(b"", b"\r\n" * 1000),
    "interim-answers": start_then(b"", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" * 50),
    "continues": start_then(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "interim-with-headers": start_then(b"HTTP/1.1 103 Hints\r\n", _LINE * 100),
    "chunk-extension": start_then(_CHUNKED + b"1;", b"x" * 5000),
    "quoted-extension": start_then(_CHUNKED + b'1;x="', b"x" * 5000),
    "extensions-of-chunks": start_then(_CHUNKED, b"1;x=%b\r\n \r\n" % (b"x" * 200)),
    "trailers": start_then(_CHUNKED + b"1\r\n \r\n0\r\n", _LINE * 100),
    "one-long-trailer": start_then(_CHUNKED + b"1\r\n \r\n0\r\nX: ", b"x" * 5000),
    "trailers-of-a-large-body": start_then(
        _CHUNKED + in_chunk(b" " * (_MOST - 1)) + b"0\r\n", b"a:\r\n" * 1000
    ),
    "long-trailer-of-a-large-body": start_then(
        _CHUNKED + in_chunk(b" " * (_MOST - 1)) + b"0\r\nX: ", b"x" * 20_000
    ),
    "whole-head-too-large": lambda exchange: exchange.send(
        _OK + b"X: %b\r\nContent-Length: 2\r\n\r\n{}" % (b"x" * 70_000)
    ),
}


@pytest.mark.parametrize("respond", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_bytes_around_a_body_without_end_are_cut_off(
    respond: Callable[[Exchange], Awaitable[object]],
) -> None:
    response, peak = peak_of(respond)
    assert isinstance(response, TransientError)
    assert (response.reason, response.billed) == ("connection", None)
    assert peak < 2 * _MOST + 1_000_000


LARGE = {
    "one-byte-chunks": start_then(_CHUNKED, b"1\r\n \r\n" * 500),
    "two-byte-chunks": start_then(_CHUNKED, b"2\r\n  \r\n" * 500),
    "chunks": start_then(_CHUNKED, in_chunk(b" " * 65536)),
    "no-length": start_then(_OK + b"\r\n", b" " * 65536),
    "length": start_then(_OK + b"Content-Length: 999999999999\r\n\r\n", b" " * 65536),
    "one-huge-chunk": start_then(_CHUNKED + b"ffffffffffffff\r\n", b" " * 65536),
    "gzip": answer_with(bomb(20), b"Content-Encoding: gzip"),
    "deflate": answer_with(bomb(20, 15), b"Content-Encoding: deflate"),
    "raw-deflate": answer_with(bomb(20, -15), b"Content-Encoding: deflate"),
    "members": answer_with(gzip.compress(b" " * 2000) * 900, b"Content-Encoding: gzip"),
    "empty-members": answer_with(gzip.compress(b"") * 2000, b"Content-Encoding: gzip"),
    "gzip-in-chunks": start_then(
        _OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        in_chunk(bomb(5)[:4000]),
    ),
}


@pytest.mark.parametrize("respond", LARGE.values(), ids=LARGE.keys())
def test_a_body_beyond_its_bound_is_a_bad_response_and_takes_no_more_than_a_few_times_the_bound(
    respond: Callable[[Exchange], Awaitable[object]],
) -> None:
    response, peak = peak_of(respond)
    assert isinstance(response, TransientError)
    assert (response.reason, response.billed) == ("bad_response", None)
    assert peak < 4 * _MOST + 1_000_000


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_body_in_tiny_chunks_takes_no_more_than_a_few_times_its_size(size: int) -> None:
    content = b" " * (_MOST - 1000)
    pieces = (in_chunk(content[at : at + size]) for at in range(0, len(content), size))

    async def respond(exchange: Exchange) -> None:
        await exchange.send(_CHUNKED)
        while some := b"".join(itertools.islice(pieces, 500)):
            await exchange.send(some)
        await exchange.send(b"0\r\n\r\n")

    response, peak = peak_of(respond)
    assert isinstance(response, HttpResponse)
    assert response.content == content
    assert peak < 4 * _MOST + 1_000_000


ENDLESS_ERRORS = {
    "no-length": start_then(b"HTTP/1.1 500 X\r\n\r\nno room ", b"x" * 65536),
    "length": start_then(
        b"HTTP/1.1 400 X\r\nContent-Length: 9999999999\r\n\r\nno room ", b"x" * 999
    ),
    "chunks": start_then(
        b"HTTP/1.1 404 X\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunk(b"no room "),
        in_chunk(b"x" * 10_000),
    ),
    "gzip": lambda exchange: exchange.send(
        b"HTTP/1.1 503 X\r\nContent-Encoding: gzip\r\n\r\n"
        + gzip.compress(b"no room " + b"x" * 9**6)
    ),
}


@pytest.mark.parametrize("respond", ENDLESS_ERRORS.values(), ids=ENDLESS_ERRORS.keys())
def test_an_error_without_end_is_read_as_far_as_its_bound(
    respond: Callable[[Exchange], Awaitable[object]],
) -> None:
    response, peak = peak_of(respond)
    assert isinstance(response, HttpResponse)
    assert response.status >= 400
    assert response.content.startswith(b"no room x")
    assert len(response.content) == 256 * 1024
    # The server, in this process too, holds one of them.
    assert peak < 3_000_000


SLOW = {
    "nothing": start_then(b"", b""),
    "head": start_then(_OK, b"X: y\r\n"),
    "body": start_then(_OK + b"Content-Length: 999\r\n\r\n", b" "),
    "interim": start_then(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "error": start_then(b"HTTP/1.1 500 X\r\n\r\n", b" "),
    "empty-blocks": start_then(_OK + b"Content-Encoding: deflate\r\n\r\n", b"\x00\x00\x00\xff\xff"),
    "empty-members": start_then(
        _OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"
    ),
}


@pytest.mark.parametrize("respond", SLOW.values(), ids=SLOW.keys())
def test_an_answer_that_drips_ends_with_its_time(
    respond: Callable[[Exchange], Awaitable[object]],
) -> None:
    async def drip(exchange: Exchange) -> None:
        exchange.send_endlessly = slowly  # type: ignore[method-assign]
        dripping.append(exchange)
        await respond(exchange)

    async def slowly(piece: bytes) -> None:
        while True:
            await dripping[0].send(piece)
            await asyncio.sleep(0.01)

    dripping: list[Exchange] = []
    start = time.monotonic()
    response, _ = peak_of(drip, timeout=0.3)
    assert isinstance(response, TransientError)
    assert (response.reason, response.billed) == ("timeout", None)
    assert 0.25 < time.monotonic() - start < 2


def test_empty_blocks_at_full_speed_take_no_memory_until_the_time_ends() -> None:
    # Each is a piece of the body that decodes to nothing.
    block = in_chunk(b"\x00\x00\x00\xff\xff")
    head = _OK + b"Content-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
    response, peak = peak_of(start_then(head, block * 1000), timeout=0.5)
    assert isinstance(response, TransientError)
    assert response.reason == "timeout"
    assert peak < 1_000_000


@pytest.mark.parametrize("is_left", [False, True])
def test_idle_connections_do_not_hold_the_bodies_of_their_answers(
    monkeypatch: pytest.MonkeyPatch, is_left: bool
) -> None:
    trust_at_once(monkeypatch)
    padding = "x" * 500_000

    async def respond(exchange: Exchange) -> None:
        asked.append(exchange.number)
        while len(asked) < 20:
            await asyncio.sleep(0)
        if is_left:
            tasks[exchange.number].cancel()
        body = answer_to(exchange.number, padding=padding)
        await exchange.send(_OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def go() -> int:
        async with ByteServer(respond) as server, plain_client(server.url) as client:
            before, _ = tracemalloc.get_traced_memory()
            tasks.extend(asyncio.ensure_future(post(client, number)) for number in range(20))
            await asyncio.wait(tasks)
            assert [task.cancelled() for task in tasks] == [is_left] * 20
            tasks.clear()
            await asyncio.sleep(0.05)
            assert len(server.open) == 20
            return tracemalloc.get_traced_memory()[0] - before

    asked: list[int] = []
    tasks: list[asyncio.Task[HttpResponse | Exception]] = []
    tracemalloc.start()
    try:
        assert asyncio.run(go()) < 3_000_000
    finally:
        tracemalloc.stop()


def test_many_bombs_side_by_side_stay_within_the_bound_of_each() -> None:
    packed = bomb(30)
    respond = answer_with(packed, b"Content-Encoding: gzip")

    async def go() -> int:
        async with (
            ByteServer(respond) as server,
            plain_client(server.url, max_answer_megabytes=0.2) as client,
        ):
            before, _ = tracemalloc.get_traced_memory()
            found = await asyncio.gather(*(post(client, number) for number in range(16)))
            assert all(
                isinstance(error, TransientError) and error.reason == "bad_response"
                for error in found
            )
            return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        assert asyncio.run(go()) < 16 * 1_000_000
    finally:
        tracemalloc.stop()
