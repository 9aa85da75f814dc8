"""The backend `transformers`: any model that transformers can load, in this process.

Each prompt is read once for all its samples, and samples join the batch as others end. Each draws
from a random stream of its own, seeded by the request and the sample index, so that the rest of a
batch does not influence its tokens (but for rounding, which is coarse in bfloat16).
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from synthkd.errors import require_extra
from synthkd.requests import Answer, Failure, Request
from synthkd.teachers.base import Teacher
from synthkd.teachers.transformers.checkpoint import (
    EMBEDDED,
    asked_dtype,
    model_version,
    published_dtype,
    resolve_model,
)

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart
    from synthkd.teachers.transformers.sampling import Sampler

#: Batches in a window of requests; in a larger window, the lengths within a batch are more alike.
_WINDOW = 8
#: Seconds without a further request, after which a window is answered as it is: while nothing is
#: generated, and meanwhile.
_SILENCE, _GLANCE = 0.5, 0.01


class TransformersTeacher(Teacher):
    """Answers from a local language model. Needs the extra ``local``."""

    name = "transformers"

    def __init__(self, part: TeacherPart, folder: Path = Path()) -> None:
        self.part = part
        self.model = resolve_model(part.model, folder)
        self._sampler: Sampler | None = None
        self._identity = part.identity
        self._is_stopped = False

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
            dtype = published_dtype(self.model, asked_dtype(self.part))
            self._identity = f"transformers:{self.part.model}@{version}:{dtype}"
        return self._identity

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncIterator[list[Answer]]:
        reader = _RequestReader(requests)
        batch_size = self.part.batch_size
        try:
            while True:
                sampler = self._sampler
                if self._is_stopped:
                    # Samples that have begun are ended; prompts that were not read are dropped.
                    reader.has_ended = True
                    if sampler is not None:
                        sampler.waiting.clear()
                is_idle = sampler is None or sampler.is_idle
                room = batch_size * _WINDOW - (0 if sampler is None else len(sampler.waiting))
                window: list[Request] = []
                if is_idle:
                    window = await reader.read(room, None, _SILENCE)
                elif room >= batch_size:
                    window = await reader.read(room, _GLANCE, _GLANCE)
                if window:
                    sampler = await asyncio.to_thread(self._load)
                    if refused := self._add(sampler, window):
                        yield refused
                if sampler is None or sampler.is_idle:
                    if reader.has_ended:
                        return
                elif answers := await asyncio.to_thread(sampler.advance):
                    yield answers
        finally:
            await reader.close()

    def _add(self, sampler: Sampler, window: list[Request]) -> list[Answer]:
        """Add requests, alike ones beside each other; return the failures of those too long."""
        prompts = sorted(
            ((sampler.encode(request.messages), request) for request in window),
            key=lambda pair: (len(pair[0]), pair[1].request_id),
        )
        context = sampler.context_length
        refused: list[Answer] = []
        for ids, request in prompts:
            if len(ids) + request.sampling.max_tokens <= context:
                sampler.waiting.append((ids, request))
            else:
                refused += [
                    _too_long(request, index, len(ids), context) for index in request.sample_indexes
                ]
        return refused

    def _load(self) -> Sampler:
        if self._sampler is None:
            require_extra("the transformers backend", "local", "torch", "transformers")
            from synthkd.teachers.transformers.loading import load_sampler

            self._sampler = load_sampler(self.model, self.part)
        return self._sampler

    def stop(self) -> None:
        self._is_stopped = True

    async def close(self) -> None:
        was_loaded = self._sampler is not None
        self._sampler, self._is_stopped = None, False
        if was_loaded:
            return_freed_memory()


def return_freed_memory() -> None:
    """Give the memory of freed tensors back to the system.

    glibc keeps it in pieces that the next model's caches do not fit into: about a gigabyte more
    with each run of a process, and a loop has a run each round.
    """
    gc.collect()
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)


class _RequestReader:
    """Reads requests of a source that may pause: it may wait for answers."""

    def __init__(self, requests: AsyncIterator[Request]) -> None:
        self._requests = requests
        self._next: asyncio.Future[Request | None] | None = None
        self.has_ended = False

    async def read(self, most: int, first: float | None, further: float) -> list[Request]:
        """Read up to ``most`` requests.

        Args:
            most: Requests to return at most.
            first: Seconds to wait for the first; None to wait until it comes or the source ends.
            further: Seconds to wait for each other.
        """
        window: list[Request] = []
        while len(window) < most and not self.has_ended:
            if self._next is None:
                self._next = asyncio.ensure_future(anext(self._requests, None))
            await asyncio.wait({self._next}, timeout=further if window else first)
            if not self._next.done():
                break
            request, self._next = self._next.result(), None
            if request is None:
                self.has_ended = True
            else:
                window.append(request)
        return window

    async def close(self) -> None:
        """Stop reading."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)


def _too_long(request: Request, index: int, tokens: int, context: int) -> Failure:
    detail = (
        f"the prompt has {tokens} tokens and {request.sampling.max_tokens} may be written; the"
        f" model holds {context}"
    )
    return Failure(request.request_id, index, "context_too_long", detail)
