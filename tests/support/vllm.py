"""Ask the vLLM backend in tests: a part of a recipe, a request, and what came back."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from synthkd.recipe import TeacherPart
from synthkd.requests import Answer, Completion, Request, Sampling
from synthkd.teachers.transformers import EMBEDDED
from synthkd.teachers.vllm import VllmTeacher

PLAIN = ({"role": "prompt", "content": "dog can"},)
CHAT = ({"role": "user", "content": "dog can"},)


def part(**values: Any) -> TeacherPart:
    return TeacherPart.model_validate(
        {"backend": "vllm", "model": EMBEDDED, "timeout": 30} | values
    )


def request(
    messages: tuple[dict[str, str], ...] = PLAIN, indexes: tuple[int, ...] = (0,), **sampling: Any
) -> Request:
    settings = {"max_tokens": 12, "stop": ("\n",)} | sampling
    return Request("test", messages, Sampling(n=len(indexes), **settings), indexes, "input")


async def hear(who: VllmTeacher, *requests: Request) -> list[Answer]:
    async def each() -> AsyncIterator[Request]:
        for one in requests:
            yield one

    async with aclosing(who.stream(each())) as groups:
        found = [answer async for group in groups for answer in group]
    return sorted(found, key=lambda answer: answer.key)


def ask(who: VllmTeacher, *requests: Request, seconds: float = 30) -> list[Answer]:
    async def collect() -> list[Answer]:
        try:
            return await hear(who, *requests)
        finally:
            await who.close()

    return asyncio.run(asyncio.wait_for(collect(), seconds))


def completed(answers: list[Answer]) -> list[Completion]:
    assert all(isinstance(answer, Completion) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Completion)]


def gone(pid: int) -> bool:
    """Return True if no process has the id, or one that has ended and was not waited for."""
    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip().startswith("Z") or not found.stdout.strip()


def wait_until(true: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()
