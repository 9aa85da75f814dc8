"""What is sent for a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synthkd.requests import Request
from synthkd.teachers.openai.parameter_support import Learned

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

CHAT, PLAIN = "/chat/completions", "/completions"
_SAME_NAME = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "response_format",
    "reasoning_effort",
)


def is_chat(request: Request, part: TeacherPart) -> bool:
    """Chat or plain completions: what the recipe says, else what the template is."""
    if part.chat is not None:
        return part.chat
    return any(message["role"] != "prompt" for message in request.messages)


def limit_of(request: Request, part: TeacherPart, learned: Learned) -> str:
    """Name of the limit on tokens. Reasoning models refuse the old name, other servers do not know the new one."""
    named = learned.limit or part.token_limit
    return named or ("max_completion_tokens" if request.sampling.reasoning_effort else "max_tokens")


def body_of(request: Request, part: TeacherPart, chat: bool, learned: Learned) -> dict[str, Any]:
    """The JSON body. Only parameters that are given are sent, in the form that the server has shown to take."""
    sampling = request.sampling
    body: dict[str, Any] = {"model": part.model}
    if not (learned.single and len(request.sample_indexes) == 1):
        body["n"] = len(request.sample_indexes)
    for name in _SAME_NAME:
        if (value := getattr(sampling, name)) is not None:
            body[name] = value
    body[limit_of(request, part, learned)] = sampling.max_tokens
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.seed is not None:
        # Samples bought later begin at another index, so a seeded server does not sell the same again.
        body["seed"] = sampling.seed + request.sample_indexes[0]
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if shape := {name: v for name in ("regex", "grammar") if (v := getattr(sampling, name)) is not None}:
        # vLLM's name, since 0.11; a server that has another takes it through `extra_body`.
        body["structured_outputs"] = shape
    if sampling.logprobs:
        body["logprobs"] = True if chat else 1
    body.update(sampling.extra_body)
    if chat:
        body["messages"] = [
            message if message["role"] != "prompt" else {**message, "role": "user"}
            for message in request.messages
        ]
    else:
        body["prompt"] = request.prompt
    return body


def in_a_row(indexes: tuple[int, ...]) -> tuple[int, ...]:
    """The first indexes without a gap. Servers seed choice i with the seed plus i; over a gap, one request would
    buy again what is in hand."""
    return tuple(index for place, index in enumerate(indexes) if index == indexes[0] + place)
