"""The backend `transformers`: any model that transformers can load, in this process.

Prompts are batched by length, and each is read once for all its samples. Each sample draws from a
random stream of its own, seeded by the request and the sample index, so that the rest of a batch
does not influence its tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from synthkd.errors import require_extra
from synthkd.requests import Answer, Failure, Request
from synthkd.teachers.base import Teacher
from synthkd.teachers.transformers.checkpoint import EMBEDDED, model_version, resolve_model

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart
    from synthkd.teachers.transformers.sampling import Sampler

#: Batches in a window of requests; in a larger window, the lengths within a batch are more alike.
_WINDOW = 8
#: Seconds without a further request, after which an incomplete window is answered.
_SILENCE = 0.5


class TransformersTeacher(Teacher):
    """Answers from a local language model. Needs the extra ``local``."""

    name = "transformers"

    def __init__(self, part: TeacherPart, folder: Path = Path()) -> None:
        self.part = part
        self.model = resolve_model(part.model, folder)
        self._sampler: Sampler | None = None
        self._identity = part.identity

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> TransformersTeacher:
        return cls(recipe.teacher, recipe.folder)

    @classmethod
    def hub_models(cls, part: TeacherPart) -> list[str]:
        return [part.model] if part.model and part.model != EMBEDDED else []

    def __repr__(self) -> str:
        return f"TransformersTeacher({self.part.model!r})"

    @property
    def identity(self) -> str:
        """Model, hash of its files (for a hub name its revision) and number type."""
        if self._identity is None:
            version = model_version(self.model, self.part.revision)
            self._identity = f"transformers:{self.part.model}@{version}:{self.part.dtype}"
        return self._identity

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncIterator[list[Answer]]:
        async with aclosing(_windows(requests, self.part.batch_size * _WINDOW)) as windows:
            async for window in windows:
                async for answers in self._answer(window):
                    yield answers

    async def _answer(self, window: list[Request]) -> AsyncIterator[list[Answer]]:
        sampler = await asyncio.to_thread(self._load)
        prompts = sorted(
            ((sampler.encode(request.messages), request) for request in window),
            key=lambda pair: (len(pair[0]), pair[1].request_id),
        )
        context = sampler.context_length
        short = [(ids, r) for ids, r in prompts if len(ids) + r.sampling.max_tokens <= context]
        for ids, request in prompts[len(short) :]:
            yield [_too_long(request, index, len(ids), context) for index in request.sample_indexes]
        for start in range(0, len(short), self.part.batch_size):
            yield await asyncio.to_thread(
                sampler.sample, short[start : start + self.part.batch_size]
            )

    def _load(self) -> Sampler:
        if self._sampler is None:
            require_extra("the transformers backend", "local", "torch", "transformers")
            from synthkd.teachers.transformers.loading import load_sampler

            self._sampler = load_sampler(self.model, self.part)
        return self._sampler

    async def close(self) -> None:
        self._sampler = None


async def _windows(
    requests: AsyncIterator[Request], size: int
) -> AsyncGenerator[list[Request], None]:
    """Yield ``size`` requests at a time, fewer after a pause: the source may wait for answers."""
    window: list[Request] = []
    pending: asyncio.Future[Request | None] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(requests, None))
            await asyncio.wait({pending}, timeout=_SILENCE if window else None)
            if pending.done():
                request, pending = pending.result(), None
                if request is None:
                    break
                window.append(request)
            if pending is not None or len(window) >= size:
                yield window
                window = []
        if window:
            yield window
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)


def _too_long(request: Request, index: int, tokens: int, context: int) -> Failure:
    detail = (
        f"the prompt has {tokens} tokens and {request.sampling.max_tokens} may be written; the"
        f" model holds {context}"
    )
    return Failure(request.request_id, index, "context_too_long", detail)
