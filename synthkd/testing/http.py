"""The server side of HTTP/1.1, without a framework: fast enough that a benchmark measures its
client.

Requests have a Content-Length, and a connection handles one at a time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class IncomingRequest:
    """A request with its connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: Connection = field(repr=False)

    def answer(
        self, status: int, body: Any, headers: dict[str, str] | None = None, cut: bool = False
    ) -> None:
        """Send a reply: bytes unchanged, any other value as JSON; ``cut`` sends half of it and
        closes.
        """
        head, data = render_reply(status, body, headers)
        self.connection.send(head + (data[: len(data) // 2] if cut else data))
        if cut:
            self.connection.close()
        else:
            self.end()

    def end(self) -> None:
        """End the reply: close the connection if the request asks for that, otherwise read the next
        request.
        """
        if self.headers.get("connection", "").lower() == "close":
            self.connection.close()
        else:
            self.connection.done()

    def drop(self) -> None:
        """Abort the connection, as a server that crashes."""
        self.connection.abort()


def render_reply(
    status: int, body: Any, headers: dict[str, str] | None = None
) -> tuple[bytes, bytes]:
    """Return head and body of a reply."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(data)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n", data


class Connection(asyncio.Protocol):
    """Parses requests and passes them on, one at a time."""

    def __init__(self, handle: Callable[[IncomingRequest], None], open_: set[Connection]) -> None:
        self._handle, self._open = handle, open_
        self._buffer = bytearray()
        self._busy = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        if self._busy:
            return
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        length = end + 4 + int(headers.get("content-length", 0))
        if len(self._buffer) < length:
            return
        body = bytes(self._buffer[end + 4 : length])
        del self._buffer[:length]
        self._busy = True
        method, path, *_ = first.split(" ")
        self._handle(IncomingRequest(method, path, headers, body, self))

    def send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def done(self) -> None:
        """Read the next request, after the end of a reply."""
        self._busy = False
        self._next()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()
