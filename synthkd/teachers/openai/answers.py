"""The one reader of what a server says: a body as completions and failures, each value checked.

    value                               what is taken                                             else
    ----------------------------------  --------------------------------------------------------  -------------------------
    choices                             a list with a dict for a sample that was asked for        `TransientError`
    choice.index                        all absent, or all whole numbers below the samples asked  taken in order
    message.content, choice.text        text, null (empty), a list of parts with text             failure `bad_response`
    message.refusal                     text, where there is no content                           not there
    finish_reason                       text of up to 64 characters                               "unknown"
    model                               text of up to 200 characters                              unknown
    usage.prompt_tokens                 a whole number from 0 to `_most_read`                     unknown
    usage.completion_tokens             a whole number from 0 to `_most_written`                  unknown
    …details.cached_tokens              a whole number up to the tokens read                      unknown
    …details.reasoning_tokens           a whole number up to the tokens written                   unknown
    logprobs                            numbers from -1e6 to 0.01, null left out                  unknown
    top_logprobs                        texts of up to 256 characters with such numbers           left out

What is unknown is None: the price of such an answer is unknown too, and the ledger charges its reservation. Half of a
surrogate pair becomes a replacement character. All that is taken can be stored: whole numbers below 2**53, finite
floats, text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from heapq import nlargest
from typing import TYPE_CHECKING, Any

from synthkd.fastjson import dumps
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.teachers.dispatch import TransientError

if TYPE_CHECKING:
    from synthkd.recipe import Price

#: Tokens that a server may add to a prompt (a template, a system prompt of its own), and those that a sample may have
#: beyond its bound: servers count the ends of texts, and some do not count thoughts against the bound.
_FORM, _BEYOND, _THOUGHTS = 8_192, 1_024, 131_072
#: Characters of a finish reason, a model's name, a token, and words of a server in a failure.
_REASON, NAME, _TOKEN, _WORDS = 64, 200, 256, 500
#: Log-probabilities: servers write -9999 for "next to nothing", and round 0 to a little above.
_LOWEST, _HIGHEST = -1e6, 0.01
#: Likeliest tokens of a place that are kept; servers give 20 at most.
_TOPS = 64
#: JSON's words for what is no text: which numbers are floats depends on the parser.
_KINDS = {dict: "an object", list: "a list", bool: "true or false"}
#: Characters of a secret that is looked for in texts: a key such as "none" must not spoil them.
_SECRET = 12
Mask = Callable[[str], str]


def answers_of(
    request: Request, body: Any, seconds: float | None, price: Price | None, mask: Mask = str
) -> list[Answer]:
    """The choices of a body, each under the sample index that it was asked for; in whatever order they stand.

    ``mask`` takes secrets out of a server's words. Raises `TransientError` for a body that holds no choice.
    """
    placed = _placed(body, len(request.sample_indexes))
    read, written, cached, thought = _usage(request, body, len(placed))
    scored = [_logprobs(choice) for _, choice in placed]
    shares = _shares(written, [count for _, count in scored], thought)
    model = _model(body.get("model"), mask)
    seed = request.sampling.seed
    if seed is not None:
        seed += request.sample_indexes[0]
    answers: list[Answer] = []
    # The prompt is read once for all choices: the first that has a price bears it.
    bears = True
    for (place, choice), (logprob, _), share in zip(placed, scored, shares, strict=True):
        index = request.sample_indexes[place]
        text = _text(choice)
        if type(text) is not str or choice.get("finish_reason") == "content_filter":
            failure = _withheld(request, index, choice, text, mask)
            # Withheld, but billed all the same.
            answers.append(replace(failure, tokens=share, price=cost_of(price, 0, share)))
            continue
        answers.append(
            Completion(
                request.request_id,
                index,
                text if text.isascii() else _whole(text),
                _finish(choice.get("finish_reason"), mask),
                prompt_tokens=read,
                completion_tokens=share,
                logprob=logprob,
                latency=seconds,
                price=cost_of(price, read if bears or read is None else 0, share, cached if bears else 0),
                model=model,
                seed=seed,
                reasoning_tokens=thought if len(placed) == 1 else None,
                cached_tokens=cached,
                first_tokens=_first_tokens(choice),
                bears_prompt=bears,
            )
        )
        bears = False
    return _with_prompt(answers, read, cached, price) if bears else answers


def without_secrets(answers: list[Answer], mask: Mask, forms: tuple[str, ...]) -> list[Answer]:
    """Take a key out of texts that repeat it, as a server that shows what it was sent may.

    Args:
        mask: Takes all known secrets out of a text.
        forms: The forms of secrets that are looked for; no word that a text may hold for itself.
    """
    for place, answer in enumerate(answers):
        if isinstance(answer, Completion) and any(form in answer.text for form in forms):
            answers[place] = replace(answer, text=mask(answer.text), first_tokens=None)
    return answers


def unmistakable(forms: tuple[str, ...]) -> tuple[str, ...]:
    """Those forms of secrets that no ordinary text holds: long, and not of letters alone."""
    return tuple(form for form in forms if len(form) >= _SECRET and not form.isalpha())


def _with_prompt(
    answers: list[Answer], read: int | None, cached: int | None, price: Price | None
) -> list[Answer]:
    """Where every choice was withheld, the first bears the prompt."""
    first, *others = answers
    if isinstance(first, Failure):
        known = first.tokens is not None and read is not None
        tokens = first.tokens + read if first.tokens is not None and read is not None else None
        paid = cost_of(price, read, first.tokens, cached) if known else None
        first = replace(first, tokens=tokens, price=paid)
    return [first, *others]


def cost_of(
    price: Price | None, read: int | None, written: int | None, cached: int | None = None
) -> float | None:
    """Dollars; unknown where a price or a count is."""
    if price is None or read is None or written is None:
        return None
    old = min(cached or 0, read) if price.cached is not None else 0
    return ((read - old) * price.input + old * (price.cached or 0.0) + written * price.output) / 1e6


def _placed(body: Any, wanted: int) -> list[tuple[int, dict[str, Any]]]:
    """Choices by their own index, each once; a server whose indexes make no sense has them in order."""
    choices = body.get("choices") if type(body) is dict else None
    if type(choices) is not list or not choices:
        raise TransientError("bad_response", "the body has no choices", billed=None)
    if wanted == 1 and len(choices) == 1 and type(choices[0]) is dict:
        return [(0, choices[0])]
    found: dict[int, dict[str, Any]] = {}
    for place, choice in enumerate(choices):
        if type(choice) is not dict:
            continue
        index = choice.get("index")
        if index is None:
            index = place
        elif type(index) is not int or not 0 <= index < wanted:
            found = {p: c for p, c in enumerate(choices[:wanted]) if type(c) is dict}
            break
        if index < wanted:
            found.setdefault(index, choice)
    if not found:
        raise TransientError("bad_response", "the body has no choices", billed=None)
    return sorted(found.items(), key=lambda pair: pair[0])


def _usage(
    request: Request, body: dict[str, Any], choices: int
) -> tuple[int | None, int | None, int | None, int | None]:
    """Tokens read, written, read from a cache, and thought; None each where it is not said or cannot be."""
    usage = body.get("usage")
    if type(usage) is not dict:
        return None, None, None, None
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    cached = thought = None
    if type(details := usage.get("prompt_tokens_details")) is dict:
        cached = details.get("cached_tokens")
    if type(details := usage.get("completion_tokens_details")) is dict:
        thought = details.get("reasoning_tokens")
    # The usual counts need no look at the request.
    if type(read) is not int or read < 0 or (read > _FORM and read > _most_read(request)):
        read = None
    if type(thought) is not int or thought < 0:
        thought = None
    if (
        type(written) is not int
        or written < 0
        or (written > _BEYOND and written > _most_written(request, choices, thought))
    ):
        written = None
    if type(cached) is not int or read is None or not 0 <= cached <= read:
        cached = None
    if thought is not None and (written is None or thought > written):
        thought = None
    return read, written, cached, thought


def _most_read(request: Request) -> int:
    """Tokens that a prompt may come to: none is shorter than a byte, a character has four bytes at most, and a schema
    may be written into the prompt."""
    sampling = request.sampling
    text = sum([len(message["content"]) for message in request.messages])
    if sampling.response_format or sampling.extra_body:
        text += len(sampling.json)
    return _FORM + 4 * text


def _most_written(request: Request, choices: int, thought: int | None) -> int:
    """Tokens that the samples of a request may come to."""
    sampling = request.sampling
    bound = sampling.max_tokens
    for name in ("max_tokens", "max_completion_tokens") if sampling.extra_body else ():
        if type(other := sampling.extra_body.get(name)) is int:
            bound = max(bound, other)
    beyond = max(bound, _BEYOND) + (_THOUGHTS if thought else 0)
    return max(choices, len(request.sample_indexes)) * (min(bound, 2**31) + min(beyond, 2**31))


def _withheld(request: Request, index: int, choice: dict[str, Any], text: Any, mask: Mask) -> Failure:
    """A choice without a text, and why."""
    request_id = request.request_id
    if choice.get("finish_reason") == "content_filter":
        return Failure(request_id, index, "content_filter", "the server withheld the text")
    if isinstance(text, _Refusal):
        return Failure(request_id, index, "refusal", mask(_whole(text.words))[:_WORDS])
    detail = f"the text of choice {index} is no text but {_KINDS.get(type(text), 'a number')}"
    return Failure(request_id, index, "bad_response", detail, permanent=False)


class _Refusal:
    """A model's own refusal, which stands beside an empty content."""

    __slots__ = ("words",)

    def __init__(self, words: str) -> None:
        self.words = words


