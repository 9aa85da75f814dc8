"""The server's side of HTTP/1.1: requests with a length, one at a time on a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Incoming:
    """One request. ``answer`` sends a reply, ``drop`` breaks the connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: Connection = field(repr=False)

    def answer(
        self, status: int, body: Any, headers: dict[str, str] | None = None, cut: bool = False
    ) -> None:
        """Send ``body`` (bytes as they stand, all else as JSON); ``cut`` sends half of it and breaks off."""
        head, data = rendered(status, body, headers)
        self.connection.send(head + (data[: len(data) // 2] if cut else data))
        if cut:
            self.connection.close()
        else:
            self.end()

    def end(self) -> None:
        """The whole reply is sent: close where the request asked for it, else the next may come."""
        if self.headers.get("connection", "").lower() == "close":
            self.connection.close()
        else:
            self.connection.done()

    def drop(self) -> None:
        """Break the connection as a dying server does."""
        self.connection.abort()


def rendered(status: int, body: Any, headers: dict[str, str] | None = None) -> tuple[bytes, bytes]:
    """Head and body of a reply."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(data)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n", data


class Connection(asyncio.Protocol):
    """Cuts what comes into requests and hands them on in turn."""

    def __init__(self, handle: Callable[[Incoming], None], open_: set[Connection]) -> None:
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
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = end + 4 + int(headers.get("content-length", 0))
        if len(self._buffer) < length:
            return
        body = bytes(self._buffer[end + 4 : length])
        del self._buffer[:length]
        self._busy = True
        method, path, *_ = first.split(" ")
        self._handle(Incoming(method, path, headers, body, self))

    def send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def done(self) -> None:
        """The reply is sent: the next request may come."""
        self._busy = False
        self._next()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()
