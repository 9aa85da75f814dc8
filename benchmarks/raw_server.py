"""A bare server of chat completions, so fast that a benchmark measures its client.

`synthkd.testing` serves over aiohttp, at several times the processor time of a request: beside a
fast client it is the bottleneck. Requests have a Content-Length; a connection handles one at a
time.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import uvloop

from synthkd.fastjson import dumps, loads
from synthkd.testing import two_words
from synthkd.testing.texts import completion_body, prompt_text

#: Seconds of a slot of answers that leave together: a timer for each costs more than the answer.
_SLOT = 0.001
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "


class Delays:
    """Writes answers after the latency, in seconds."""

    def __init__(self, latency: float) -> None:
        self._loop, self._latency = asyncio.get_running_loop(), latency
        self._slots: dict[int, list[tuple[Any, bytes, bool]]] = {}

    def add(self, transport: Any, reply: bytes, closes: bool) -> None:
        """Write a reply once the latency is over, and close its connection if it ``closes``."""
        if not self._latency:
            self._write(transport, reply, closes)
            return
        slot = int((self._loop.time() + self._latency) / _SLOT) + 1
        if slot not in self._slots:
            self._slots[slot] = []
            self._loop.call_at(slot * _SLOT, self._send, slot)
        self._slots[slot].append((transport, reply, closes))

    def _send(self, slot: int) -> None:
        for entry in self._slots.pop(slot):
            self._write(*entry)

    def _write(self, transport: Any, reply: bytes, closes: bool) -> None:
        if not transport.is_closing():
            transport.write(reply)
            if closes:
                transport.close()


class Connection(asyncio.Protocol):
    """Parses requests and answers them."""

    def __init__(self, delays: Delays) -> None:
        self._delays = delays
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._buffer = self._buffer + data if self._buffer else data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = data[:end].lower()
        _, _, rest = head.partition(b"content-length:")
        length = end + 4 + int(rest.partition(b"\r")[0] or 0)
        if len(data) < length:
            return
        self._buffer = data[length:]
        path = head.split(b" ", 2)[1]
        reply = _reply(path, data[end + 4 : length])
        self._delays.add(self._transport, reply, b"connection: close" in head)


def _reply(path: bytes, body: bytes) -> bytes:
    results: dict[str, Any]
    if path.endswith(b"/completions"):
        request, chat = loads(body), path.endswith(b"/chat/completions")
        results = completion_body(chat, prompt_text(chat, request), request, "", two_words)
    else:
        results = {"object": "list", "data": [{"id": "fake", "object": "model"}]}
    data = dumps(results)
    return b"%b%d\r\n\r\n%b" % (_HEAD, len(data), data)


async def serve(latency: float) -> None:
    """Print the address, and serve until the process is ended."""
    delays = Delays(latency)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(delays), "127.0.0.1", 0, backlog=2048
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    uvloop.run(serve(parser.parse_args().latency))
