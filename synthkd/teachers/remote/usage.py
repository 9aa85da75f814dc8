"""Token counts of a body, checked against the request, and the cost of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from synthkd.requests import Request

if TYPE_CHECKING:
    from synthkd.recipe import PricePart

#: Tokens that a server may add to a prompt: a chat template, a system prompt of its own.
_EXTRA_READ = 8_192
#: Tokens that a sample may have beyond its limit: servers count the ends of texts, and some do not
#: count thoughts.
_EXTRA_WRITTEN, _EXTRA_THOUGHTS = 1_024, 131_072


class Usage(NamedTuple):
    """Tokens of a body; None for a count that is missing or impossible."""

    read: int | None = None
    written: int | None = None
    cached: int | None = None
    thought: int | None = None
    cache_written: int | None = None


def read_usage(request: Request, body: dict[str, Any], choices: int) -> Usage:
    """Return the token counts of a body with so many choices."""
    usage = body.get("usage")
    if type(usage) is not dict:
        return Usage()
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    cached = thought = stored = None
    if type(details := usage.get("prompt_tokens_details")) is dict:
        cached, stored = details.get("cached_tokens"), details.get("cache_write_tokens")
    if type(details := usage.get("completion_tokens_details")) is dict:
        thought = details.get("reasoning_tokens")
    # Usual counts are accepted without computing the request's bound.
    if type(read) is not int or read < 0 or (read > _EXTRA_READ and read > _max_read(request)):
        read = None
    if type(thought) is not int or thought < 0:
        thought = None
    if (
        type(written) is not int
        or written < 0
        or (written > _EXTRA_WRITTEN and written > _max_written(request, choices, thought))
    ):
        written = None
    if type(cached) is not int or read is None or not 0 <= cached <= read:
        cached = None
    if type(stored) is not int or read is None or not 0 <= stored <= read - (cached or 0):
        stored = None
    if thought is not None and (written is None or thought > written):
        thought = None
    return Usage(read, written, cached, thought, stored)


def _max_read(request: Request) -> int:
    """Return the tokens that a prompt may have at most.

    A token is at least one byte and a character at most four; a schema may be written into the
    prompt.
    """
    sampling = request.sampling
    characters = sum([len(message["content"]) for message in request.messages])
    if sampling.response_format or sampling.extra_body:
        characters += len(sampling.json)
    return _EXTRA_READ + 4 * characters


def _max_written(request: Request, choices: int, thought: int | None) -> int:
    """Return the tokens that the samples of a request may have at most."""
    sampling = request.sampling
    limit = sampling.max_tokens
    for name in ("max_tokens", "max_completion_tokens") if sampling.extra_body else ():
        if type(other := sampling.extra_body.get(name)) is int:
            limit = max(limit, other)
    extra = max(limit, _EXTRA_WRITTEN) + (_EXTRA_THOUGHTS if thought else 0)
    return max(choices, len(request.sample_indexes)) * (min(limit, 2**31) + min(extra, 2**31))


def split_written(
    total: int | None, counts: list[int | None], thought: int | None
) -> list[int | None]:
    """Return the completion tokens of each choice.

    Args:
        total: Tokens written, by the server's count.
        counts: Tokens of each choice with a log-probability; None if it has none.
        thought: Tokens of thoughts, by the server's count.

    Returns:
        The counts if they agree with the total, else equal shares of the total.
    """
    reported = [count for count in counts if count is not None]
    # Thoughts have no log-probabilities, but are paid for; the ends of texts are counted or not.
    if (
        len(reported) == len(counts)
        and not thought
        and (total is None or abs(total - sum(reported)) <= len(reported))
    ):
        return counts
    if total is None or not counts:
        return [None] * len(counts)
    share, remainder = divmod(total, len(counts))
    return [share + (remainder if place == 0 else 0) for place in range(len(counts))]


def token_cost(
    price: PricePart | None,
    read: int | None,
    written: int | None,
    cached: int | None = None,
    cache_written: int | None = None,
) -> float | None:
    """Return the dollars of tokens; None if the price or a count is unknown.

    Args:
        price: Prices, if known.
        read: Tokens of the prompt, all of them.
        written: Tokens of the answers.
        cached: Tokens of the prompt that the provider had in its cache.
        cache_written: Further tokens of the prompt that it has put there.
    """
    if price is None or read is None or written is None:
        return None
    reduced = min(cached or 0, read) if price.cached is not None else 0
    dearer = min(cache_written or 0, read - reduced) if price.cache_write is not None else 0
    return (
        (read - reduced - dearer) * price.input
        + reduced * (price.cached or 0.0)
        + dearer * (price.cache_write or 0.0)
        + written * price.output
    ) / 1e6
