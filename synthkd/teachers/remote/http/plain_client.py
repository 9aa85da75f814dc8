"""A pool of plain HTTP/1.1 connections to one address, on `asyncio.Protocol` and httptools.

Where rates are high (a server of one's own in the same network), a general client costs more time
than the rest of the engine: per request 167 µs with aiohttp, 82 with one in Rust, 32 here
(`python -m benchmarks generate --only wire`).
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from multidict import CIMultiDict

from synthkd.teachers.remote.http.bounded_body import ACCEPTED_ENCODINGS
from synthkd.teachers.remote.http.contract import (
    CONNECT_SECONDS,
    HttpResponse,
    UnknownAnswerError,
)
from synthkd.teachers.remote.http.failures import broken, timed_out, unreachable
from synthkd.teachers.remote.http.plain_connection import BrokenConnectionError, PlainConnection
from synthkd.teachers.remote.http.reuse import KEEP_ALIVE, Probation
from synthkd.teachers.remote.http.timeouts import Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable

    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.endpoint import Endpoint

#: What a header and a target may hold, so that nothing in them ends a line (RFC 9110, 5.5 and 5.6).
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_TARGET = re.compile(r"/[\x21-\x7e]*")
_HOST = re.compile(r"[0-9A-Za-z.\-]+|[0-9A-Fa-f:.]+")
#: Headers that the client writes itself.
_OWN = frozenset(["host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"])


class PlainClient:
    """Posts to one address. The scheduler bounds the number of connections."""

    def __init__(self, endpoint: Endpoint, part: TeacherPart, host: str, port: int) -> None:
        self._endpoint, self._host, self._port = endpoint, host, port
        self._timeout = part.timeout
        self._connect_timeout = min(CONNECT_SECONDS, 0.9 * part.timeout)
        self._max_bytes = int(part.max_answer_megabytes * 1e6)
        self._loop = asyncio.get_running_loop()
        self._deadlines: Deadlines[PlainConnection] = Deadlines(
            self._loop, self._timeout, self._time_out
        )
        self._heads: dict[str, bytes] = {}
        self._connections: set[PlainConnection] = set()
        #: Requests on new connections, which may not be made yet.
        self._connecting: set[asyncio.Task[HttpResponse]] = set()
        #: Connections without a request, in the order of their last answers.
        self._idle: dict[PlainConnection, None] = {}
        #: True as long as a connection may be used for more than one request.
        self._reuses = True
        self._probation = Probation()
        #: Called once the server has answered in a way that this client does not know.
        self.on_unknown_answer: Callable[[], None] = _do_nothing

    @classmethod
    def of(cls, endpoint: Endpoint, part: TeacherPart) -> PlainClient | None:
        """Return a client; None if the address or the headers need another one."""
        url = urlsplit(endpoint.url("/"))
        host = url.hostname or ""
        target = url.path + (f"?{url.query}" if url.query else "")
        if url.scheme != "http" or not _HOST.fullmatch(host) or not _TARGET.fullmatch(target):
            return None
        for name, value in endpoint.headers.items():
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name.lower() in _OWN:
                return None
        return cls(endpoint, part, host, url.port or 80)

    def post(self, path: str, data: bytes) -> asyncio.Future[HttpResponse]:
        start = self._loop.time()
        head = self._heads.get(path) or self._make_head(path)
        request = b"%b%d\r\n\r\n%b" % (head, len(data), data)
        connection = self._take(start)
        if connection is None:
            task = self._loop.create_task(self._post_on_new(request, start))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
            return task
        return self._send(connection, request, start)

    async def _post_on_new(self, request: bytes, start: float) -> HttpResponse:
        return await self._send(await self._connect(), request, start)

    def _send(
        self, connection: PlainConnection, request: bytes, start: float
    ) -> asyncio.Future[HttpResponse]:
        connection.slot = self._deadlines.add(connection, start)
        waiter: asyncio.Future[HttpResponse] = self._loop.create_future()
        connection.send(request, waiter)
        return waiter

    def abandon(self) -> None:
        for task in self._connecting:
            task.cancel()
        for connection in [one for one in self._connections if one.is_busy]:
            connection.close()

    async def close(self) -> None:
        self._deadlines.close()
        for connection in list(self._connections):
            connection.close()
        # Closed sockets are reported in the next turn of the loop.
        await asyncio.sleep(0)

    def _make_head(self, path: str) -> bytes:
        url = urlsplit(self._endpoint.url(path))
        target = url.path + (f"?{url.query}" if url.query else "")
        host = f"[{self._host}]" if ":" in self._host else self._host
        headers = CIMultiDict({"Accept-Encoding": ACCEPTED_ENCODINGS, "User-Agent": "synthkd"})
        headers.update(self._endpoint.headers)
        lines = [
            f"POST {target} HTTP/1.1",
            f"Host: {host}" + (f":{self._port}" if self._port != 80 else ""),
            *(f"{name}: {value}" for name, value in headers.items()),
            "Content-Length: ",
        ]
        head = self._heads[path] = "\r\n".join(lines).encode("ascii")
        return head

    def _take(self, now: float) -> PlainConnection | None:
        """Return an idle connection without data on its socket; None if there is none."""
        if not self._idle or not self._reuses:
            return None
        if not self._probation.is_over:
            if not self._probation.is_passed:
                return None
            self._probation.is_over = True
        while self._idle:
            connection, _ = self._idle.popitem()
            if (
                connection.is_connected()
                and now - connection.idle_since < KEEP_ALIVE
                and connection.is_quiet()
            ):
                return connection
            connection.close()
        return None

    async def _connect(self) -> PlainConnection:
        def make() -> PlainConnection:
            return PlainConnection(self, self._max_bytes)

        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await self._loop.create_connection(make, self._host, self._port)
        except (OSError, TimeoutError, UnicodeError):
            raise unreachable(self._endpoint) from None
        if not connection.is_connected() or not connection.is_quiet():
            connection.close()
            raise broken(self._endpoint, "data before the request", is_written=False)
        self._connections.add(connection)
        return connection

    # Called by connections

    def on_answer(self, connection: PlainConnection) -> None:
        """Keep a connection whose answer has ended, or close it."""
        self._deadlines.remove(connection, connection.slot)
        keep = connection.keeps_open and self._reuses and connection.is_connected()
        if keep and not self._probation.is_over:
            keep = self._probation.keep_idle(connection)
        if not keep:
            connection.close()
            return
        now = connection.idle_since = self._loop.time()
        self._idle[connection] = None
        oldest = next(iter(self._idle))
        if now - oldest.idle_since > KEEP_ALIVE:
            oldest.close()
            del self._idle[oldest]

    def on_failure(self, connection: PlainConnection) -> None:
        """Forget the deadline of a request that failed."""
        self._deadlines.remove(connection, connection.slot)

    def on_closed(self, connection: PlainConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        self._idle.pop(connection, None)

    def on_surplus(self) -> None:
        """Use each connection once from now on: the server sends answers without a request."""
        self._reuses = False

    def error_of(self, connection: PlainConnection, error: Exception) -> Exception:
        """Return the error to raise for one of a connection."""
        if isinstance(error, UnknownAnswerError):
            # Sent again as any attempt of unknown cost is: the server may have worked on it.
            self.on_unknown_answer()
            return broken(self._endpoint, str(error), is_written=True)
        if isinstance(error, BrokenConnectionError):
            return broken(self._endpoint, str(error), connection.is_written)
        return error

    def _time_out(self, connection: PlainConnection) -> None:
        connection.fail(timed_out(self._timeout, connection.is_written))


def _do_nothing() -> None:
    """Stay with this client."""