def _text(choice: dict[str, Any]) -> Any:
    """The text of a choice, or a `_Refusal`; all else is no text."""
    message = choice.get("message")
    if message is None:
        content = choice.get("text")
    elif type(message) is dict:
        content = message.get("content")
        if not content and type(refusal := message.get("refusal")) is str and refusal:
            return _Refusal(refusal)
    else:
        return message
    if content is None:
        return ""
    if type(content) is list:
        return _joined(content)
    return content


def _joined(parts: list[Any]) -> Any:
    """The text of a list of parts; of no other form is anything known."""
    texts = [part if type(part) is str else part.get("text") for part in parts if type(part) in (str, dict)]
    if len(texts) < len(parts):
        return parts
    found = [text for text in texts if type(text) is str]
    return "".join(found) if found or not parts else parts


def _whole(text: str) -> str:
    """A text without halves of surrogate pairs, which no file can hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _model(name: Any, mask: Mask) -> str | None:
    """The name of the model that says it answered."""
    if type(name) is not str or len(name) > NAME:
        return None
    return mask(_whole(name))


def _finish(reason: Any, mask: Mask) -> str:
    if reason == "stop" or reason == "length":
        return str(reason)
    if type(reason) is not str or not reason or len(reason) > _REASON:
        return "unknown"
    return mask(_whole(reason))


def _logprobs(choice: dict[str, Any]) -> tuple[float | None, int | None]:
    """Sum of token log-probabilities in nats, and how many tokens; None where the server gives none, or odd ones."""
    found = choice.get("logprobs")
    if type(found) is not dict:
        return None, None
    content = found.get("content")
    values: Any
    if content and type(content) is list:
        values = [item.get("logprob") if type(item) is dict else item for item in content]
    else:
        values = found.get("token_logprobs")
        if type(values) is not list or not values:
            return None, None
    kinds = set(map(type, values))
    known = values
    if kinds != {float}:
        if not kinds <= {float, int, type(None)}:
            return None, len(values)
        # The first token of a text that is repeated has none.
        known = [value for value in values if value is not None]
        if not known:
            return None, len(values)
    if min(known) < _LOWEST or max(known) > _HIGHEST:
        return None, len(values)
    total = sum(known)
    # NaN is below and above nothing, but its sum is not itself.
    if total != total:
        return None, len(values)
    return float(total), len(values)


def _first_tokens(choice: dict[str, Any]) -> str | None:
    """The likeliest tokens of the first place that is not blank, as the journal holds them; None where none came."""
    found = choice.get("logprobs")
    if type(found) is not dict:
        return None
    for token, value, tops in _places(found):
        if type(token) is str and token.strip():
            # A token that was drawn is not always among the likeliest.
            known = {t: v for t, v in [(token, value), *_tops(tops)] if _is_top(t, v)} if tops else {}
            best = nlargest(_TOPS, known.items(), key=lambda pair: pair[1])
            return dumps(best).decode() if best else None
    return None


def _places(found: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Token, log-probability and likeliest tokens of each place, in the forms of chat and of plain completions."""
    content = found.get("content")
    if content and type(content) is list:
        for item in content:
            if type(item) is dict:
                yield item.get("token"), item.get("logprob"), item.get("top_logprobs")
        return
    parts = [found.get(name) for name in ("tokens", "token_logprobs", "top_logprobs")]
    yield from zip(*(part if type(part) is list else () for part in parts), strict=False)


def _tops(tops: Any) -> Iterator[tuple[Any, Any]]:
    if type(tops) is dict:
        yield from tops.items()
    elif type(tops) is list:
        for top in tops:
            if type(top) is dict:
                yield top.get("token"), top.get("logprob")


def _is_top(token: Any, value: Any) -> bool:
    return (
        type(token) is str
        and len(token) <= _TOKEN
        and type(value) in (float, int)
        and _LOWEST <= value <= _HIGHEST
    )


def _shares(total: int | None, counts: list[int | None], thought: int | None) -> list[int | None]:
    """Completion tokens of each choice: counted, or an equal share of what the server counted in all."""
    known = [count for count in counts if count is not None]
    # Tokens of thought have no log-probabilities, but they are paid for; the ends of texts are counted or not.
    if len(known) == len(counts) and not thought and (total is None or abs(total - sum(known)) <= len(known)):
        return counts
    if total is None or not counts:
        return [None] * len(counts)
    each, rest = divmod(total, len(counts))
    return [each + (rest if place == 0 else 0) for place in range(len(counts))]
