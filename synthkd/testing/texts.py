"""Answers of the test server, and their bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from synthkd.keys import seed_from
from synthkd.testing.schemas import schema_answer, schema_of

AnswerFunction = Callable[[str, int, int], str]

_WORDS = (
    "cut", "open", "carry", "hold", "bread", "water", "wood", "stone", "heavy", "light", "house",
    "garden", "bird",
    "river", "paper", "glass",
)  # fmt: skip
#: The answer of the fault `off-schema`.
_OFF_SCHEMA = '{"unasked": ['


class ScoredAnswer(str):
    """An answer with its most likely first tokens: token -> log-probability, in nats."""

    tops: dict[str, float]

    def __new__(cls, text: str, tops: dict[str, float]) -> ScoredAnswer:
        answer = super().__new__(cls, text)
        answer.tops = tops
        return answer


class FinishedAnswer(str):
    """An answer with a finish reason, and thoughts beside the text."""

    finish: str | None
    reasoning: str | None

    def __new__(
        cls, text: str, finish: str | None = "stop", reasoning: str | None = None
    ) -> FinishedAnswer:
        answer = super().__new__(cls, text)
        answer.finish, answer.reasoning = finish, reasoning
        return answer


def two_words(prompt: str, index: int, seed: int) -> str:
    """Return the default answer: two words that depend on prompt, seed and choice only."""
    drawn = seed_from(prompt, index, seed)
    return f"{_WORDS[drawn % 16]} {_WORDS[drawn // 16 % 16]}"


def _of_schema(schema: Mapping[str, Any]) -> AnswerFunction:
    def answer(prompt: str, index: int, seed: int) -> str:
        return schema_answer(schema, lambda place: two_words(f"{place} {prompt}", index, seed))

    return answer


def prompt_text(chat: bool, body: dict[str, Any]) -> str:
    """Return the text of all messages of a request, or its plain prompt."""
    if not chat:
        return str(body["prompt"])
    return "\n".join(_text(message["content"]) for message in body["messages"])


def _text(content: Any) -> str:
    """Return the text of a message's content, which may be a list of parts."""
    return (
        content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    )


def completion_body(
    chat: bool, prompt: str, body: dict[str, Any], fault: str, answer: AnswerFunction
) -> dict[str, Any]:
    """Return the body of a completion with a fault."""
    n = 1 if fault == "one-choice" else body.get("n") or 1
    seed = body.get("seed") or 0
    # The default answers keep to a schema, as a server with structured outputs does.
    if answer is two_words and (schema := schema_of(body)) is not None:
        answer = _of_schema(schema)
    texts = [
        _OFF_SCHEMA if fault == "off-schema" else answer(prompt, index, seed) for index in range(n)
    ]
    choices = [
        _choice(chat, index, text, body, _withheld(fault, index))
        for index, text in enumerate(texts)
    ]
    if fault == "duplicate":
        choices = [choice for choice in choices for _ in range(2)]
    if fault == "out-of-order":
        choices.reverse()
    written = sum(len(text.split()) for text in texts)
    read = len(prompt.split())
    return {
        "id": "fake", "object": "chat.completion" if chat else "text_completion", "created": 0,
        "model": "fake",
        "choices": [] if fault == "no-choices" else choices,
        "usage": {"prompt_tokens": read, "completion_tokens": written,
        "total_tokens": read + written},
    }  # fmt: skip


def _withheld(fault: str, index: int) -> bool:
    return fault == "content-filter" or (fault == "first-withheld" and index == 0)


def _choice(
    chat: bool, index: int, text: str, body: dict[str, Any], withheld: bool
) -> dict[str, Any]:
    reason = "content_filter" if withheld else getattr(text, "finish", "stop")
    choice: dict[str, Any] = {"index": index, "finish_reason": reason, "logprobs": None}
    if body.get("logprobs"):
        choice["logprobs"] = _logprobs(chat, text, body)
    if chat:
        choice["message"] = {"role": "assistant", "content": text}
        if reasoning := getattr(text, "reasoning", None):
            choice["message"]["reasoning_content"] = reasoning
    else:
        choice["text"] = text
    return choice


def _logprobs(chat: bool, text: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return a log-probability per word, and alternatives of the first where asked for."""
    tokens = text.split() or [""]
    values = [-0.1 * (len(token) + 1) for token in tokens]
    many = body.get("top_logprobs", 0) if chat else int(body["logprobs"])
    tops = dict(list(getattr(text, "tops", {}).items())[:many])
    values[0] = tops.get(tokens[0], values[0])
    if not chat:
        found: dict[str, Any] = {"tokens": tokens, "token_logprobs": values}
        return found | ({"top_logprobs": [tops] + [{}] * (len(tokens) - 1)} if tops else {})
    pairs: list[dict[str, Any]] = [
        {"token": t, "logprob": v, "bytes": None, "top_logprobs": []}
        for t, v in zip(tokens, values, strict=True)
    ]
    pairs[0]["top_logprobs"] = [{"token": t, "logprob": v, "bytes": None} for t, v in tops.items()]
    return {"content": pairs}
