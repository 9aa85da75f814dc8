"""The backend `vllm`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from synthkd.errors import RecipeError
from synthkd.keys import content_hash
from synthkd.recipe import PricePart
from synthkd.requests import Answer, Request
from synthkd.teachers.base import Account, Teacher
from synthkd.teachers.dispatch import DispatchPolicy
from synthkd.teachers.openai.request_body import top_logprobs
from synthkd.teachers.transformers.checkpoint import (
    EMBEDDED,
    HubFile,
    model_version,
    resolve_model,
)
from synthkd.teachers.vllm.arguments import (
    VllmOptions,
    dtype_of,
    identity_args,
    python_of,
    vllm_options,
)

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart
    from synthkd.teachers.dispatch.rate_limits import RateLimits


class VllmRuntime(Protocol):
    """A way to run vLLM: in this process or as a server. The first request starts it."""

    def stream(
        self, requests: AsyncIterator[Request], account: Account | None
    ) -> AsyncGenerator[list[Answer], None]: ...

    async def close(self) -> None: ...


class VllmTeacher(Teacher):
    """Answers from vLLM.

    Needs the extra ``vllm``, or another Python that has vLLM (`teacher.options.python`).
    """

    name = "vllm"
    Options = VllmOptions
    options: VllmOptions

    def __init__(
        self, part: TeacherPart, folder: Path = Path(), policy: DispatchPolicy | None = None
    ) -> None:
        self.part, self.options = part, vllm_options(part)
        model = resolve_model(part.model, folder)
        if isinstance(model, HubFile) or (isinstance(model, Path) and model.is_file()):
            raise RecipeError(
                f"teacher.model: {part.model} is a GGUF file, which the backend vllm does not read;"
                " give a checkpoint folder or hub name, or use `backend: transformers`"
            )
        self.model: Path | str = model
        # vLLM queues what exceeds its batch and has no other clients: no search for concurrency.
        self.policy = replace(
            policy or DispatchPolicy(part.concurrency, part.max_attempts), adaptive=False
        )
        self.price = part.price or PricePart()
        self._folder = folder
        self._identity = part.identity
        self._runtime: VllmRuntime | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> VllmTeacher:
        return cls(recipe.teacher, recipe.folder, DispatchPolicy.of_recipe(recipe))

    @classmethod
    def hub_models(cls, part: TeacherPart) -> list[str]:
        return [part.model] if part.model and part.model != EMBEDDED else []

    @classmethod
    def programs(cls, part: TeacherPart) -> dict[str, str]:
        options = vllm_options(part)
        if not options.serve:
            return {}
        python = options.python or "this Python"
        return {
            "teacher.options.python": f"{python} -m vllm.entrypoints.openai.api_server (gets the"
            " whole environment)"
        }

    def __repr__(self) -> str:
        return (
            f"VllmTeacher({self.part.model!r}, {'served' if self.options.serve else 'in-process'})"
        )

    @property
    def identity(self) -> str:
        """The model's version, its number type and the arguments that change what it answers."""
        if self._identity is None:
            version = model_version(self.model, self.part.revision)
            self._identity = f"vllm:{self.part.model}@{version}:{dtype_of(self.part)}"
            if args := identity_args(self.options.args):
                self._identity += f":{content_hash(args, 8)}"
        return self._identity

    def pace(self, rates: RateLimits) -> None:
        self.policy = replace(self.policy, rates=rates)

    def top_logprobs(self, chat: bool) -> dict[str, int]:
        return top_logprobs(chat) if self.options.serve else super().top_logprobs(chat)

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        # If all completions are in the journal, no model is loaded.
        if (first := await anext(requests, None)) is None:
            return
        if self._runtime is None:
            self._runtime = self._make_runtime()
        async with aclosing(self._runtime.stream(_chain(first, requests), self.account)) as groups:
            async for answers in groups:
                yield answers

    def _make_runtime(self) -> VllmRuntime:
        if self.options.serve:
            from synthkd.teachers.vllm.server import ServedEngine

            return ServedEngine(
                self.part, self.model, self.policy, python_of(self.part, self._folder)
            )
        from synthkd.teachers.vllm.engine import InProcessEngine

        return InProcessEngine(self.part, self.model, self.policy)

    async def close(self) -> None:
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            await runtime.close()


async def _chain(first: Request, others: AsyncIterator[Request]) -> AsyncIterator[Request]:
    yield first
    async for request in others:
        yield request
