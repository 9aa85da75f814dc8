"""A pool of plain HTTP/1.1 connections to one address, on `asyncio.Protocol` and httptools.

Where rates are high (a server of one's own in the same network), a general client costs more time
than the rest of the engine: per request 160 µs with aiohttp, 70 with one in Rust, 27 here
(`python -m benchmarks generate --only wire`).
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from multidict import CIMultiDict

from synthkd.teachers.openai.error_responses import ANSWER_STATUSES
from synthkd.teachers.openai.http.bounded_body import ACCEPTED_ENCODINGS
from synthkd.teachers.openai.http.contract import CONNECT_SECONDS, HttpResponse
from synthkd.teachers.openai.http.failures import broken, timed_out, unreachable
from synthkd.teachers.openai.http.plain_connection import BrokenConnectionError, PlainConnection
from synthkd.teachers.openai.http.reuse import KEEP_ALIVE, Probation
from synthkd.teachers.openai.http.timeouts import Deadlines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synthkd.recipe import TeacherPart
    from synthkd.teachers.openai.endpoint import Endpoint

#: What a header and a target may hold, so that nothing in them ends a line (RFC 9110, 5.5 and 5.6).
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_TARGET = re.compile(r"/[\x21-\x7e]*")
_HOST = re.compile(r"[0-9A-Za-z.\-]+|[0-9A-Fa-f:.]+")
#: Headers that the client writes itself.
_OWN = frozenset(["host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"])
_NO_HEADERS: Mapping[str, str] = CIMultiDict()


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
        #: Connections without a request, in the order of their last answers.
        self._idle: dict[PlainConnection, None] = {}
        #: True as long as a connection may be used for more than one request.
        self._reuses = True
        self._probation = Probation()

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

    async def post(self, path: str, data: bytes) -> HttpResponse:
        start = self._loop.time()
        connection = self._take(start) or await self._connect()
        head = self._heads.get(path) or self._make_head(path)
        waiter = connection.send(b"%b%d\r\n\r\n%b" % (head, len(data), data))
        connection.slot = self._deadlines.add(connection, start)
        try:
            status, headers, content, is_doubtful = await waiter
        except BrokenConnectionError as error:
            raise broken(self._endpoint, str(error), connection.is_written) from None
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self._deadlines.remove(connection, connection.slot)
        self._release(connection)
        return HttpResponse(
            status,
            _NO_HEADERS if status in ANSWER_STATUSES else _decoded(headers),
            content,
            is_doubtful,
        )

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
            return PlainConnection(self._max_bytes, self._forget, self._stop_reuse)

        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await self._loop.create_connection(make, self._host, self._port)
        except (OSError, TimeoutError, UnicodeError):
            raise unreachable(self._endpoint) from None
        self._connections.add(connection)
        if not connection.is_connected() or not connection.is_quiet():
            connection.close()
            raise broken(self._endpoint, "data before the request", is_written=False)
        return connection

    def _release(self, connection: PlainConnection) -> None:
        """Keep a connection whose answer has ended, or close it."""
        keep = connection.keeps_open and self._reuses and connection.is_connected()
        if keep and not self._probation.is_over:
            keep = self._probation.keep_idle(connection)
        if keep:
            now = connection.idle_since = self._loop.time()
            self._idle[connection] = None
            oldest = next(iter(self._idle))
            if now - oldest.idle_since > KEEP_ALIVE:
                oldest.close()
                del self._idle[oldest]
        else:
            connection.close()

    def _forget(self, connection: PlainConnection) -> None:
        self._connections.discard(connection)
        self._idle.pop(connection, None)

    def _stop_reuse(self) -> None:
        self._reuses = False

    def _time_out(self, connection: PlainConnection) -> None:
        connection.fail(timed_out(self._timeout, connection.is_written))


def _decoded(headers: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
