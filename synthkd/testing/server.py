"""The test server: chat and plain completions, models, files and batches, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from synthkd.testing.batches import FakeBatches
from synthkd.testing.faults import Faults, fault_reply
from synthkd.testing.http import Connection, IncomingRequest, render_reply
from synthkd.testing.texts import AnswerFunction, completion_body, two_words

#: Seconds between the pieces of a reply with the fault `drip`.
_DRIP = 0.02


@dataclass
class FakeServer:
    """Serves /v1/chat/completions, /v1/completions, /v1/models, /v1/files and /v1/batches.

    A context manager.

    Attributes:
        answer: Makes a text of prompt, number of the choice, and seed.
        latency: Seconds before each reply.
        script: Faults of the first requests, in turn ("" for none).
        rates: Shares of faults, such as ``{"429": 0.05}``.
        log: File that gets a JSON line per request, before the reply.
        port: Port; 0 for a free one.
        key: The only key that is accepted.
        echo_key: Errors repeat the key, as on some servers.
        keep: Keep bodies and headers; without, only count them, for long runs.
        batches: The Batch API.
        sent: Requests by (prompt, seed, n).
        bodies: Bodies of requests.
        headers: Headers of requests.
        times: Arrival of each request (monotonic seconds) and its tokens, read and written.
        requests: Number of requests.
        in_flight: Requests without a reply, and ``most_in_flight`` at the peak.
    """

    answer: AnswerFunction = two_words
    latency: float = 0.0
    script: Iterable[str] = ()
    rates: dict[str, float] = field(default_factory=dict)
    log: Path | None = None
    port: int = 0
    key: str | None = field(default=None, repr=False)
    echo_key: bool = False
    keep: bool = True
    batches: FakeBatches = field(default_factory=FakeBatches)
    sent: Counter[tuple[str, int | None, int]] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list, repr=False)
    times: list[tuple[float, int]] = field(default_factory=list, repr=False)
    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self._faults = Faults(self.script, self.rates)
        self._loop = _fast_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()
        self._error: OSError | None = None
        self._connections: set[Connection] = set()
        self._log: TextIO | None = None

    @property
    def url(self) -> str:
        """The address, including /v1."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FakeServer:
        self._thread.start()
        self._ready.wait(10)
        if self._error is not None:
            self._thread.join(10)
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except OSError as error:
            # Raised again by `__enter__`.
            self._error = error
        finally:
            self._ready.set()
            self._loop.close()
            if self._log:
                self._log.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self._log = self.log.open("a", encoding="utf-8") if self.log else None
        server = await self._loop.create_server(
            lambda: Connection(self._handle, self._connections),
            "127.0.0.1",
            self.port,
            backlog=2048,
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in list(self._connections):
            connection.abort()

    def _handle(self, request: IncomingRequest) -> None:
        path = request.path.partition("?")[0]
        sent = request.headers.get("authorization", "") or request.headers.get("api-key", "")
        if self.key and sent.removeprefix("Bearer ") != self.key:
            request.answer(401, {"error": {"message": f"wrong key {sent}"}})
        elif path.endswith("/models"):
            request.answer(200, {"object": "list", "data": [{"id": "fake", "object": "model"}]})
        elif path.endswith("/completions"):
            self._complete(
                request, path.endswith("/chat/completions"), sent if self.echo_key else ""
            )
        else:
            reply = self.batches.handle(
                request.method, request.path, request.headers, request.body, self._row
            )
            request.answer(*(reply or (404, {"error": {"message": f"nothing at {path}"}})))

    def _complete(self, request: IncomingRequest, chat: bool, echo: str) -> None:
        try:
            body = json.loads(request.body)
            prompt = _prompt(chat, body)
        except (ValueError, KeyError, TypeError) as error:
            request.answer(400, {"error": {"message": f"not a request: {error!r}"}})
            return
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        fault = self._faults.next()
        reply = completion_body(chat, prompt, body, fault, self.answer)
        self._note(prompt, body, request.headers, reply["usage"]["total_tokens"])
        if self.latency:
            self._loop.call_later(self.latency, self._reply, request, fault, reply, echo)
        else:
            self._reply(request, fault, reply, echo)

    def _row(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer a row of a batch like a request."""
        chat = path.endswith("/chat/completions")
        return 200, completion_body(chat, _prompt(chat, body), body, "", self.answer)

    def _reply(
        self, request: IncomingRequest, fault: str, reply: dict[str, Any], echo: str
    ) -> None:
        self.in_flight -= fault != "hang"
        if fault == "hang":
            return
        if fault == "reset":
            request.drop()
            return
        status, body, headers = fault_reply(fault) or (200, reply, {})
        if fault == "not-json":
            body = b"<html>not json"
        if echo and isinstance(body, dict) and "error" in body:
            body["error"]["message"] += f" ({echo})"
        elif echo and isinstance(body, bytes):
            body += echo.encode()
        if fault == "drip":
            self._drip(request, *render_reply(status, body, headers))
        else:
            request.answer(status, body, headers, cut=fault == "cut")

    def _drip(self, request: IncomingRequest, head: bytes, data: bytes) -> None:
        """Send the body in five pieces, with a delay before each."""
        step = max(1, -(-len(data) // 5))
        pieces = [head, *(data[i : i + step] for i in range(0, len(data), step))]
        for place, piece in enumerate(pieces):
            self._loop.call_later(_DRIP * place, request.connection.send, piece)
        self._loop.call_later(_DRIP * len(pieces), request.end)

    def _note(
        self, prompt: str, body: dict[str, Any], headers: dict[str, str], tokens: int
    ) -> None:
        seed, n = body.get("seed"), body.get("n", 1)
        self.requests += 1
        self.sent[prompt, seed, n] += 1
        self.times.append((time.monotonic(), tokens))
        if self.keep:
            self.bodies.append(body)
            self.headers.append(headers)
        if self._log:
            line = {"prompt": prompt, "seed": seed, "n": n, "at": time.time()}
            self._log.write(json.dumps(line) + "\n")
            self._log.flush()


def _prompt(chat: bool, body: dict[str, Any]) -> str:
    if not chat:
        return str(body["prompt"])
    return "\n".join(_text(message["content"]) for message in body["messages"])


def _text(content: Any) -> str:
    """Return the text of a message's content, which may be a list of parts."""
    return (
        content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    )


def _fast_loop() -> asyncio.AbstractEventLoop:
    """Return a uvloop if it is installed: a slow server would distort benchmarks."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
