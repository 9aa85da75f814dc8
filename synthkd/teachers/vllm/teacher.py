"""The backend `vllm`."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from synthkd.errors import RecipeError
from synthkd.keys import content_hash, file_hash
from synthkd.requests import Answer, Request
from synthkd.teachers.base import Account
from synthkd.teachers.dispatch import Policy
from synthkd.teachers.openai.teacher import policy_of
from synthkd.teachers.transformers.teacher import _model_files, resolve_model

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart

#: Engine arguments that say how fast the model answers, and what it fits in, but not what it says. All others are
#: part of who answers: one too many asks again, one too few would hand out another model's texts.
_SPEED = {
    *("async_scheduling", "block_size", "compilation_config", "cpu_offload_gb", "cudagraph_capture_sizes"),
    *("data_parallel_size", "disable_custom_all_reduce", "disable_log_stats", "distributed_executor_backend"),
    *("enable_chunked_prefill", "enable_prefix_caching", "enforce_eager", "gpu_memory_utilization"),
    *("kv_cache_memory_bytes", "max_model_len", "max_num_batched_tokens", "max_num_seqs"),
    *("max_parallel_loading_workers", "optimization_level", "pipeline_parallel_size", "served_model_name"),
    *("tensor_parallel_size", "uvicorn_log_level"),
    # Named in the identity by itself.
    "dtype",
}


class Way(Protocol):
    """One of the two ways in which vLLM is run. The first request starts it."""

    def stream(
        self, requests: AsyncIterator[Request], account: Account | None
    ) -> AsyncGenerator[list[Answer], None]: ...

    async def close(self) -> None: ...


class VllmTeacher:
    """Answers from vLLM, with its own batching. Needs the extra ``vllm``, or another Python that has vLLM.

    ``account`` is told which attempts may be billed (see `synthkd.teachers.base.Account`).
    """

    name = "vllm"

    def __init__(self, part: TeacherPart, folder: Path = Path(), policy: Policy | None = None) -> None:
        if not part.model:
            raise RecipeError("teacher.model: name a checkpoint folder, a hub name, or synthkd/everyday")
        self.part = part
        self.model = resolve_model(part.model, folder)
        # vLLM queues what it has no room for, and nobody else asks it: there is nothing to find by trying.
        self.policy = replace(policy or Policy(part.concurrency, part.max_attempts), adaptive=False)
        self.account: Account | None = None
        self._folder = folder
        self._identity = part.identity
        self._way: Way | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> VllmTeacher:
        return cls(recipe.teacher, recipe.folder, policy_of(recipe))

    def __repr__(self) -> str:
        return f"VllmTeacher({self.part.model!r}, {'served' if self.part.vllm.serve else 'in-process'})"

    @property
    def identity(self) -> str:
        """Which weights, in which number type, with which arguments that change what is said; however it is run."""
        if self._identity is None:
            self._identity = f"vllm:{self.part.model}@{self._who()}:{dtype_of(self.part)}"
            if args := _telling(self.part.vllm.args):
                self._identity += f":{content_hash(args, 8)}"
        return self._identity

    def _who(self) -> str:
        if isinstance(self.model, Path):
            return content_hash({file.name: file_hash(file) for file in _model_files(self.model)})
        return self.part.revision or "main"

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        # Where everything is in the journal already, no model is loaded.
        if (first := await anext(requests, None)) is None:
            return
        if self._way is None:
            self._way = self._choose()
        async with aclosing(self._way.stream(_with(first, requests), self.account)) as groups:
            async for answers in groups:
                yield answers

    def _choose(self) -> Way:
        if self.part.vllm.serve:
            from synthkd.teachers.vllm.server import Served

            return Served(self.part, self.model, self.policy, python_of(self.part, self._folder))
        from synthkd.teachers.vllm.engine import InProcess

        return InProcess(self.part, self.model, self.policy)

    async def close(self) -> None:
        way, self._way = self._way, None
        if way is not None:
            await way.close()


def python_of(part: TeacherPart, folder: Path) -> str | None:
    """The recipe's Python: a path from the recipe's folder, or a program's name; None where it names none."""
    if part.vllm.python is None:
        return None
    python = os.path.expanduser(os.path.expandvars(part.vllm.python))
    # Not resolved: the Python of a virtual environment is a link, and the link is what counts.
    return str(folder.absolute() / python) if "/" in python else python


def dtype_of(part: TeacherPart) -> str:
    """The number type that the recipe names; else the checkpoint's own, as vLLM does by itself.

    The default of `teacher.dtype` is for small models on a CPU: vLLM's fast kernels have no float32.
    """
    named = part.dtype if "dtype" in part.model_fields_set else "auto"
    return str(part.vllm.args.get("dtype", named))


def engine_args(part: TeacherPart, model: Path | str) -> dict[str, Any]:
    """vLLM's arguments, by its own names: ours, then what the recipe passes on."""
    args: dict[str, Any] = {
        "model": str(model),
        "tensor_parallel_size": part.vllm.tensor_parallel_size,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        # Else the checkpoint's own temperature and the like come in where the recipe names none, unseen.
        "generation_config": "vllm",
    }
    if part.revision:
        args |= {"revision": part.revision, "tokenizer_revision": part.revision}
    return args | part.vllm.args | {"dtype": dtype_of(part)}


def _telling(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments that are part of who answers."""
    return {name: value for name, value in args.items() if name not in _SPEED}


async def _with(first: Request, rest: AsyncIterator[Request]) -> AsyncIterator[Request]:
    yield first
    async for request in rest:
        yield request
