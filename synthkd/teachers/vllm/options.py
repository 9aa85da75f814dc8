"""Options of the backend `vllm`."""

from __future__ import annotations

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
