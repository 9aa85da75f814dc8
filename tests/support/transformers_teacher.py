"""Helpers of the tests of transformers_teacher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from synthkd.recipe import TeacherPart
from synthkd.requests import Answer, Completion, Request, Sampling
from synthkd.teachers.transformers import EMBEDDED, TransformersTeacher

PROMPTS = [
    "dog can",
    "knife is used for",
    "What is each of these like?\noak is often hard\nlemon is often",
]


def ask(
    prompts: list[str] = PROMPTS, n: int = 3, wanted: tuple[int, ...] | None = None,
    part: dict[str, Any] | None = None, **sampling: Any,
) -> dict[tuple[str, int], Answer]:  # fmt: skip
    teacher = TransformersTeacher(
        TeacherPart(**{"backend": "transformers", "model": EMBEDDED, "threads": 2, **(part or {})})
    )
    settings = Sampling(n=n, **({"max_tokens": 8, "stop": ("\n",), "temperature": 0.9} | sampling))

    async def requests() -> AsyncIterator[Request]:
        for prompt in prompts:
            messages = ({"role": "prompt", "content": prompt},)
            yield Request(teacher.identity, messages, settings, wanted or tuple(range(n)), prompt)

    async def work() -> dict[tuple[str, int], Answer]:
        found = {}
        names = {}
        async for group in teacher.stream(_named(requests(), names)):
            for answer in group:
                found[names[answer.request_id], answer.sample_index] = answer
        await teacher.close()
        return found

    return asyncio.run(work())


async def _named(requests: AsyncIterator[Request], names: dict[str, str]) -> AsyncIterator[Request]:
    async for request in requests:
        names[request.request_id] = request.input_id
        yield request


def texts(found: dict[tuple[str, int], Answer]) -> dict[tuple[str, int], str]:
    return {key: answer.text for key, answer in found.items() if isinstance(answer, Completion)}
