"""A bare server of chat completions, so fast that a benchmark measures its client.

`synthkd.testing` serves over aiohttp, at twice the processor time of a request: beside a fast
client it is the bottleneck. Requests have a Content-Length; a connection handles one at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

import uvloop

from synthkd.testing import two_words
from synthkd.testing.texts import completion_body, prompt_text


class Connection(asyncio.Protocol):
    """Parses requests and answers them after the latency, in seconds."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._buffer = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
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
        closes = headers.get("connection", "").lower() == "close"
        reply = _reply(first.split(" ")[1], body)
        asyncio.get_running_loop().call_later(self._latency, self._send, reply, closes)

    def _send(self, reply: bytes, closes: bool) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)
            if closes:
                self._transport.close()


def _reply(path: str, body: bytes) -> bytes:
    results: dict[str, Any]
    if path.endswith("/completions"):
        request, chat = json.loads(body), path.endswith("/chat/completions")
        results = completion_body(chat, prompt_text(chat, request), request, "", two_words)
    else:
        results = {"object": "list", "data": [{"id": "fake", "object": "model"}]}
    data = json.dumps(results).encode()
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
    return f"{head}{len(data)}\r\n\r\n".encode() + data


async def serve(latency: float) -> None:
    """Print the address, and serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(latency), "127.0.0.1", 0, backlog=2048
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    uvloop.run(serve(parser.parse_args().latency))
