"""A local checkpoint as a teacher: any causal model that transformers can load.

Prompts are batched by length and read once for all their samples. Each sample draws from a stream of its
own, seeded by the request and the sample index, so what else is in the batch does not choose its tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError, TeacherError, require_extra
from synthkd.keys import content_hash, file_hash
from synthkd.requests import Answer, Failure, Request

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart
    from synthkd.teachers.transformers.sampling import Sampler

#: Name of the embedded teacher, resolved to the checkpoint that comes with synthkd.
EMBEDDED = "synthkd/everyday"
#: Requests that are looked at together, in batches: the larger, the better lengths match.
_WINDOW = 8
#: Seconds without a further request, after which those that are there are answered.
_SILENCE = 0.5


class TransformersTeacher:
    """Answers from a local causal language model. Needs the extra ``local``."""

    name = "transformers"

    def __init__(self, part: TeacherPart, folder: Path = Path()) -> None:
        if not part.model:
            raise RecipeError("teacher.model: name a checkpoint folder, a hub name, or synthkd/everyday")
        self.part = part
        self.model = resolve_model(part.model, folder)
        self._sampler: Sampler | None = None
        self._identity = part.identity

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> TransformersTeacher:
        return cls(recipe.teacher, recipe.folder)

    def __repr__(self) -> str:
        return f"TransformersTeacher({self.part.model!r})"

    @property
    def identity(self) -> str:
        """A folder is known by the hash of its weights, configuration and tokenizer; a hub name by its revision."""
        if self._identity is None:
            if isinstance(self.model, Path):
                who = content_hash({file.name: file_hash(file) for file in _model_files(self.model)})
            else:
                who = self.part.revision or "main"
            self._identity = f"transformers:{self.part.model}@{who}:{self.part.dtype}"
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
        longest = sampler.context_length
        short = [(ids, r) for ids, r in prompts if len(ids) + r.sampling.max_tokens <= longest]
        for ids, request in prompts[len(short) :]:
            yield [_too_long(request, index, len(ids), longest) for index in request.sample_indexes]
        for start in range(0, len(short), self.part.batch_size):
            yield await asyncio.to_thread(sampler.sample, short[start : start + self.part.batch_size])

    def _load(self) -> Sampler:
        if self._sampler is None:
            require_extra("the transformers backend", "local", "torch", "transformers")
            from synthkd.teachers.transformers.sampling import Sampler

            self._sampler = Sampler.load(self.model, self.part)
        return self._sampler

    async def close(self) -> None:
        self._sampler = None


async def _windows(requests: AsyncIterator[Request], size: int) -> AsyncGenerator[list[Request], None]:
    """So many requests at a time; fewer where no more come for a while: they may wait for answers (of a cap, say)."""
    window: list[Request] = []
    coming: asyncio.Future[Request | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(requests, None))
            await asyncio.wait({coming}, timeout=_SILENCE if window else None)
            if coming.done():
                request, coming = coming.result(), None
                if request is None:
                    break
                window.append(request)
            if coming is not None or len(window) >= size:
                yield window
                window = []
        if window:
            yield window
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


def resolve_model(model: str, folder: Path) -> Path | str:
    """The embedded teacher's folder, a folder that exists, or else a hub name."""
    if model == EMBEDDED:
        return Path(__file__).parents[1] / "everyday"
    path = (folder / model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise TeacherError(f"{path}: no config.json here; a transformers checkpoint has one")
        return path
    if model.startswith((".", "/", "~")):
        raise TeacherError(f"{path}: no such checkpoint folder")
    return model


def _model_files(folder: Path) -> list[Path]:
    kinds = (
        "*.safetensors",
        "config.json",
        "generation_config.json",
        "tokenizer*",
        "chat_template*",
        "vocab*",
        "merges*",
    )
    return sorted({file for kind in kinds for file in folder.glob(kind)})


def _too_long(request: Request, index: int, tokens: int, longest: int) -> Failure:
    detail = f"{tokens} tokens and {request.sampling.max_tokens} to write, the model holds {longest}"
    return Failure(request.request_id, index, "context_too_long", detail)


def missing(error: Exception, model: Any) -> TeacherError:
    """What to say when a model cannot be loaded."""
    return TeacherError(
        f"cannot load {model}: {(str(error).strip().splitlines() or [type(error).__name__])[0]}; give a folder that holds a checkpoint, or a hub name"
    )
