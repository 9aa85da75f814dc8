"""A server in the client's own event loop that writes arbitrary bytes, piece by piece.

One loop for both sides makes timing exact: a piece is read before the next one is written.
Requests are numbered by their bodies, ``{"number": 7}``, and answers repeat the number.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from synthkd.errors import TeacherError
from synthkd.recipe import TeacherPart
from synthkd.secrets import Url
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.endpoint import resolve_endpoint
from synthkd.teachers.remote.http import HttpClient, HttpResponse, reuse
from synthkd.teachers.remote.http.aiohttp_client import AiohttpClient
from synthkd.teachers.remote.http.plain_client import PlainClient

PATH = "/chat/completions"


class Exchange:
    """One connection, and its current request.

    Attributes:
        number: The number that the request's body holds.
        index: Requests on this connection, this one included.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.number = -1
        self.index = 0
        self.socket: socket.socket = writer.get_extra_info("socket")

    async def send(self, *pieces: bytes) -> None:
        """Write pieces, each after the client has read the one before."""
        for piece in pieces:
            if self.writer.is_closing():
                raise ConnectionError("the client has closed the connection")
            self.writer.write(piece)
            await self.writer.drain()
            # In the first turn of the loop the client is told, in the second it has read.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def send_endlessly(self, piece: bytes) -> None:
        while True:
            await self.send(piece)

    async def say_nothing(self) -> None:
        """Wait until the client ends the connection."""
        await self.reader.read()

    def half_close(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        """End the connection with a reset in place of an orderly end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def is_asked(self) -> bool:
        """Return True if the next request, or the client's end, waits to be read."""
        number = self.socket.fileno()
        return number < 0 or bool(select.select([number], [], [], 0)[0])


Respond = Callable[[Exchange], Awaitable[object]]


class ByteServer:
    """Calls ``respond`` for each request, and closes the connection if that returns False.

    Args:
        respond: Answers one request.
        greet: Called for a new connection before it is read.

    Attributes:
        connections: All connections so far.
        open: Connections that the client has not closed.
    """

    def __init__(self, respond: Respond, greet: Respond | None = None) -> None:
        self._respond, self._greet = respond, greet
        self.connections = 0
        self.open: set[Exchange] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> ByteServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        exchange = Exchange(reader, writer)
        self.connections += 1
        self.open.add(exchange)
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await self._answer_all(exchange)
        finally:
            self.open.discard(exchange)
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer_all(self, exchange: Exchange) -> None:
        if self._greet is not None:
            await self._greet(exchange)
        while True:
            head = await exchange.reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            exchange.number = json.loads(await exchange.reader.readexactly(size))["number"]
            exchange.index += 1
            if await self._respond(exchange) is False:
                return


def answer_to(number: int, **more: Any) -> bytes:
    """Return the content of the answer to a request."""
    return json.dumps({"number": number} | more).encode()


def whole(number: int) -> bytes:
    """Return a plain answer to a request."""
    content = answer_to(number)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)


async def own(exchange: Exchange) -> None:
    """Answer a request plainly."""
    await exchange.send(whole(exchange.number))


def trust_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use connections again at once, as they are once a server has been quiet for a while."""
    monkeypatch.setattr(reuse.Probation, "is_passed", True)
    monkeypatch.setattr(reuse.Probation, "keep_idle", lambda self, connection: True)


@asynccontextmanager
async def plain_client(url: str, **part: Any) -> AsyncIterator[PlainClient]:
    """Open the plain client of an address."""
    made = _part(url, part)
    client = PlainClient.of(resolve_endpoint(Url(url), made), made)
    assert client is not None
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def aiohttp_client(url: str, **part: Any) -> AsyncIterator[AiohttpClient]:
    """Open the client over aiohttp of an address."""
    made = _part(url, part)
    client = AiohttpClient(resolve_endpoint(Url(url), made), made, None)
    try:
        yield client
    finally:
        await client.close()


def _part(url: str, part: dict[str, Any]) -> TeacherPart:
    base: dict[str, Any] = {"backend": "openai", "model": "fake", "base_url": url, "timeout": 5}
    return TeacherPart.model_validate(base | part)


async def post(client: HttpClient, number: int, padding: str = "") -> HttpResponse | Exception:
    """Send a numbered request; return its response or error, and let nothing else be raised."""
    data = json.dumps({"number": number, "padding": padding}).encode()
    try:
        return await client.post(PATH, data)
    except TeacherError as error:
        return error


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Return the pieces of some bytes, cut at the places that lie within them."""
    within = sorted({place for place in places if 0 < place < len(data)})
    return [data[start:end] for start, end in zip([0, *within], [*within, len(data)], strict=True)]


def assert_own_or_error(response: HttpResponse | Exception, number: int) -> bool:
    """Check that a response is that of its request; return True for an answer."""
    if not isinstance(response, HttpResponse) or response.is_doubtful:
        return False
    assert json.loads(response.content)["number"] == number
    return True


async def until(condition: Callable[[], bool], seconds: float = 2.0) -> None:
    """Wait until both sides have noticed what happened."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition does not come true"
        await asyncio.sleep(0.002)


def is_lost(error: object) -> bool:
    """Return True for an error after which a request counts as possibly billed."""
    return isinstance(error, TransientError) and error.billed is None
