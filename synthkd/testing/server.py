"""The test server: completions, models, files and batches, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from synthkd.testing.anthropic import AnthropicDialect
from synthkd.testing.batches import FakeBatches
from synthkd.testing.dialect import BadRequestError, BatchCall, Dialect, OpenAIDialect
from synthkd.testing.faults import Faults
from synthkd.testing.gemini import GeminiDialect
from synthkd.testing.http import IncomingRequest, serving
from synthkd.testing.texts import AnswerFunction, completion_body, prompt_text, two_words

#: Headers of the rows of a batch, which have none of their own.
_ROW_HEADERS = {"anthropic-version": "2023-06-01"}
#: Protocols of the test server.
PROTOCOLS: dict[str, Callable[[], Dialect]] = {
    "openai": OpenAIDialect, "anthropic": AnthropicDialect, "gemini": GeminiDialect,
}  # fmt: skip


@dataclass
class FakeServer:
    """Serve a provider's protocol on loopback, with answers and faults of a test's choice.

    The paths of `openai` are /v1/chat/completions, /v1/completions, /v1/models, /v1/files and
    /v1/batches; of `anthropic` /v1/messages and /v1/messages/batches; of `gemini`
    /v1beta/models/MODEL:generateContent, …:batchGenerateContent and /v1beta/batches. A
    context manager; ``url`` is the address for `teacher.base_url`:

        def answer(prompt, index, seed):
            return "yes" if "heron" in prompt else "no"

        with FakeServer(answer=answer, rates={"429": 0.1}) as server:
            run(Recipe.load("recipe.yaml", [f"teacher.base_url={server.url}"]))
        print(server.requests, server.bodies[0])

    Args:
        answer: Makes a text of prompt, number of the choice (from 0), and seed (0 without one). The
            prompt is the text of all messages, one below the other. The text is sent as it is, also
            for a structured request; `ScoredAnswer` and `FinishedAnswer` give log-probabilities and
            finish reasons. Default: two words that depend on these three; JSON of the schema, with
            such words, for a structured request.
        latency: Seconds before each reply.
        script: Faults of the first requests, in turn ("" for none); `FAULTS` has their names.
        rates: Shares of faults, such as ``{"429": 0.05}``, for the requests behind the script;
            drawn with a fixed seed.
        log: File that gets a JSON line per request, before the reply.
        port: Port; 0 for a free one, which ``port`` holds once the server runs.
        key: The only key that is accepted. Default: any.
        echo_key: Errors repeat the key, as on some servers.
        keep: Keep bodies and headers; without, only count requests, for long runs.
        batches: The Batch API: how batches end.
        protocol: `openai`, `anthropic`, `gemini`, or a `Dialect`.

    Attributes:
        sent: Requests by (prompt, seed, n).
        bodies: Bodies of requests.
        headers: Headers of requests.
        times: Arrival of each request (monotonic seconds) and its tokens, read and written.
        requests: Number of requests.
        in_flight: Requests without a reply.
        most_in_flight: Requests without a reply at the peak.

    Example:
        >>> import synthkd
        >>> with synthkd.FakeServer(answer=lambda prompt, index, seed: "cutting bread") as server:
        ...     result = synthkd.run(
        ...         "recipe.yaml",
        ...         limit=2,
        ...         quiet=True,
        ...         teacher={"backend": "openai", "model": "any", "base_url": server.url},
        ...     )
        >>> server.requests
        2
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
    protocol: str | Dialect = "openai"
    sent: Counter[tuple[str, int | None, int]] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list, repr=False)
    times: list[tuple[float, int]] = field(default_factory=list, repr=False)
    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.dialect = _dialect(self.protocol)
        self._faults = Faults(self.script, self.rates)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()
        self._error: OSError | None = None
        self._log: TextIO | None = None

    @property
    def url(self) -> str:
        """The address, including /v1 (`gemini`: /v1beta)."""
        return f"http://127.0.0.1:{self.port}{self.dialect.root}"

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
        async with serving(self._handle, self.port) as self.port:
            self._ready.set()
            await self._stop.wait()

    async def _handle(self, request: IncomingRequest) -> web.StreamResponse:
        path, dialect = request.path.partition("?")[0], self.dialect
        sent = dialect.key(request.headers)
        if self.key and sent != self.key:
            return request.reply(*dialect.wrong_key(sent))
        if path.endswith("/models"):
            return request.reply(200, dialect.models())
        if request.method == "POST" and dialect.is_request(path):
            return await self._complete(request, path, sent if self.echo_key else "")
        call = BatchCall(request.method, request.path, request.headers, request.body)
        reply = dialect.handle_batches(self.batches, call, self._row)
        return request.reply(*(reply or (404, dialect.error(404, f"nothing at {path}"))))

    async def _complete(self, request: IncomingRequest, path: str, echo: str) -> web.StreamResponse:
        try:
            body = json.loads(request.body)
            chat, read = self.dialect.read(path, request.headers, body)
        except (BadRequestError, ValueError) as error:
            return request.reply(400, self.dialect.error(400, str(error)))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        fault, prompt = self._faults.next(), prompt_text(chat, read)
        reply = completion_body(chat, prompt, read, fault, self.answer)
        self._note(prompt, body, read, request.headers, reply["usage"]["total_tokens"])
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault == "hang":
            await self._stop.wait()
        self.in_flight -= 1
        return await self._reply(request, fault, self.dialect.answer(reply, body), echo)

    def _row(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer a row of a batch like a request."""
        chat, read = self.dialect.read(path, _ROW_HEADERS, body)
        reply = completion_body(chat, prompt_text(chat, read), read, "", self.answer)
        return 200, self.dialect.answer(reply, body)

    def _note(
        self,
        prompt: str,
        body: dict[str, Any],
        read: dict[str, Any],
        headers: dict[str, str],
        tokens: int,
    ) -> None:
        seed, n = read.get("seed"), read.get("n", 1)
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

    async def _reply(
        self, request: IncomingRequest, fault: str, reply: dict[str, Any], echo: str
    ) -> web.StreamResponse:
        if fault == "reset":
            return await request.drop()
        status, body, headers = self.dialect.fault(fault) or (200, reply, {})
        if fault == "not-json":
            body = b"<html>not json"
        if echo and isinstance(body, dict) and "error" in body:
            body["error"]["message"] += f" ({echo})"
        elif echo and isinstance(body, bytes):
            body += echo.encode()
        if fault == "drip":
            return await request.reply_in_pieces(status, body, headers)
        if fault == "cut":
            return await request.reply_in_part(status, body, headers)
        return request.reply(status, body, headers)


def _dialect(protocol: str | Dialect) -> Dialect:
    if isinstance(protocol, Dialect):
        return protocol
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; known are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]()
