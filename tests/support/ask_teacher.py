"""Ask the OpenAI backend in tests: a teacher, a request, and what came back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest

from synthkd.recipe import TeacherPart
from synthkd.requests import Answer, Completion, Failure, Request, Sampling
from synthkd.teachers.anthropic import AnthropicTeacher
from synthkd.teachers.dispatch import DispatchPolicy
from synthkd.teachers.gemini import GeminiTeacher
from synthkd.teachers.openai import OpenAITeacher
from synthkd.teachers.remote.teacher import RemoteTeacher
from synthkd.testing import FakeServer

KEY = "sk-do-not-show-3f9a"
CHAT = (
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "What is bread for?"},
)
PLAIN = ({"role": "prompt", "content": "bread is used for"},)
#: Backends that ask a provider over HTTP, by name: the protocols of the test server.
BACKENDS: dict[str, type[RemoteTeacher]] = {
    one.name: one for one in (OpenAITeacher, AnthropicTeacher, GeminiTeacher)
}
_NAMES = (
    *(name for one in BACKENDS.values() for name in (one.api.key_variable, one.api.url_variable)),
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)


def forget_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a developer's own key and proxy from the environment."""
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def teacher(url: str | list[str] | None, attempts: int = 3, **part: Any) -> OpenAITeacher:
    """Return a teacher that waits next to nothing between attempts."""
    made = TeacherPart.model_validate(
        {"backend": "openai", "model": "fake", "base_url": url} | part
    )
    return OpenAITeacher(
        made, DispatchPolicy(made.concurrency, attempts, base_delay=0.001, max_delay=0.01)
    )


def teacher_of(server: FakeServer, attempts: int = 3, **part: Any) -> RemoteTeacher:
    """Return a teacher of the server's protocol that waits next to nothing between attempts."""
    backend = str(server.protocol)
    made = TeacherPart.model_validate(
        {"backend": backend, "model": "fake", "base_url": server.url} | part
    )
    policy = DispatchPolicy(made.concurrency, attempts, base_delay=0.001, max_delay=0.01)
    return BACKENDS[backend](made, policy)


def request(
    messages: tuple[dict[str, str], ...] = CHAT, indexes: tuple[int, ...] = (0,), **sampling: Any
) -> Request:
    return Request("test", messages, Sampling(n=len(indexes), **sampling), indexes, "input")


def numbered(count: int) -> list[Request]:
    """Return requests whose prompts count from 0."""
    return [request(({"role": "user", "content": str(number)},)) for number in range(count)]


async def each(requests: tuple[Request, ...]) -> AsyncIterator[Request]:
    for one in requests:
        yield one


def ask(who: RemoteTeacher, *requests: Request, seconds: float = 15) -> list[Answer]:
    """Return all answers, by sample index."""

    async def collect() -> list[Answer]:
        try:
            async with aclosing(who.stream(each(requests))) as groups:
                found = [answer async for group in groups for answer in group]
        finally:
            await who.close()
        return sorted(found, key=lambda answer: answer.sample_index)

    return asyncio.run(asyncio.wait_for(collect(), seconds))


def completed(answers: list[Answer]) -> list[Completion]:
    assert [answer for answer in answers if not isinstance(answer, Completion)] == []
    return [answer for answer in answers if isinstance(answer, Completion)]


def failure(answers: list[Answer]) -> Failure:
    (only,) = answers
    assert isinstance(only, Failure)
    return only


def shown(error: BaseException | None) -> str:
    """Return an error and all that it was raised from, as text."""
    return "" if error is None else f"{error!r} {error} {shown(error.__cause__)}"


@contextmanager
def closed_port() -> Iterator[str]:
    """Return an address that refuses: the port is held, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"
