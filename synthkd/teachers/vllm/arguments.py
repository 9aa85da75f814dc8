"""Arguments of the vLLM engine: a recipe's, and those that belong to a teacher's identity."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field

from synthkd.options import BaseOptions, checked_options
from synthkd.recipe import TeacherPart


class VllmOptions(BaseOptions):
    """Options of vLLM: in this process, or a server that the run starts and stops."""

    serve: bool = Field(
        False, description="Start `vllm serve` for the run and stop it after; else in this process."
    )
    python: str | None = Field(
        None,
        description="For `serve`: the Python of another environment that vLLM is installed in.",
    )
    tensor_parallel_size: int = Field(1, ge=1, description="GPUs over which the model is split.")
    startup: float = Field(
        600.0, gt=0, description="For `serve`: seconds until the server must be ready."
    )
    args: dict[str, Any] = Field(
        default_factory=dict,
        description="Further engine arguments by vLLM's names, such as `max_model_len: 4096`,"
        " passed as they stand.",
    )


def vllm_options(part: TeacherPart) -> VllmOptions:
    """Return the options of a recipe's teacher.

    Raises:
        RecipeError: An option is unknown, or does not fit.
    """
    options: VllmOptions = checked_options(VllmOptions, part.options, "teacher.options")
    return options


#: vLLM reports its use to its makers by default.
NO_TELEMETRY = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
#: Engine arguments that change speed and memory, and not what the model answers. All others are
#: part of the identity: an argument that is missing here buys completions again; one too many would
#: reuse those of another model.
_SPEED_ONLY = {
    *(
        "async_scheduling",
        "block_size",
        "compilation_config",
        "cpu_offload_gb",
        "cudagraph_capture_sizes",
    ),
    *(
        "data_parallel_size",
        "disable_custom_all_reduce",
        "disable_log_stats",
        "distributed_executor_backend",
    ),
    *("enable_chunked_prefill", "enable_prefix_caching", "enforce_eager", "gpu_memory_utilization"),
    *("kv_cache_memory_bytes", "max_model_len", "max_num_batched_tokens", "max_num_seqs"),
    *(
        "max_parallel_loading_workers",
        "optimization_level",
        "pipeline_parallel_size",
        "served_model_name",
    ),
    *("tensor_parallel_size", "uvicorn_log_level"),
    # Part of the identity on its own.
    "dtype",
}


def engine_args(part: TeacherPart, model: Path | str) -> dict[str, Any]:
    """Return the engine's arguments by vLLM's names: our defaults, then those of the recipe."""
    args: dict[str, Any] = {
        "model": str(model),
        "tensor_parallel_size": vllm_options(part).tensor_parallel_size,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        # Otherwise the checkpoint's own temperature replaces a missing parameter.
        "generation_config": "vllm",
    }
    if part.revision:
        args |= {"revision": part.revision, "tokenizer_revision": part.revision}
    return args | vllm_options(part).args | {"dtype": dtype_of(part)}


def dtype_of(part: TeacherPart) -> str:
    """Return the number type of vLLM's arguments, else of the recipe."""
    return str(vllm_options(part).args.get("dtype", part.dtype))


def identity_args(args: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that are part of the identity."""
    return {name: value for name, value in args.items() if name not in _SPEED_ONLY}


def python_of(part: TeacherPart, folder: Path) -> str | None:
    """Return `teacher.options.python` as a path or a program's name; None if not given.

    A relative path starts at the recipe's folder.
    """
    named = vllm_options(part).python
    if named is None:
        return None
    python = os.path.expanduser(os.path.expandvars(named))
    # Not resolved: the place of the link decides which packages a virtual environment has.
    return str(folder.absolute() / python) if "/" in python else python
