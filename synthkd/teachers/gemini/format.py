"""Requests and answers of `generateContent`.

Source: the provider's reference of `models.generateContent` (v1beta), and its pages about
structured outputs, thinking and context caching.

    recipe                            request (`generationConfig`, where no other place is named)
    --------------------------------  ---------------------------------------------------------
    system message                    `systemInstruction`
    n                                 `candidateCount`; one by one after a refusal
    max_tokens                        `maxOutputTokens`, which counts thoughts too
    temperature, top_p, top_k, seed   `temperature`, `topP`, `topK`, `seed`
    presence_, frequency_penalty      `presencePenalty`, `frequencyPenalty`
    stop                              `stopSequences`
    logprobs                          `responseLogprobs`, `logprobs`
    response_format                   `responseMimeType`, `responseJsonSchema`
    reasoning_effort                  `thinkingConfig`: a budget for Gemini 2.5, else a level
    extra_body                        further fields, merged into these, such as `safetySettings`,
                                      or `cachedContent` with the name of a cache

The provider caches long common beginnings by itself, and tells how many tokens it had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from synthkd.errors import RecipeError
from synthkd.requests import Request
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

_API = "generateContent"
#: Fields of the sampling -> fields of `generationConfig`.
_SAME = {
    "temperature": "temperature", "top_p": "topP", "top_k": "topK",
    "presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty",
}  # fmt: skip
#: Fields of `generationConfig` that a budget, the samples or the reading of answers depend on.
_OWN = ("maxOutputTokens", "candidateCount", "seed", "responseModalities")
#: Keywords that the API does not list.
_REFUSED_KEYWORDS = frozenset(["minLength", "maxLength", "pattern", "const", "default"])
#: Tokens of thoughts of Gemini 2.5 by effort, as at the provider's OpenAI-compatible address.
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}
#: Most alternatives of a token.
MAX_LOGPROBS = 20


def model_path(model: str | None) -> str:
    """Return the path of a model: ``/models/NAME`` unless the name has a folder."""
    name = str(model)
    return "/" + quote(name if "/" in name else f"models/{name}", safe="/.-_~")


class GeminiFormat(WireFormat):
    """`generateContent` of the Gemini API."""

    def __init__(self, part: TeacherPart) -> None:
        super().__init__(part)
        self._path = f"{model_path(part.model)}:generateContent"
        refuse_parameters(part, ("regex", "grammar"), _API)
        if part.chat is False:
            raise RecipeError(f"teacher.chat: {_API} has no plain completions; leave it out")
        further = part.sampling.extra_body
        remedy = "is what the prompt's template fills in"
        refuse_fields(further, ("contents", "systemInstruction", "system_instruction"), "", remedy)
        config = further.get("generationConfig", {})
        if not isinstance(config, dict) or "generation_config" in further:
            raise RecipeError(
                "teacher.sampling.extra_body: generationConfig is written so, and is a mapping"
            )
        remedy = "is filled in from teacher.sampling, which counts in the budget"
        refuse_fields(config, _OWN, ".generationConfig", remedy)

    def body(self, request: Request, support: ParameterSupport) -> tuple[str, dict[str, Any]]:
        system, turns = split_system(request.messages)
        further = dict(request.sampling.extra_body)
        tops = further.pop("top_logprobs", 1)
        body: dict[str, Any] = {"generationConfig": self._config(request, tops)}
        body = merged(body, further)
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        body["contents"] = [
            {
                "role": "model" if turn["role"] == "assistant" else turn["role"],
                "parts": [{"text": turn["content"]}],
            }
            for turn in turns
        ]
        return self._path, body

    def _config(self, request: Request, tops: Any) -> dict[str, Any]:
        sampling = request.sampling
        config: dict[str, Any] = {"maxOutputTokens": sampling.max_tokens}
        if len(request.sample_indexes) > 1:
            config["candidateCount"] = len(request.sample_indexes)
        for name, field in _SAME.items():
            if (value := getattr(sampling, name)) is not None:
                config[field] = value
        if sampling.seed is not None:
            config["seed"] = sampling.seed + request.sample_indexes[0]
        if sampling.stop:
            config["stopSequences"] = list(sampling.stop)
        if sampling.logprobs:
            config |= {"responseLogprobs": True, "logprobs": tops}
        if sampling.response_format:
            config["responseMimeType"] = "application/json"
            if (schema := json_schema(request)) is not None:
                config["responseJsonSchema"] = without_keywords(schema, _REFUSED_KEYWORDS)
        if (effort := sampling.reasoning_effort) is not None:
            config["thinkingConfig"] = self._thinking(effort)
        return config

    def _thinking(self, effort: str) -> dict[str, Any]:
        if effort == "none" or (effort in _BUDGETS and "gemini-2.5" in str(self.part.model)):
            return {"thinkingBudget": _BUDGETS[effort]}
        return {"thinkingLevel": effort}

    def choices(self, body: Any, request: Request) -> Any:
        if type(body) is not dict or not ("candidates" in body or "promptFeedback" in body):
            return body
        candidates = body.get("candidates")
        if type(candidates) is list and candidates:
            choices = [_choice(one) if type(one) is dict else one for one in candidates]
        else:
            choices = _withheld(body.get("promptFeedback"), len(request.sample_indexes))
        return {
            "model": body.get("modelVersion"), "choices": choices,
            "usage": _usage(body.get("usageMetadata")),
        }  # fmt: skip


def _choice(candidate: dict[str, Any]) -> dict[str, Any]:
    reason = candidate.get("finishReason")
    content = candidate.get("content")
    parts = content.get("parts") if type(content) is dict else None
    choice: dict[str, Any] = {
        "index": candidate.get("index"),
        "finish_reason": "stop" if reason == "STOP" else reason,
        "message": {"content": _text(parts)},
    }
    if (logprobs := _logprobs(candidate.get("logprobsResult"))) is not None:
        choice["logprobs"] = logprobs
    return choice


def _text(parts: Any) -> Any:
    """Return the text of parts, or the parts if some are thoughts or no text."""
    if type(parts) is not list:
        return "" if parts is None else parts
    texts = [
        part["text"]
        for part in parts
        if type(part) is dict and type(part.get("text")) is str and not part.get("thought")
    ]
    return "".join(texts) if len(texts) == len(parts) else parts


def _withheld(feedback: Any, samples: int) -> list[dict[str, Any]]:
    """Return a choice for each sample of a prompt that was blocked; none without a reason."""
    reason = feedback.get("blockReason") if type(feedback) is dict else None
    if type(reason) is not str:
        return []
    message = {"content": "", "refusal": None}
    return [
        {"index": index, "finish_reason": "content_filter", "message": message}
        for index in range(samples)
    ]


def _logprobs(result: Any) -> dict[str, Any] | None:
    """Return log-probabilities in the form of OpenAI's chats; None if there are none."""
    chosen = result.get("chosenCandidates") if type(result) is dict else None
    if type(chosen) is not list:
        return None
    tops = result.get("topCandidates")
    steps = tops if type(tops) is list else []
    content = []
    for place, one in enumerate(chosen):
        if type(one) is not dict:
            return None
        step = steps[place].get("candidates") if _is_dict_at(steps, place) else None
        content.append(
            {
                "token": one.get("token"),
                "logprob": one.get("logProbability"),
                "top_logprobs": [
                    {"token": top.get("token"), "logprob": top.get("logProbability")}
                    for top in (step if type(step) is list else ())
                    if type(top) is dict
                ],
            }
        )
    return {"content": content}


def _is_dict_at(values: list[Any], place: int) -> bool:
    return place < len(values) and type(values[place]) is dict


def _usage(usage: Any) -> dict[str, Any] | None:
    """Return token counts; a count of zero is left out by the API."""
    if type(usage) is not dict or "promptTokenCount" not in usage:
        return None
    texts = token_count(usage.get("candidatesTokenCount"))
    thoughts = token_count(usage.get("thoughtsTokenCount"))
    cached = token_count(usage.get("cachedContentTokenCount"))
    written = None if texts is None or thoughts is None else texts + thoughts
    return {
        "prompt_tokens": usage.get("promptTokenCount"),
        "completion_tokens": written,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thoughts or None},
    }
