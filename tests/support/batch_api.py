"""A provider of batches, and a run that asks it."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

pytest.importorskip("openai")

import openai
from aiohttp import web

from support.ask_teacher import forget_environment
from synthkd.journal import Journal
from synthkd.journal.batches import BatchStore
from synthkd.recipe import TeacherPart
from synthkd.requests import Answer, Completion, Failure, Request, Sampling
from synthkd.teachers.batch import BatchTeacher, submission
from synthkd.teachers.batch import stream as batch_stream
from synthkd.teachers.batch.batched_model import BatchedModel
from synthkd.testing import two_words
from synthkd.testing.batches import FakeBatches
from synthkd.testing.http import IncomingRequest, serving
from synthkd.testing.texts import completion_body

RUN = "run"
#: The package imports these when they are used: not within the short time that a test gives a run.
_USED = operator.attrgetter("files", "batches")(openai.AsyncOpenAI(api_key="none"))


class Server:
    """`FakeBatches` over HTTP.

    ``faults`` are statuses that requests are answered with in turn, 0 for none.
    """

    def __init__(
        self,
        fake: FakeBatches,
        faults: list[int] | None = None,
        key: str | None = None,
        choices: int | None = None,
    ) -> None:
        self.fake, self.faults, self.key, self.choices = fake, faults or [], key, choices
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self._handle) as port:
            self.url = f"http://127.0.0.1:{port}/v1"
            self._ready.set()
            await self._stop.wait()

    async def _handle(self, request: IncomingRequest) -> web.Response:
        self.headers.append(request.headers)
        self.paths.append(f"{request.method} {request.path}")
        sent = request.headers.get("authorization", "") or request.headers.get("api-key", "")
        status = self.faults.pop(0) if self.faults else 0
        if self.key and sent.removeprefix("Bearer ") != self.key:
            status = 401
        if status:
            return request.reply(status, {"error": {"message": f"planted {status} for {sent}"}})
        found = self.fake.handle(
            request.method, request.path, request.headers, request.body, self._complete
        )
        status, body = found or (404, {"error": {"message": "nothing here"}})
        return request.reply(status, body)

    def _complete(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        chat = path.endswith("/chat/completions")
        prompt = "\n".join(m["content"] for m in body["messages"]) if chat else body["prompt"]
        made = completion_body(chat, prompt, body, "", two_words)
        made["choices"] = made["choices"][: self.choices]
        return 200, made


def part(url: str | None, options: dict[str, Any] | None = None, **more: Any) -> TeacherPart:
    raw = {
        "backend": "openai-batch",
        "model": "fake",
        "base_url": url,
        "options": {"poll": 0.01} | (options or {}),
    }
    return TeacherPart.model_validate(raw | {"max_attempts": 3} | more)


def requests_of(
    who: BatchedModel, count: int, indexes: tuple[int, ...] = (0,), **sampling: Any
) -> list[Request]:
    made = Sampling(n=len(indexes), **sampling)
    return [
        Request(who.identity, ({"role": "user", "content": f"thing {i}"},), made, indexes, str(i))
        for i in range(count)
    ]


def run_stage(
    who: BatchedModel, journal: Journal, asked: list[Request], group: int = 4
) -> list[Answer]:
    """Run the stage: submit missing samples in groups, commit those that came."""
    journal.settle_in_flight(RUN)
    came: list[Answer] = []

    async def departed() -> AsyncIterator[Request]:
        for start in range(0, len(asked), group):
            few = asked[start : start + group]
            held = journal.cached_indexes([one.request_id for one in few])
            failed = journal.failures([one.request_id for one in few])
            missing = [one.with_samples(_missing(one, held, failed)) for one in few]
            missing = [one for one in missing if one.sample_indexes]
            journal.reserve(missing, RUN)
            for one in missing:
                yield one

    async def go() -> None:
        who.attach(journal, RUN)
        try:
            async with aclosing(who.stream(departed())) as groups:
                async for answers in groups:
                    journal.store_answers(answers, RUN)
                    came.extend(answers)
        finally:
            await who.close()

    asyncio.run(asyncio.wait_for(go(), 30))
    return came


def _missing(
    one: Request, held: dict[str, set[int]], failed: dict[str, dict[int, Failure]]
) -> tuple[int, ...]:
    refused = {index for index, found in failed.get(one.request_id, {}).items() if found.permanent}
    return tuple(
        i for i in one.sample_indexes if i not in held.get(one.request_id, set()) | refused
    )


def ask(
    server: Server, journal: Journal, count: int, indexes: tuple[int, ...] = (0,), **more: Any
) -> list[Answer]:
    sampling = more.pop("sampling", {})
    who = BatchTeacher(part(server.url, **more), patience=0.5)
    return run_stage(who, journal, requests_of(who, count, indexes, **sampling))


def completed(answers: list[Answer]) -> list[Completion]:
    assert all(isinstance(answer, Completion) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Completion)]


def failed(answers: list[Answer]) -> list[Failure]:
    assert all(isinstance(answer, Failure) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Failure)]


def all_collected(journal: Journal) -> bool:
    return {batch.state for batch in BatchStore(journal).batches()} == {"collected"}


async def aiter_of(requests: list[Request]) -> AsyncIterator[Request]:
    for one in requests:
        yield one


def run_some(
    who: BatchedModel, journal: Journal, asked: list[Request], seconds: float = 0.5
) -> None:
    """Start a run and leave it after some time, as after Ctrl-C.

    Raises:
        TimeoutError: The run had not ended.
    """

    async def go() -> None:
        who.attach(journal, RUN)
        try:
            async with aclosing(who.stream(aiter_of(asked))) as groups:
                async for answers in groups:
                    journal.store_answers(answers, RUN)
        finally:
            await who.close()

    journal.reserve(asked, RUN)
    asyncio.run(asyncio.wait_for(go(), seconds))


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all waits, and remove a developer's own key and proxy."""
    forget_environment(monkeypatch)
    monkeypatch.setattr(batch_stream, "_SILENCE", 0.2)
    monkeypatch.setattr(submission, "_DELAY", (0.01, 0.02))
