"""Names of the `vllm` package that are used here, and requests and arguments in its terms."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from synthkd.errors import RecipeError, TeacherError, require_extra
from synthkd.requests import Request, Sampling
from synthkd.teachers.constrained_decoding import requested_form
from synthkd.teachers.vllm.arguments import NO_TELEMETRY

#: Parameters whose names are vLLM's too.
_SAME_NAME = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")


@dataclass(frozen=True)
class VllmApi:
    """The names of vLLM that are used here; they move between its versions."""

    EngineArgs: Any
    Engine: Any
    SamplingParams: Any
    StructuredOutputs: Any
    final_only: Any
    dead: type[Exception]
    failed: type[Exception]

    @classmethod
    def load(cls) -> VllmApi:
        require_extra("the vllm backend", "vllm", "vllm")
        # vLLM reads these when it is imported; its engine is a process that inherits them.
        os.environ.update(NO_TELEMETRY)
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs  # type: ignore[import-not-found, unused-ignore]
            from vllm.sampling_params import (  # type: ignore[import-not-found, unused-ignore]
                RequestOutputKind,
                SamplingParams,
                StructuredOutputsParams,
            )
            from vllm.v1.engine.async_llm import AsyncLLM  # type: ignore[import-not-found, unused-ignore]
            from vllm.v1.engine.exceptions import (  # type: ignore[import-not-found, unused-ignore]
                EngineDeadError,
                EngineGenerateError,
            )
        except ImportError as error:
            raise TeacherError(
                f"vllm is installed but cannot be imported ({error}); install a vllm that fits this"
                " machine, or set teacher.options.serve and teacher.options.python to run it in an"
                " environment of its own"
            ) from None
        return cls(
            AsyncEngineArgs,
            AsyncLLM,
            SamplingParams,
            StructuredOutputsParams,
            RequestOutputKind.FINAL_ONLY,
            EngineDeadError,
            EngineGenerateError,
        )


_DEFAULTS = {
    # The run shows its own progress, and standard output is the program's.
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    # A fork would copy the journal's connection and the locks of other threads.
    "VLLM_WORKER_MULTIPROCESSING_METHOD": "spawn",
}


def sampling_params(
    vllm: VllmApi, request: Request, defaults: dict[str, Any], keeps_tags: bool
) -> Any:
    """Return vLLM's sampling parameters of a request.

    Args:
        defaults: The model's own parameters, for those that the request does not set.
        keeps_tags: Keep special tokens in the text, such as the tags of thoughts.
    """
    sampling = request.sampling
    values = defaults | {
        name: value for name in _SAME_NAME if (value := getattr(sampling, name)) is not None
    }
    values |= {"n": len(request.sample_indexes), "max_tokens": sampling.max_tokens}
    values |= {"stop": list(sampling.stop), "output_kind": vllm.final_only}
    values["seed"] = sample_seed(request)
    if keeps_tags:
        values["skip_special_tokens"] = False
    if sampling.logprobs:
        # The sampled token, and as many alternatives as a judge asks for.
        values["logprobs"] = int(sampling.extra_body.get("top_logprobs", 0))
    if constraint := _constraint(sampling):
        values["structured_outputs"] = vllm.StructuredOutputs(**constraint)
    return vllm.SamplingParams(**values, **_extra(vllm, sampling))


def sample_seed(request: Request) -> int | None:
    """Return the seed of a request's first sample; vLLM adds each sample's index."""
    seed = request.sampling.seed
    return None if seed is None else seed + request.sample_indexes[0]


def _extra(vllm: VllmApi, sampling: Sampling) -> dict[str, Any]:
    """Return the fields of `extra_body` that are sampling parameters.

    Raises:
        TeacherError: A field is neither that nor an argument of the chat template.
    """
    used_elsewhere = ("chat_template_kwargs", "top_logprobs")
    extra = {name: v for name, v in sampling.extra_body.items() if name not in used_elsewhere}
    names = vllm.SamplingParams.__struct_fields__
    for name in extra:
        if name not in names:
            raise TeacherError(
                f"teacher.sampling.extra_body.{name}: vLLM's SamplingParams has no such field;"
                " in-process, only these and chat_template_kwargs can be passed on"
                " (teacher.options.serve passes on all)"
            )
    return extra


def _constraint(sampling: Sampling) -> dict[str, Any] | None:
    """Return the arguments of vLLM's StructuredOutputsParams; None if nothing is constrained."""
    form, response_format = requested_form(sampling), sampling.response_format
    if form is not None and form[0] in ("regex", "grammar"):
        return {form[0]: form[1]}
    kind = (response_format or {}).get("type", "text")
    if response_format is None or kind == "text":
        return None
    if kind == "json_object":
        return {"json_object": True}
    if kind == "json_schema":
        return {"json": response_format["json_schema"]["schema"]}
    raise TeacherError(
        f"teacher.sampling.response_format: unknown type {kind!r} for vLLM in this process; use"
        " json_schema or json_object"
    )


def checked_args(args: dict[str, Any], vllm: VllmApi) -> dict[str, Any]:
    """Return the arguments; raise `RecipeError` for one that the engine does not have."""
    names = {field.name for field in fields(vllm.EngineArgs)}
    for name in args:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise RecipeError(
                f"teacher.options.args.{name}: the installed vLLM has no such engine argument{hint}"
            )
    if "use_tqdm_on_load" in names:
        args = {"use_tqdm_on_load": False} | args
    return args
