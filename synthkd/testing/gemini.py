"""`generateContent` of the test server, as its public reference describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from synthkd.testing.batches import Complete, FakeBatches, Outcome
from synthkd.testing.batches import Reply as BatchReply
from synthkd.testing.dialect import BadRequestError, BatchCall, Dialect
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
#: Statuses of HTTP -> codes of gRPC, which the errors of rows have; 1 for a row that was not done.
_GRPC_CODES = {0: 1, 400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14, 504: 4}
_STATES = {
    "completed": "BATCH_STATE_SUCCEEDED", "expired": "BATCH_STATE_EXPIRED",
    "cancelled": "BATCH_STATE_CANCELLED", "failed": "BATCH_STATE_FAILED",
    "full": "BATCH_STATE_FAILED",
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

    def handle_batches(
        self, batches: FakeBatches, call: BatchCall, complete: Complete
    ) -> BatchReply | None:
        parts = urlsplit(call.path)
        path = parts.path.removeprefix("/v1beta/")
        if path.endswith(":batchGenerateContent"):
            return self._create(batches, path, call.body)
        if path == "batches":
            return 200, self._page(batches, parse_qs(parts.query))
        if not path.startswith("batches/"):
            return None
        name, _, action = path.removeprefix("batches/").partition(":")
        if name not in batches.rows:
            return 404, self.error(404, f"no {name} here")
        if action == "cancel":
            batches.cancel(name)
            return 200, {}
        batches.advance(name, complete)
        return 200, self._operation(batches, name)

    def _create(self, batches: FakeBatches, path: str, body: bytes) -> BatchReply:
        try:
            asked = json.loads(body)["batch"]
            inlined = asked["inputConfig"]["requests"]["requests"]
            model = path.removesuffix(":batchGenerateContent")
            one = f"/v1beta/{model}:generateContent"
            rows = [(row["metadata"]["key"], one, row["request"]) for row in inlined]
            for _, _, request in rows:
                self.read(one, {}, request)
        except (BadRequestError, ValueError, KeyError) as error:
            return 400, self.error(400, str(error))
        if len(rows) > batches.limit:
            return 400, self.error(400, f"more than {batches.limit} requests")
        name = batches.submit(rows)
        batches.batches[name] = {"displayName": asked["displayName"] if batches.marks else "x"}
        if batches.loses_answer():
            return 500, self.error(500, "planted: made, and the answer lost")
        return 200, self._operation(batches, name)

    def _operation(self, batches: FakeBatches, name: str) -> dict[str, Any]:
        """Return a batch as an operation, with the results of one that has ended."""
        ended, end = batches.has_ended(name), batches.end[name]
        outcomes = batches.outcomes.get(name, [])
        good = sum(status == 200 for _, status, _ in outcomes)
        state = _STATES[end] if ended else "BATCH_STATE_RUNNING"
        # Counts are texts, as 64-bit numbers in all of this API.
        stats = {"requestCount": str(len(batches.rows[name]))}
        if ended:
            stats |= {
                "successfulRequestCount": str(good),
                "failedRequestCount": str(len(outcomes) - good),
            }
        metadata = {"state": state, "batchStats": stats, **batches.batches[name]}
        operation: dict[str, Any] = {"name": f"batches/{name}", "metadata": metadata}
        if not ended:
            return operation
        if end in ("failed", "full"):
            code, word = (8, "RESOURCE_EXHAUSTED") if end == "full" else (3, "INVALID_ARGUMENT")
            error = {"code": code, "message": f"planted: {end}", "status": word}
            return {**operation, "done": True, "error": error}
        responses = [self._response(outcome) for outcome in outcomes]
        response = {"inlinedResponses": {"inlinedResponses": responses}}
        return {**operation, "done": True, "response": response}

    def _response(self, outcome: Outcome) -> dict[str, Any]:
        key, status, body = outcome
        made: dict[str, Any] = {"metadata": {"key": key}}
        if status == 200:
            return {**made, "response": body}
        message = str(body.get("error", {}).get("message", "the batch ended before this row"))
        return {**made, "error": {"code": _GRPC_CODES.get(status, 13), "message": message}}

    def _page(self, batches: FakeBatches, query: dict[str, list[str]]) -> dict[str, Any]:
        names = list(reversed(batches.rows))
        start = int(query.get("pageToken", ["0"])[0])
        end = start + int(query.get("pageSize", ["20"])[0])
        page = {"operations": [self._operation(batches, name) for name in names[start:end]]}
        return {**page, **({"nextPageToken": str(end)} if end < len(names) else {})}

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
