"""What came back, as completions and failures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synthkd.fastjson import dumps
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.teachers.dispatch import TransientError

if TYPE_CHECKING:
    from synthkd.recipe import Price


def answers_of(request: Request, body: Any, seconds: float | None, price: Price | None) -> list[Answer]:
    """The choices of a body, each under the sample index that it was asked for; in whatever order they stand.

    Raises `TransientError` for a body that holds none.
    """
    choices = body.get("choices") if isinstance(body, dict) else None
    if not choices or not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
        raise TransientError("bad_response", "the body has no choices", billed=None)
    placed = _placed(choices, len(request.sample_indexes))
    usage = body.get("usage") or {}
    read = usage.get("prompt_tokens")
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    scored = [_logprobs(choice) for _, choice in placed]
    shares = _shares(usage.get("completion_tokens"), [count for _, count in scored], thought)
    answers: list[Answer] = []
    # The prompt is read once for all choices: the first that has a price bears it.
    bears = True
    for (place, choice), (logprob, _), written in zip(placed, scored, shares, strict=True):
        index = request.sample_indexes[place]
        if failure := _withheld(request, index, choice):
            # Withheld, but billed all the same.
            answers.append(replace(failure, tokens=written, price=cost_of(price, 0, written)))
            continue
        answers.append(
            Completion(
                request.request_id,
                index,
                _text(choice),
                str(choice.get("finish_reason") or "unknown"),
                prompt_tokens=read,
                completion_tokens=written,
                logprob=logprob,
                latency=seconds,
                price=cost_of(price, read if bears or read is None else 0, written, cached if bears else 0),
                model=body.get("model"),
                seed=None
                if request.sampling.seed is None
                else request.sampling.seed + request.sample_indexes[0],
                reasoning_tokens=thought if len(placed) == 1 else None,
                cached_tokens=cached,
                first_tokens=_first_tokens(choice),
                bears_prompt=bears,
            )
        )
        bears = False
    return _with_prompt(answers, read, cached, price) if bears else answers


def _with_prompt(
    answers: list[Answer], read: int | None, cached: int | None, price: Price | None
) -> list[Answer]:
    """Where every choice was withheld, the first bears the prompt."""
    first, *others = answers
    if isinstance(first, Failure) and first.tokens is not None and read is not None:
        paid = cost_of(price, read, first.tokens, cached)
        first = replace(first, tokens=first.tokens + read, price=paid)
    return [first, *others]


def cost_of(
    price: Price | None, read: int | None, written: int | None, cached: int | None = None
) -> float | None:
    """Dollars; unknown where a price or a count is."""
    if price is None or read is None or written is None:
        return None
    old = min(cached or 0, read) if price.cached is not None else 0
    return ((read - old) * price.input + old * (price.cached or 0.0) + written * price.output) / 1e6


def _placed(choices: list[dict[str, Any]], wanted: int) -> list[tuple[int, dict[str, Any]]]:
    """Choices by their own index, each once; a server that numbers none has them in order."""
    found: dict[int, dict[str, Any]] = {}
    for place, choice in enumerate(choices):
        index = choice.get("index")
        found.setdefault(index if isinstance(index, int) else place, choice)
    if any(not 0 <= index < wanted for index in found):
        found = {place: choice for place, choice in enumerate(choices) if place < wanted}
    return sorted(found.items())


def _withheld(request: Request, index: int, choice: dict[str, Any]) -> Failure | None:
    if choice.get("finish_reason") == "content_filter":
        return Failure(request.request_id, index, "content_filter", "the server withheld the text")
    message = choice.get("message") or {}
    if (refusal := message.get("refusal")) and not message.get("content"):
        return Failure(request.request_id, index, "refusal", str(refusal)[:500])
    return None


def _text(choice: dict[str, Any]) -> str:
    message = choice.get("message")
    text = message.get("content") if message else choice.get("text")
    return str(text or "")


def _logprobs(choice: dict[str, Any]) -> tuple[float | None, int | None]:
    """Sum of token log-probabilities in nats, and how many tokens; None where the server gives none."""
    found = choice.get("logprobs")
    if not found:
        return None, None
    content = found.get("content")
    values = [item["logprob"] for item in content] if content else found.get("token_logprobs")
    if not values:
        return None, None
    known = [value for value in values if value is not None]
    return (float(sum(known)) if known else None), len(values)


def _first_tokens(choice: dict[str, Any]) -> str | None:
    """The likeliest tokens of the first place that is not blank, as the journal holds them; None where none came."""
    found = choice.get("logprobs")
    if not found:
        return None
    places: list[tuple[Any, Any, Any]]
    if content := found.get("content"):
        places = [(item.get("token"), item.get("logprob"), item.get("top_logprobs")) for item in content]
    else:
        parts = [found.get(name) or () for name in ("tokens", "token_logprobs", "top_logprobs")]
        places = list(zip(*parts, strict=False))
    for token, value, tops in places:
        if isinstance(token, str) and token.strip():
            if not tops:
                return None
            # A token that was drawn is not always among the likeliest.
            pairs = (
                tops.items() if isinstance(tops, dict) else [(t.get("token"), t.get("logprob")) for t in tops]
            )
            known = {t: v for t, v in [(token, value), *pairs] if isinstance(v, int | float)}
            return dumps(sorted(known.items(), key=lambda pair: -pair[1])).decode()
    return None


def _shares(total: int | None, counts: list[int | None], thought: int | None) -> list[int | None]:
    """Completion tokens of each choice: counted, or an equal share of what the server counted in all."""
    if not thought and all(count is not None for count in counts):
        # Tokens of thought have no log-probabilities, but they are paid for.
        return counts
    if total is None or not counts:
        return [None] * len(counts)
    each, rest = divmod(total, len(counts))
    return [each + (rest if place == 0 else 0) for place in range(len(counts))]
