"""Requests and answers of the Messages API.

Source: the provider's reference of `POST /v1/messages`, and its pages about structured outputs,
prompt caching and stop reasons.

    recipe                      request
    --------------------------  ---------------------------------------------------------------
    system message              `system`
    max_tokens                  `max_tokens`, which counts thoughts too
    temperature, top_p, top_k   the same names; a temperature above 1 is refused
    stop                        `stop_sequences`; blank ones, which the API refuses, end it here
    response_format             `output_config.format`, without keywords that the API refuses
    reasoning_effort            `output_config.effort`; `none` turns thinking off
    seed                        is not sent: the API has none, and samples differ by chance
    extra_body                  further fields, merged into these

An answer is one text: n samples are n requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError
from synthkd.requests import Message, Request
from synthkd.teachers.anthropic.options import AnthropicOptions
from synthkd.teachers.remote.wire_format import (
    WireFormat,
    json_schema,
    merged,
    refuse_fields,
    refuse_parameters,
    split_system,
    token_count,
)
from synthkd.teachers.schema_support import without_keywords

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.parameter_support import ParameterSupport

PATH = "/messages"
_API = "the Messages API"
_NOT_THERE = ("presence_penalty", "frequency_penalty", "logprobs", "regex", "grammar")
#: Keywords that structured outputs refuse.
_REFUSED_KEYWORDS = frozenset(
    [
        "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems",
    ]
)  # fmt: skip


class AnthropicFormat(WireFormat):
    """The Messages API."""

    sends_seed = False
    single_choice = True

    def __init__(self, part: TeacherPart, options: AnthropicOptions) -> None:
        super().__init__(part)
        self._control: dict[str, Any] = {"type": "ephemeral"}
        if options.cache_time != "5m":
            self._control["ttl"] = options.cache_time
        self._cache = options.cache
        self._check()

    def _check(self) -> None:
        """Refuse what the API does not have, before anything is bought."""
        sampling = self.part.sampling
        refuse_parameters(self.part, _NOT_THERE, _API)
        if self.part.chat is False:
            raise RecipeError(f"teacher.chat: {_API} has no plain completions; leave it out")
        if (sampling.temperature or 0.0) > 1.0:
            raise RecipeError(f"teacher.sampling.temperature: {_API} takes 0 to 1")
        shape = sampling.response_format or {}
        if shape and shape.get("type") != "json_schema":
            raise RecipeError(
                f"teacher.sampling.response_format: {_API} takes the type json_schema only"
            )
        refuse_fields(
            sampling.extra_body, ("system",), "", "is what the prompt's template fills in"
        )

    def body(self, request: Request, support: ParameterSupport) -> tuple[str, dict[str, Any]]:
        sampling = request.sampling
        system, turns = split_system(request.messages)
        body: dict[str, Any] = {"model": self.part.model, "max_tokens": sampling.max_tokens}
        for name in ("temperature", "top_p", "top_k"):
            if (value := getattr(sampling, name)) is not None:
                body[name] = value
        if stops := [stop for stop in sampling.stop if stop.strip()]:
            body["stop_sequences"] = stops
        if output := self._output(request):
            body["output_config"] = output
        if sampling.reasoning_effort == "none":
            body["thinking"] = {"type": "disabled"}
        body = merged(body, sampling.extra_body)
        if system:
            body["system"] = self._marked(system) if self._cache == "system" else system
        body["messages"] = self._turns(turns)
        return PATH, body

    def _output(self, request: Request) -> dict[str, Any]:
        output: dict[str, Any] = {}
        if request.sampling.reasoning_effort not in (None, "none"):
            output["effort"] = request.sampling.reasoning_effort
        if (schema := json_schema(request)) is not None:
            output["format"] = {
                "type": "json_schema", "schema": without_keywords(schema, _REFUSED_KEYWORDS),
            }  # fmt: skip
        return output

    def _turns(self, turns: list[Message]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = [dict(turn) for turn in turns]
        if self._cache == "prompt" and made:
            made[-1]["content"] = self._marked(made[-1]["content"])
        return made

    def _marked(self, text: str) -> list[dict[str, Any]]:
        """Return a text as a block up to which the provider caches."""
        return [{"type": "text", "text": text, "cache_control": self._control}]

    def choices(self, body: Any, request: Request) -> Any:
        if type(body) is not dict or type(content := body.get("content")) is not list:
            return body
        only = content[0] if len(content) == 1 else None
        text = only.get("text") if type(only) is dict and only.get("type") == "text" else None
        reason = body.get("stop_reason")
        if type(text) is str and (end := _blank_stop(text, request.sampling.stop)) is not None:
            text, reason = text[:end], "stop_sequence"
        message = {"content": content if text is None else text}
        choice = {"finish_reason": reason, "message": message}
        return {
            "model": body.get("model"), "choices": [choice], "usage": _usage(body.get("usage")),
        }  # fmt: skip


def _blank_stop(text: str, stops: tuple[str, ...]) -> int | None:
    """Return where the first blank stop sequence of a text begins; None if there is none."""
    ends = [text.find(stop) for stop in stops if stop and not stop.strip()]
    return min((end for end in ends if end >= 0), default=None)


def _usage(usage: Any) -> dict[str, Any] | None:
    """Return token counts; those of the prompt are given in three parts."""
    if type(usage) is not dict:
        return None
    fresh = usage.get("input_tokens")
    stored = token_count(usage.get("cache_creation_input_tokens"))
    cached = token_count(usage.get("cache_read_input_tokens"))
    read = None
    if type(fresh) is int and stored is not None and cached is not None:
        read = fresh + stored + cached
    details = usage.get("output_tokens_details")
    thoughts = details.get("thinking_tokens") if type(details) is dict else None
    return {
        "prompt_tokens": read,
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": stored},
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }
