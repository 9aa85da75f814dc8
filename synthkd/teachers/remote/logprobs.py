"""Log-probabilities of a choice: the sum over its answer, and alternatives of its first token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from typing import Any

from synthkd.fastjson import dumps
from synthkd.teachers.remote.message_content import choice_reasoning, choice_text
from synthkd.text.thoughts import answer_tokens, split_thoughts

#: Bounds of a log-probability: servers write -9999 for "nearly impossible", and round 0 to slightly
#: above.
_LOWEST, _HIGHEST = -1e6, 0.01
#: Alternatives of a token that are kept; servers give 20 at most.
_MAX_TOP = 64
#: Characters of a token at most.
_MAX_TOKEN = 256


@dataclass(frozen=True, slots=True)
class ChoiceLogprobs:
    """Summary of the log-probabilities of a choice; None for values that are unknown.

    Attributes:
        logprob: Sum over the answer's tokens, in nats.
        tokens: Tokens of the whole choice.
        answer_tokens: Tokens of the answer, if thoughts stand beside it.
        first_tokens: Alternatives of the answer's first token that is not blank, as JSON.
    """

    logprob: float | None = None
    tokens: int | None = None
    answer_tokens: int | None = None
    first_tokens: str | None = None


_UNKNOWN = ChoiceLogprobs()


def choice_logprobs(choice: dict[str, Any]) -> ChoiceLogprobs:
    """Read the log-probabilities of a choice."""
    logprobs = choice.get("logprobs")
    if type(logprobs) is not dict:
        return _UNKNOWN
    values = _values(logprobs)
    if values is None:
        return ChoiceLogprobs(first_tokens=_first_tokens(logprobs, choice, 0))
    text = choice_text(choice)
    answer = split_thoughts(text, choice_reasoning(choice, str)) if type(text) is str else None
    if answer is None or not answer.thoughts:
        return ChoiceLogprobs(_sum(values), len(values), None, _first_tokens(logprobs, choice, 0))
    tokens = [token if type(token) is str else "" for token, _, _ in _positions(logprobs)]
    span = answer_tokens(tokens, answer.text)
    if span is None or len(tokens) != len(values):
        return ChoiceLogprobs(None, len(values))
    start, end = span
    first_tokens = _first_tokens(logprobs, choice, start)
    return ChoiceLogprobs(_sum(values[start:end]), len(values), end - start, first_tokens)


def _values(logprobs: dict[str, Any]) -> list[Any] | None:
    """Return the log-probability of each token, unchecked; None if the server gives none."""
    content = logprobs.get("content")
    if content and type(content) is list:
        return [item.get("logprob") if type(item) is dict else item for item in content]
    values = logprobs.get("token_logprobs")
    return values if type(values) is list and values else None


def _sum(values: list[Any]) -> float | None:
    """Return the sum in nats; None if a value is not a log-probability."""
    types = set(map(type, values))
    numbers = values
    if types != {float}:
        if not types <= {float, int, type(None)}:
            return None
        # The first token of an echoed prompt has none.
        numbers = [value for value in values if value is not None]
        if not numbers:
            return None
    if min(numbers) < _LOWEST or max(numbers) > _HIGHEST:
        return None
    total = sum(numbers)
    # Comparisons with NaN are false; the sum shows it.
    return float(total) if total == total else None


def _first_tokens(logprobs: dict[str, Any], choice: dict[str, Any], start: int) -> str | None:
    """Return the alternatives of the first non-blank token from ``start``, in the journal's form.

    None if there are none, or if the sampled token does not begin the answer: some servers give the
    log-probabilities of thoughts that they have taken out of the text.
    """
    for token, value, tops in islice(_positions(logprobs), start, None):
        if type(token) is str and token.strip():
            # The sampled token is not always among the most likely ones.
            candidates = [(token, value), *_alternatives(tops)] if tops else []
            valid = {t: v for t, v in candidates if _is_valid(t, v)}
            best = nlargest(_MAX_TOP, valid.items(), key=lambda pair: pair[1])
            return dumps(best).decode() if best and _begins_answer(choice, token) else None
    return None


def _begins_answer(choice: dict[str, Any], token: str) -> bool:
    text = choice_text(choice)
    return type(text) is str and split_thoughts(text).text.lstrip().startswith(token.strip())


def _positions(logprobs: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Yield token, log-probability and alternatives per position, of both protocols.

    Chats and plain completions write them in different forms.
    """
    content = logprobs.get("content")
    if content and type(content) is list:
        for item in content:
            if type(item) is dict:
                yield item.get("token"), item.get("logprob"), item.get("top_logprobs")
        return
    columns = [logprobs.get(name) for name in ("tokens", "token_logprobs", "top_logprobs")]
    yield from zip(*(column if type(column) is list else () for column in columns), strict=False)


def _alternatives(tops: Any) -> Iterator[tuple[Any, Any]]:
    if type(tops) is dict:
        yield from tops.items()
    elif type(tops) is list:
        for top in tops:
            if type(top) is dict:
                yield top.get("token"), top.get("logprob")


def _is_valid(token: Any, value: Any) -> bool:
    return (
        type(token) is str
        and len(token) <= _MAX_TOKEN
        and type(value) in (float, int)
        and _LOWEST <= value <= _HIGHEST
    )
