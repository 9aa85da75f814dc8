"""The Messages API of the test server, as its public reference describes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from synthkd.keys import bytes_hash
from synthkd.testing.batches import Complete, FakeBatches, Outcome
from synthkd.testing.batches import Reply as BatchReply
from synthkd.testing.dialect import BadRequestError, BatchCall, Dialect

PATH = "/v1/messages"
_CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

#: Fields of a request; any other is refused.
_FIELDS = frozenset(
    [
        "model", "max_tokens", "messages", "system", "temperature", "top_p", "top_k",
        "stop_sequences", "output_config", "thinking", "metadata", "cache_control", "service_tier",
        "stream", "tools", "tool_choice",
    ]
)  # fmt: skip
_ERROR_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
    529: "overloaded_error",
}  # fmt: skip
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
#: Words of errors that have no code of their own.
_MESSAGES = {
    "insufficient_quota": "Your credit balance is too low to access the Anthropic API.",
    "context_length_exceeded": "prompt is too long: 9 tokens > 8 maximum",
    "content_filter": "Output blocked by content filtering policy",
}
#: Keywords of a schema that structured outputs refuse.
_REFUSED_KEYWORDS = {"minLength", "maxLength", "minimum", "maximum", "maxItems", "multipleOf"}


class AnthropicDialect(Dialect):
    """`POST /v1/messages`, with a prompt cache."""

    def __init__(self) -> None:
        #: Hashes of prompts that are in the cache.
        self._cached: set[str] = set()

    def is_request(self, path: str) -> bool:
        return path.endswith("/messages")

    def key(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-api-key", "")

    def read(
        self, path: str, headers: Mapping[str, str], body: dict[str, Any]
    ) -> tuple[bool, dict[str, Any]]:
        if "anthropic-version" not in headers:
            raise BadRequestError("anthropic-version: header is required")
        check_request(body)
        system = [{"role": "system", "content": body["system"]}] if "system" in body else []
        read = {"messages": [*system, *body["messages"]], "n": 1}
        if form := body.get("output_config", {}).get("format"):
            shape = {"type": "json_schema", "json_schema": {"schema": form["schema"]}}
            read["response_format"] = shape
        return True, read

    def answer(self, reply: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        choices = reply["choices"]
        made: dict[str, Any] = {
            "id": "msg_fake", "type": "message", "role": "assistant", "model": body.get("model"),
            "stop_sequence": None, "usage": self._usage(reply["usage"], body),
        }  # fmt: skip
        if not choices:
            return made
        message, finish = choices[0]["message"], choices[0]["finish_reason"]
        content = [{"type": "text", "text": message["content"]}]
        if thoughts := message.get("reasoning_content"):
            content.insert(0, {"type": "thinking", "thinking": thoughts, "signature": "fake"})
        withheld = finish == "content_filter"
        made["content"] = [] if withheld else content
        made["stop_reason"] = _STOP_REASONS.get(finish, finish)
        return made

    def _usage(self, usage: dict[str, int], body: dict[str, Any]) -> dict[str, int]:
        """Return token counts; a prompt up to a mark is put into the cache, and read from it."""
        stored = cached = 0
        if marked := "".join(_marked_texts(body)):
            name = bytes_hash(marked.encode())
            size = min(len(marked.split()), usage["prompt_tokens"])
            stored, cached = (0, size) if name in self._cached else (size, 0)
            self._cached.add(name)
        return {
            "input_tokens": usage["prompt_tokens"] - stored - cached,
            "cache_creation_input_tokens": stored, "cache_read_input_tokens": cached,
            "output_tokens": usage["completion_tokens"],
        }  # fmt: skip

    def handle_batches(
        self, batches: FakeBatches, call: BatchCall, complete: Complete
    ) -> BatchReply | None:
        parts = urlsplit(call.path)
        words = parts.path.removeprefix("/v1/").split("/")
        if words[:2] != ["messages", "batches"]:
            return None
        name, action = [*words[2:], "", ""][:2]
        if not name and call.method == "POST":
            return self._create(batches, call.body)
        if not name:
            return 200, _page(batches, parse_qs(parts.query))
        if name not in batches.rows:
            return 404, self.error(404, f"no {name} here")
        if action == "cancel":
            return (200, _batch(batches, name)) if batches.cancel(name) else (
                400, self.error(400, f"{name} has ended")
            )  # fmt: skip
        if action == "results":
            end = batches.end[name]
            return 200, b"".join(self._line(row, end) for row in batches.outcomes[name])
        batches.advance(name, complete)
        return 200, _batch(batches, name)

    def _create(self, batches: FakeBatches, body: bytes) -> BatchReply:
        try:
            rows = [(row["custom_id"], PATH, row["params"]) for row in json.loads(body)["requests"]]
            for custom_id, _, params in rows:
                if not _CUSTOM_ID.fullmatch(custom_id):
                    raise BadRequestError(f"requests.custom_id: {custom_id!r} does not match")
                check_request(params)
        except (BadRequestError, ValueError, KeyError) as error:
            return 400, self.error(400, str(error))
        if len(rows) > batches.limit:
            return 400, self.error(400, f"more than {batches.limit} requests")
        name = batches.submit(rows)
        batches.batches[name] = {"created_at": _now()}
        if batches.loses_answer():
            return 500, self.error(500, "planted: made, and the answer lost")
        return 200, _batch(batches, name)

    def _line(self, outcome: Outcome, end: str) -> bytes:
        custom_id, status, body = outcome
        result: dict[str, Any] = {"type": "canceled" if end == "cancelled" else end}
        if status == 200:
            result = {"type": "succeeded", "message": body}
        elif status:
            result = {"type": "errored", "error": self.row_error(status, body)}
        return json.dumps({"custom_id": custom_id, "result": result}).encode() + b"\n"

    def error(self, status: int, message: str, code: str | None = None) -> dict[str, Any]:
        kind = _ERROR_TYPES.get(status, "api_error")
        error = {"type": kind, "message": _MESSAGES.get(str(code), message)}
        return {"type": "error", "error": error, "request_id": "req_fake"}

    def models(self) -> dict[str, Any]:
        model = {"type": "model", "id": "fake", "display_name": "Fake"}
        return {"data": [model], "has_more": False, "first_id": "fake", "last_id": "fake"}


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _batch(batches: FakeBatches, name: str) -> dict[str, Any]:
    """Return a batch as the reference describes it."""
    ended, cancelled = batches.has_ended(name), batches.end[name] == "cancelled"
    statuses = [status for _, status, _ in batches.outcomes.get(name, ())]
    undone = statuses.count(0)
    counts = {
        "processing": 0 if ended else len(batches.rows[name]),
        "succeeded": statuses.count(200), "errored": len(statuses) - statuses.count(200) - undone,
        "canceled": undone if cancelled else 0, "expired": 0 if cancelled else undone,
    }  # fmt: skip
    status = "canceling" if cancelled else "in_progress"
    return {
        "id": name, "type": "message_batch", "processing_status": "ended" if ended else status,
        "request_counts": counts, **batches.batches[name],
        "cancel_initiated_at": _now() if cancelled else None,
        "results_url": f"/v1/messages/batches/{name}/results" if ended else None,
    }  # fmt: skip


def _page(batches: FakeBatches, query: dict[str, list[str]]) -> dict[str, Any]:
    """Return a page of batches, newest first."""
    names = list(reversed(batches.rows))
    start = names.index(query["after_id"][0]) + 1 if "after_id" in query else 0
    shown = names[start : start + int(query.get("limit", ["20"])[0])]
    return {
        "data": [_batch(batches, name) for name in shown],
        "has_more": start + len(shown) < len(names),
        "first_id": shown[0] if shown else None, "last_id": shown[-1] if shown else None,
    }  # fmt: skip


def check_request(body: dict[str, Any]) -> None:
    """Raise BadRequestError for a body that the Messages API refuses."""
    for name in body:
        if name not in _FIELDS:
            raise BadRequestError(f"{name}: Extra inputs are not permitted")
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            raise BadRequestError(f"{name}: Field required")
    if body.get("temperature", 0) > 1:
        raise BadRequestError("temperature: range: 0..1")
    for stop in body.get("stop_sequences", ()):
        if not stop.strip():
            raise BadRequestError("stop_sequences: each stop sequence must contain non-whitespace")
    messages = body["messages"]
    if not messages or messages[0].get("role") != "user":
        raise BadRequestError("messages: first message must use the user role")
    if any(message["role"] not in ("user", "assistant") for message in messages):
        raise BadRequestError("messages: roles are user and assistant")
    form = body.get("output_config", {}).get("format")
    if form and (refused := sorted(_REFUSED_KEYWORDS & set(_keywords(form["schema"])))):
        raise BadRequestError(f"output_config.format.schema: {refused[0]} is not supported")


def _keywords(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            yield name
            # Properties have names of their own.
            yield from _keywords(list(value.values()) if name == "properties" else value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keywords(value)


def _marked_texts(body: dict[str, Any]) -> list[str]:
    """Return the texts up to the last block with a mark for the cache."""
    contents = [body.get("system", ""), *(message["content"] for message in body["messages"])]
    texts, marked = [], 0
    for content in contents:
        for block in content if isinstance(content, list) else [{"text": content}]:
            texts.append(f"{block['text']} ")
            if "cache_control" in block:
                marked = len(texts)
    return texts[:marked]
