"""The body of a request in the OpenAI protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synthkd.fastjson import dumps
from synthkd.requests import Request, Sampling
from synthkd.teachers.base import MAX_TOP_LOGPROBS
from synthkd.teachers.remote.parameter_support import ParameterSupport
from synthkd.teachers.remote.wire_format import WireFormat

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

CHAT_PATH, COMPLETIONS_PATH = "/chat/completions", "/completions"
#: The most alternatives of a token that the protocol gives in a plain completion.
_MAX_PLAIN_LOGPROBS = 5
#: Beginnings of bodies that are kept: samplings of a run, and first indexes of samples.
_MAX_STARTS = 256
#: Parameters that have the protocol's names.
_SAME_NAME = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "response_format",
    "reasoning_effort",
)


def is_chat(request: Request, part: TeacherPart) -> bool:
    """Return True for a chat: as the recipe says, otherwise as the template is."""
    if part.chat is not None:
        return part.chat
    return any(message["role"] != "prompt" for message in request.messages)


def token_limit_field(request: Request, part: TeacherPart, support: ParameterSupport) -> str:
    """Return the name of the token limit: new for reasoning models, old for other servers."""
    named = support.token_limit or part.token_limit
    return named or ("max_completion_tokens" if request.sampling.reasoning_effort else "max_tokens")


def build_body(
    request: Request, part: TeacherPart, chat: bool, support: ParameterSupport
) -> dict[str, Any]:
    """Return the JSON body: the parameters that are given, in the form that the server takes."""
    sampling = request.sampling
    body: dict[str, Any] = {"model": part.model}
    if not (support.single_choice and len(request.sample_indexes) == 1):
        body["n"] = len(request.sample_indexes)
    for name in _SAME_NAME:
        if (value := getattr(sampling, name)) is not None:
            body[name] = value
    body[token_limit_field(request, part, support)] = sampling.max_tokens
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.seed is not None:
        # Later samples begin at another index, so that a seeded server does not repeat any.
        body["seed"] = sampling.seed + request.sample_indexes[0]
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    constraint = {"regex": sampling.regex, "grammar": sampling.grammar}
    if constraint := {name: value for name, value in constraint.items() if value is not None}:
        # vLLM's field, since 0.11; another server's field can be given in `extra_body`.
        body["structured_outputs"] = constraint
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


class BodyEncoder:
    """Encodes the bodies of a run's requests.

    Parameters are the same in nearly all bodies: encoded once, only the messages are added.
    """

    def __init__(self, part: TeacherPart) -> None:
        self._part = part
        #: The beginning of a body by what it depends on; the sampling is kept, so that its id stays
        #: its own.
        self._starts: dict[tuple[Any, ...], tuple[bytes, Sampling]] = {}

    def encode(self, request: Request, chat: bool, support: ParameterSupport) -> bytes:
        """Return `build_body` as JSON."""
        messages = request.messages
        if not chat or messages[0]["role"] == "prompt":
            return dumps(build_body(request, self._part, chat, support))
        indexes, sampling = request.sample_indexes, request.sampling
        key = (id(sampling), len(indexes), indexes[0], support.single_choice, support.token_limit)
        start, _ = self._starts.get(key) or self._start(key, request, support)
        return b"%b%b}" % (start, request.messages_json.encode("utf-8", "surrogatepass"))

    def _start(
        self, key: tuple[Any, ...], request: Request, support: ParameterSupport
    ) -> tuple[bytes, Sampling]:
        if len(self._starts) >= _MAX_STARTS:
            self._starts.clear()
        body = build_body(request, self._part, True, support)
        # Last, if not named in `extra_body` too.
        del body["messages"]
        start = dumps(body)[:-1] + b',"messages":'
        entry = self._starts[key] = (start, request.sampling)
        return entry


def top_logprobs(chat: bool) -> dict[str, int]:
    """Return the fields that request the most alternatives per token that the protocol allows."""
    return {"top_logprobs": MAX_TOP_LOGPROBS} if chat else {"logprobs": _MAX_PLAIN_LOGPROBS}


class OpenAIFormat(WireFormat):
    """Chats and plain completions of the OpenAI protocol."""

    def __init__(self, part: TeacherPart) -> None:
        super().__init__(part)
        self._bodies = BodyEncoder(part)

    def body(self, request: Request, support: ParameterSupport) -> tuple[str, dict[str, Any]]:
        chat = is_chat(request, self.part)
        return _path(chat), build_body(request, self.part, chat, support)

    def encode(self, request: Request, support: ParameterSupport) -> tuple[str, bytes]:
        chat = is_chat(request, self.part)
        return _path(chat), self._bodies.encode(request, chat, support)

    def adapt(
        self, request: Request, parameter: str, support: ParameterSupport, earlier: bool = False
    ) -> bool:
        limit_field = parameter if earlier else token_limit_field(request, self.part, support)
        return support.switch_token_limit(parameter, limit_field)


def _path(chat: bool) -> str:
    return CHAT_PATH if chat else COMPLETIONS_PATH
