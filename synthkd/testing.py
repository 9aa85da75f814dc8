"""A small server that speaks the OpenAI protocol on loopback, for testing recipes without a key.

    with FakeServer() as server:
        recipe = Recipe.load("recipe.yaml", [f"teacher.base_url={server.url}"])
        run(recipe)
    print(server.sent)

``python -m synthkd.testing --port 0 --log sent.log`` runs it as a process and prints its address.
Faults are given as a script, one for each request as they come, or as shares of all requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthkd.keys import seed_from

Answer = Callable[[str, int, int], str]

#: What a fault does; `FakeServer` takes these names.
FAULTS = (
    "429", "429-seconds", "429-date", "500", "401", "404", "400-context", "reset", "hang", "cut", "not-json",
    "no-choices", "one-choice", "content-filter", "first-withheld",
)  # fmt: skip
_WORDS = [
    "cut",
    "open",
    "carry",
    "hold",
    "bread",
    "water",
    "wood",
    "stone",
    "heavy",
    "light",
    "house",
    "garden",
    "bird",
    "river",
    "paper",
    "glass",
]


def words(prompt: str, index: int, seed: int) -> str:
    """The default answer: two words that depend on prompt, seed and choice alone."""
    rng = random.Random(seed_from(prompt, index, seed))  # noqa: S311
    return f"{rng.choice(_WORDS)} {rng.choice(_WORDS)}"


@dataclass
class FakeServer:
    """Serves /v1/chat/completions, /v1/completions and /v1/models. Use as a context manager.

    ``sent`` counts requests by (prompt, seed, n); ``bodies`` holds them; ``log`` names a file that gets
    one JSON line for each request before it is answered. ``script`` names the fault of each request in turn
    ("" for none); ``rates`` gives shares, such as ``{"429": 0.05}``. ``key`` is the only one
    let in; with ``echo_key`` errors repeat the key that was sent, as some servers do.
    """

    answer: Answer = words
    latency: float = 0.0
    script: Iterable[str] = ()
    rates: dict[str, float] = field(default_factory=dict)
    log: Path | None = None
    port: int = 0
    key: str | None = field(default=None, repr=False)
    echo_key: bool = False
    sent: Counter[tuple[str, int | None, int]] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.script = list(self.script)
        unknown = ({*self.rates} | {*self.script}) - {*FAULTS, ""}
        if unknown:
            raise ValueError(f"unknown faults {sorted(unknown)}; known are {', '.join(FAULTS)}")
        self._script = iter(self.script)
        self._rng = random.Random(0)  # noqa: S311
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()
        self._error: OSError | None = None

    @property
    def url(self) -> str:
        """The address, up to and with /v1."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> int:
        """How many requests came."""
        return len(self.bodies)

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
            # Raised again where the server was started.
            self._error = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self._clients: set[asyncio.Task[Any]] = set()
        server = await asyncio.start_server(self._client, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection stays open."""
        line = (await reader.readline()).decode()
        if not line:
            return False
        headers: dict[str, str] = {}
        while (header := (await reader.readline()).decode().strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = line.split()[1]
        if path.endswith("/models"):
            return await _reply(writer, 200, {"object": "list", "data": [{"id": "fake", "object": "model"}]})
        sent = headers.get("authorization", "")
        if self.key and sent != f"Bearer {self.key}":
            return await _reply(writer, 401, {"error": {"message": f"wrong key {sent}"}})
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._complete(path, json.loads(body), writer, sent if self.echo_key else "")
        finally:
            self.in_flight -= 1

    async def _complete(
        self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter, echo: str
    ) -> bool:
        chat = path.endswith("/chat/completions")
        prompt = "\n".join(m["content"] for m in body["messages"]) if chat else body["prompt"]
        self._note(prompt, body)
        fault = next(self._script, None)
        if fault is None:
            fault = self._drawn()
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault in ("reset", "hang"):
            if fault == "hang":
                await asyncio.sleep(3600)
            writer.transport.abort()
            return False
        status, reply, extra = _faulty(fault, self._body(chat, prompt, body, fault))
        if echo and isinstance(reply, dict) and "error" in reply:
            reply["error"]["message"] += f" ({echo})"
        elif echo and isinstance(reply, bytes):
            reply += echo.encode()
        return await _reply(writer, status, reply, extra, cut=fault == "cut")

    def _note(self, prompt: str, body: dict[str, Any]) -> None:
        self.sent[prompt, body.get("seed"), body.get("n", 1)] += 1
        self.bodies.append(body)
        if self.log:
            with self.log.open("a", encoding="utf-8") as file:
                line = {
                    "prompt": prompt,
                    "seed": body.get("seed"),
                    "n": body.get("n", 1),
                    "at": time.time(),
                }
                file.write(json.dumps(line) + "\n")

    def _drawn(self) -> str:
        draw = self._rng.random()
        for name, share in self.rates.items():
            if draw < share:
                return name
            draw -= share
        return ""

    def _body(self, chat: bool, prompt: str, body: dict[str, Any], fault: str) -> dict[str, Any]:
        n = 1 if fault == "one-choice" else body.get("n") or 1
        seed = body.get("seed") or 0
        texts = [self.answer(prompt, index, seed) for index in range(n)]
        choices = []
        for index, text in enumerate(texts):
            withheld = fault == "content-filter" or (fault == "first-withheld" and index == 0)
            reason = "content_filter" if withheld else "stop"
            choice: dict[str, Any] = {"index": index, "finish_reason": reason, "logprobs": None}
            tokens = text.split() or [""]
            if body.get("logprobs"):
                values = [-0.1 * (len(token) + 1) for token in tokens]
                pairs: list[dict[str, Any]] = [
                    {"token": t, "logprob": v, "bytes": None, "top_logprobs": []}
                    for t, v in zip(tokens, values, strict=True)
                ]
                choice["logprobs"] = (
                    {"content": pairs} if chat else {"tokens": tokens, "token_logprobs": values}
                )
            if chat:
                choice["message"] = {"role": "assistant", "content": text}
            else:
                choice["text"] = text
            choices.append(choice)
        written = sum(len(text.split()) for text in texts)
        read = len(prompt.split())
        return {
            "id": "fake", "object": "chat.completion" if chat else "text_completion", "created": 0, "model": "fake",
            "choices": [] if fault == "no-choices" else choices,
            "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
        }  # fmt: skip


def _faulty(fault: str, body: Any) -> tuple[int, Any, dict[str, str]]:
    """Status, body and headers of an answer under a fault."""
    if fault.startswith("429"):
        wait = {"429-seconds": "1", "429-date": _in_a_second()}.get(fault)
        return 429, {"error": {"message": "slow down"}}, {"retry-after": wait} if wait else {}
    if fault in ("500", "401", "404"):
        return int(fault), {"error": {"message": f"planted {fault}"}}, {}
    if fault == "400-context":
        error = {
            "message": "this model's maximum context length is 8 tokens",
            "code": "context_length_exceeded",
        }
        return 400, {"error": error}, {}
    return (200, b"<html>not json", {}) if fault == "not-json" else (200, body, {})


def _in_a_second() -> str:
    from email.utils import formatdate

    return formatdate(time.time() + 1, usegmt=True)


async def _reply(
    writer: asyncio.StreamWriter,
    status: int,
    body: Any,
    headers: dict[str, str] | None = None,
    cut: bool = False,
) -> bool:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} X",
        "content-type: application/json",
        f"content-length: {len(data)}",
    ]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (data[: len(data) // 2] if cut else data))
    await writer.drain()
    return not cut


def main() -> None:
    """Run a server until the process is ended, or for so many seconds."""
    parser = argparse.ArgumentParser(description="A fake OpenAI-compatible server on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=3600.0, help="stops by itself after this long")
    args = parser.parse_args()
    with FakeServer(latency=args.latency, log=args.log, port=args.port) as server:
        print(server.url, flush=True)
        time.sleep(args.seconds)


if __name__ == "__main__":
    main()
