"""`generateContent` of the test server, as its public reference describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthkd.testing.dialect import BadRequestError, Dialect
from synthkd.testing.faults import Reply

_FIELDS = frozenset(
    [
        "model", "contents", "systemInstruction", "generationConfig", "safetySettings", "tools",
        "toolConfig", "cachedContent",
    ]
)  # fmt: skip
_CONFIG_FIELDS = frozenset(
    [
        "temperature", "topP", "topK", "seed", "maxOutputTokens", "candidateCount",
        "stopSequences", "presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs",
        "responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig",
    ]
)  # fmt: skip
_STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
}  # fmt: skip
_FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_MESSAGES = {
    "insufficient_quota": "Your prepayment credits: insufficient credits.",
    "context_length_exceeded": "The input token count (9) exceeds the maximum number of tokens"
    " allowed (8).",
}


class GeminiDialect(Dialect):
    """`POST /v1beta/models/MODEL:generateContent`.

    Args:
        single: Refuse requests for several candidates, as some models do.
    """

    root = "/v1beta"

    def __init__(self, single: bool = False) -> None:
        self.single = single
        #: System instructions that were sent before, which the provider caches by itself.
        self._seen: set[str] = set()

    def is_request(self, path: str) -> bool:
        return path.endswith(":generateContent")

    def key(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-goog-api-key", "")

    def read(
        self, path: str, headers: Mapping[str, str], body: dict[str, Any]
    ) -> tuple[bool, dict[str, Any]]:
        _refuse_unknown(body, _FIELDS, "")
        config = body.get("generationConfig", {})
        _refuse_unknown(config, _CONFIG_FIELDS, "generation_config.")
        count = config.get("candidateCount", 1)
        if count > 1 and self.single:
            raise BadRequestError("Multiple candidates is not enabled for this model")
        if not body.get("contents"):
            raise BadRequestError("contents is not specified")
        read: dict[str, Any] = {"messages": _messages(body), "n": count, "seed": config.get("seed")}
        if schema := config.get("responseJsonSchema"):
            shape = {"type": "json_schema", "json_schema": {"schema": schema}}
            read["response_format"] = shape
        if config.get("responseLogprobs"):
            read |= {"logprobs": True, "top_logprobs": config.get("logprobs", 1)}
        return True, read

    def answer(self, reply: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        usage = reply["usage"]
        counts = {
            "promptTokenCount": usage["prompt_tokens"],
            "candidatesTokenCount": usage["completion_tokens"],
            "totalTokenCount": usage["total_tokens"],
        }
        if instruction := body.get("systemInstruction"):
            text = _text(instruction)
            if text in self._seen:
                counts["cachedContentTokenCount"] = len(text.split())
            self._seen.add(text)
        # As in all of this API, counts of 0 are left out.
        counts = {name: count for name, count in counts.items() if count}
        candidates = [_candidate(choice) for choice in reply["choices"]]
        made = {"usageMetadata": counts, "modelVersion": "fake", "responseId": "fake"}
        return {**({"candidates": candidates} if candidates else {}), **made}

    def error(self, status: int, message: str, code: str | None = None) -> dict[str, Any]:
        text = _MESSAGES.get(str(code), message)
        named = _STATUSES.get(status, "UNKNOWN")
        return {"error": {"code": status, "message": text, "status": named}}

    def wrong_key(self, sent: str) -> tuple[int, dict[str, Any]]:
        return 400, self.error(400, "API key not valid. Please pass a valid API key.")

    def fault(self, name: str) -> Reply | None:
        if name == "400-filter":
            return 200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, {}
        if name == "429-seconds":
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
            body = self.error(429, "slow down")
            body["error"]["details"] = [retry]
            return 429, body, {}
        return super().fault(name)

    def models(self) -> dict[str, Any]:
        return {"models": [{"name": "models/fake", "displayName": "Fake"}]}


def _refuse_unknown(body: dict[str, Any], known: frozenset[str], place: str) -> None:
    for name in body:
        if name not in known:
            raise BadRequestError(
                f'Invalid JSON payload received. Unknown name "{place}{name}": Cannot find field.'
            )


def _messages(body: dict[str, Any]) -> list[dict[str, str]]:
    system = body.get("systemInstruction")
    messages = [{"role": "system", "content": _text(system)}] if system else []
    for content in body["contents"]:
        if content["role"] not in ("user", "model"):
            raise BadRequestError("Please use a valid role: user, model.")
        messages.append({"role": content["role"], "content": _text(content)})
    return messages


def _text(content: dict[str, Any]) -> str:
    return "".join(part["text"] for part in content["parts"])


def _candidate(choice: dict[str, Any]) -> dict[str, Any]:
    message, finish = choice["message"], choice["finish_reason"]
    parts: list[dict[str, Any]] = [{"text": message["content"]}]
    if thoughts := message.get("reasoning_content"):
        parts.insert(0, {"text": thoughts, "thought": True})
    made: dict[str, Any] = {"finishReason": _FINISH_REASONS.get(finish, finish)}
    if finish != "content_filter":
        made["content"] = {"role": "model", "parts": parts}
    if choice["index"]:
        made["index"] = choice["index"]
    if logprobs := choice["logprobs"]:
        made["logprobsResult"] = {
            "chosenCandidates": [_scored(one) for one in logprobs["content"]],
            "topCandidates": [
                {"candidates": [_scored(top) for top in one["top_logprobs"]]}
                for one in logprobs["content"]
            ],
        }
    return made


def _scored(token: dict[str, Any]) -> dict[str, Any]:
    return {"token": token["token"], "logProbability": token["logprob"]}
