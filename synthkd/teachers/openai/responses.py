"""The one reader of what a server says: a body as completions and failures, each value checked.

    value                               what is taken                                             else
    ----------------------------------  --------------------------------------------------------  -------------------------
    choices                             a list with a dict for a sample that was asked for        `TransientError`
    choice.index                        all absent, or all whole numbers below the samples asked  taken in order
    error, choice.error                 nothing that says an error (`error_in`, `body_error`)     `TransientError`
    message.content, choice.text        text, null (empty), a list of parts with text             failure `bad_response`
    message.refusal                     text, where there is no content                           not there
    message.reasoning_content …         text, or parts of it (`_reasoning`)                       not there
    finish_reason                       text of up to 64 characters, or an object with a `type`   "unknown"
    model                               text of up to 200 characters                              unknown
    usage.prompt_tokens                 a whole number from 0 to `_most_read`                     unknown
    usage.completion_tokens             a whole number from 0 to `_most_written`                  unknown
    …details.cached_tokens              a whole number up to the tokens read                      unknown
    …details.reasoning_tokens           a whole number up to the tokens written                   unknown
    logprobs                            numbers from -1e6 to 0.01, null left out                  unknown
    top_logprobs                        texts of up to 256 characters with such numbers           left out

A choice whose finish reason says that the server failed midway is asked again; one that was withheld is a failure. A
log-probability is that of the answer's own tokens: where thoughts stand among them, theirs are left out, or it is unknown.

What is unknown is None: the price of such an answer is unknown too, and the ledger charges its reservation. Half of a
surrogate pair becomes a replacement character. All that is taken can be stored: whole numbers below 2**53, finite
floats, text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING, Any

from synthkd.errors import RequestError, TeacherError
from synthkd.fastjson import dumps
from synthkd.finish_reasons import MISSING, Finish, meaning_of
from synthkd.journal.values import representable
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.teachers.dispatch import TransientError, failures
from synthkd.text.thoughts import answer_tokens, split_thoughts

if TYPE_CHECKING:
    from synthkd.recipe import PricePart

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
#: An error's value as what it means for the request or the run.
Refused = Callable[[Any], TeacherError]
#: Codes and words of an "error" that is none.
_NO_ERROR = (None, "", 0, False, "0", 200, "200", "ok", "OK", "success", "Success", "none", "null")


def answers_of(
    request: Request,
    body: Any,
    seconds: float | None,
    price: PricePart | None,
    mask: Mask = str,
    refused: Refused | None = None,
) -> list[Answer]:
    """The choices of a body, each under the sample index that it was asked for; in whatever order they stand.

    Args:
        request: What was asked.
        body: The parsed body.
        seconds: How long it took.
        price: Prices, if known.
        mask: Takes secrets out of a server's words.
        refused: Tells what an error means that stands inside a choice.

    Raises:
        TransientError: The body holds no choice, or the server failed within some; it bears the others' answers.
        TeacherError: An error inside a choice after which no other request fares better. One that is the matter of its
            choice alone is a failure beside the others' answers.
    """
    placed = _placed(body, len(request.sample_indexes))
    failed = [pair for pair in placed if _failed(pair[1])]
    if failed:
        error = _failure_of(failed[0][1], mask, refused)
        if len(failed) == len(placed) or not isinstance(error, TransientError | RequestError):
            raise error
        good = [pair for pair in placed if not _failed(pair[1])]
        # What the failed choices were billed is nowhere said: the usage is for all of them.
        rest = {"choices": [choice | {"index": None} for _, choice in good], "model": body.get("model")}
        whole = request.only(tuple(request.sample_indexes[place] for place, _ in good))
        answers = answers_of(whole, rest, seconds, price, mask)
        if isinstance(error, RequestError):
            lost = request.only(tuple(request.sample_indexes[place] for place, _ in failed))
            return answers + failures(lost, error.reason, error.detail, 1, permanent=True, tokens=None)
        error.answers = answers
        raise error
    read, written, cached, thought = _usage(request, body, len(placed))
    scored = [_scores(choice) for _, choice in placed]
    shares = _shares(written, [found.tokens for found in scored], thought)
    model = _model(body.get("model"), mask)
    seed = request.sampling.seed
    if seed is not None:
        seed += request.sample_indexes[0]
    answers = []
    # The prompt is read once for all choices: the first that has a price bears it.
    bears = True
    for (place, choice), score, share in zip(placed, scored, shares, strict=True):
        index = request.sample_indexes[place]
        text = _text(choice)
        reason = _finish(choice.get("finish_reason"), mask)
        if type(text) is not str or (reason != "stop" and meaning_of(reason) is Finish.WITHHELD):
            failure = _withheld(request, index, reason, text, mask)
            # Withheld, but billed all the same.
            answers.append(replace(failure, tokens=share, price=cost_of(price, 0, share)))
            continue
        # The share of thoughts is known where the tokens of the answer are.
        apart = share - score.own if share is not None and score.own is not None else None
        answers.append(
            Completion(
                request.request_id,
                index,
                text if text.isascii() else representable(text),
                reason,
                prompt_tokens=read,
                completion_tokens=share,
                logprob=score.logprob,
                latency=seconds,
                price=cost_of(price, read if bears or read is None else 0, share, cached if bears else 0),
                model=model,
                seed=seed,
                reasoning_tokens=apart
                if apart is not None and apart >= 0
                else thought
                if len(placed) == 1
                else None,
                cached_tokens=cached,
                first_tokens=score.first_tokens,
                reasoning=_reasoning(choice, mask),
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
    answers: list[Answer], read: int | None, cached: int | None, price: PricePart | None
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
    price: PricePart | None, read: int | None, written: int | None, cached: int | None = None
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


def _withheld(request: Request, index: int, reason: str, text: Any, mask: Mask) -> Failure:
    """A choice without a text, and why."""
    request_id = request.request_id
    if isinstance(text, _Refusal):
        return Failure(request_id, index, "refusal", mask(representable(text.words))[:_WORDS])
    if meaning_of(reason) is Finish.WITHHELD:
        said = "" if reason == "content_filter" else f" ({reason})"
        name = "refusal" if reason == "refusal" else "content_filter"
        return Failure(request_id, index, name, f"the server withheld the text{said}")
    detail = f"the text of choice {index} is no text but {_KINDS.get(type(text), 'a number')}"
    if type(text) is list:
        kinds = sorted(
            {str(part.get("type"))[:40] for part in text if type(part) is dict and part.get("type")}
        )
        detail += f" (parts of the types {', '.join(kinds)})" if kinds else ""
    return Failure(request_id, index, "bad_response", mask(representable(detail))[:_WORDS], permanent=False)


def error_in(found: Any) -> Any:
    """The error that a body or a choice bears: its value, or None. Some servers say "no error" in many words."""
    if type(found) is not dict or ("error" not in found and "base_resp" not in found):
        return None
    error = found.get("error")
    if type(error) is dict:
        said = [error.get(name) for name in ("message", "code", "type", "status", "msg", "detail")]
        return error if any(not _is_nothing(value) for value in said) else None
    if not _is_nothing(error):
        return error
    # MiniMax says it beside null choices.
    state = found.get("base_resp")
    if type(state) is dict and not _is_nothing(state.get("status_code")):
        return {"code": state.get("status_code"), "message": state.get("status_msg")}
    return None


def body_error(found: Any) -> Any:
    """The error that a body bears, or is in itself where it has no choices: its value, or None."""
    error = error_in(found)
    return _bare_error(found) if error is None and type(found) is dict and not found.get("choices") else error


_SAID = (
    "message",
    "msg",
    "detail",
    "errors",
    "error_msg",
    "error_message",
    "errorMessage",
    "Message",
    "description",
)
_CODES = ("code", "error_code", "errorCode", "status_code", "type", "status")


def _bare_error(found: dict[str, Any]) -> Any:
    """An error that a body is in itself (`{"code": 20012, "message": "Model does not exist"}`), or None."""
    said = next((found[name] for name in _SAID if not _is_nothing(found.get(name))), None)
    if said is None:
        return None
    code = next((found[name] for name in _CODES if not _is_nothing(found.get(name))), None)
    return {"code": code, "message": said if type(said) is str else dumps(said).decode("utf-8", "replace")}


def _is_nothing(value: Any) -> bool:
    return type(value) in (str, int, bool, type(None)) and value in _NO_ERROR


def _failed(choice: dict[str, Any]) -> bool:
    """Whether the server failed within a choice, so that it may be asked again."""
    reason = choice.get("finish_reason")
    if reason == "stop":
        return error_in(choice) is not None
    return error_in(choice) is not None or meaning_of(_finish(reason, str)) is Finish.FAILED


def _failure_of(choice: dict[str, Any], mask: Mask, refused: Refused | None) -> TeacherError:
    """What a choice that failed means; its attempt may be billed."""
    error = error_in(choice)
    if error is not None and refused is not None:
        return refused(error)
    reason = mask(str(_finish(choice.get("finish_reason"), str)))
    detail = f"the server broke the text off ({reason})"
    if error is not None:
        detail = f"{detail}: {mask(representable(str(error)))}"
    return TransientError("broken_off", detail[:_WORDS], billed=None)


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


#: Types of parts that are text of the answer, and those that are thoughts.
_TEXT_PARTS = (None, "text", "output_text", "input_text")
_THOUGHT_PARTS = frozenset(
    [
        "thinking",
        "reasoning",
        "thought",
        "redacted_thinking",
        "reasoning_content",
        "reasoning_text",
        "summary_text",
    ]
)


def _joined(parts: list[Any]) -> Any:
    """The text of a list of parts, without those that hold thoughts; of no other form is anything known."""
    texts = []
    for part in parts:
        if type(part) is str:
            texts.append(part)
        elif type(part) is not dict:
            return parts
        elif _is_thought(part):
            continue
        elif part.get("type") == "refusal" and type(words := part.get("refusal")) is str:
            return _Refusal(words)
        elif part.get("type") in _TEXT_PARTS and type(part.get("text")) is str:
            texts.append(part["text"])
        elif "text" in part:
            return parts
    return (
        "".join(texts) if texts or all(type(part) is dict and _is_thought(part) for part in parts) else parts
    )


def _is_thought(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    return (type(kind) is str and kind in _THOUGHT_PARTS) or part.get("thought") is True


#: Fields of a message or a choice that hold thoughts, the first one that says something before the others.
_THOUGHT_FIELDS = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "reasoning_details",
    "thinking_blocks",
)
_ANY_THOUGHTS = frozenset(_THOUGHT_FIELDS)


def _reasoning(choice: dict[str, Any], mask: Mask) -> str | None:
    """The thoughts that a server has parsed out of the text; None where it gives none."""
    message = choice.get("message")
    said: list[str] = []
    for found in (message, choice):
        if type(found) is not dict:
            continue
        if not _ANY_THOUGHTS.isdisjoint(found):
            for name in _THOUGHT_FIELDS:
                if name in found and not said:
                    said = _texts(found[name], 0)
        content = found.get("content")
        if not said and type(content) is list:
            said = [
                t for part in content if type(part) is dict and _is_thought(part) for t in _texts(part, 0)
            ]
    text = "".join(said)
    return mask(representable(text)) if text else None


def _texts(value: Any, depth: int) -> list[str]:
    """The texts inside of thoughts: a text, or parts of them."""
    if type(value) is str:
        return [value]
    if depth > 4:
        return []
    if type(value) is list:
        return [text for part in value for text in _texts(part, depth + 1)]
    if type(value) is dict:
        names = ("thinking", "reasoning", "reasoning_content", "text", "content", "summary")
        return next((found for name in names if (found := _texts(value.get(name), depth + 1))), [])
    return []


def _model(name: Any, mask: Mask) -> str | None:
    """The name of the model that says it answered."""
    if type(name) is not str or len(name) > NAME:
        return None
    return mask(representable(name))


def _finish(reason: Any, mask: Mask) -> str:
    if reason == "stop" or reason == "length":
        return str(reason)
    # SGLang's own form.
    if type(reason) is dict:
        reason = reason.get("type")
    if type(reason) is not str or not reason or len(reason) > _REASON:
        return MISSING
    return mask(str(representable(reason)))


@dataclass(frozen=True, slots=True)
class _Scores:
    """What the log-probabilities of a choice say.

    ``tokens`` counts those of the whole choice, ``own`` those of its answer where thoughts stand beside it.
    """

    logprob: float | None = None
    tokens: int | None = None
    own: int | None = None
    first_tokens: str | None = None


_UNSCORED = _Scores()


def _scores(choice: dict[str, Any]) -> _Scores:
    """Sum of the answer's log-probabilities, and its likeliest first tokens."""
    found = choice.get("logprobs")
    if type(found) is not dict:
        return _UNSCORED
    values = _values(found)
    if values is None:
        return _Scores(first_tokens=_first_tokens(found, choice, 0))
    text = _text(choice)
    answer = split_thoughts(text, _reasoning(choice, str)) if type(text) is str else None
    if answer is None or not answer.thoughts:
        return _Scores(_sum(values), len(values), None, _first_tokens(found, choice, 0))
    tokens = [token if type(token) is str else "" for token, _, _ in _places(found)]
    own = answer_tokens(tokens, answer.text)
    if own is None or len(tokens) != len(values):
        return _Scores(None, len(values))
    first, end = own
    return _Scores(_sum(values[first:end]), len(values), end - first, _first_tokens(found, choice, first))


def _values(found: dict[str, Any]) -> list[Any] | None:
    """The log-probability of each token, whatever it is; None where the server gives none."""
    content = found.get("content")
    if content and type(content) is list:
        return [item.get("logprob") if type(item) is dict else item for item in content]
    values = found.get("token_logprobs")
    return values if type(values) is list and values else None


def _sum(values: list[Any]) -> float | None:
    """Sum in nats; None for odd values."""
    kinds = set(map(type, values))
    known = values
    if kinds != {float}:
        if not kinds <= {float, int, type(None)}:
            return None
        # The first token of a text that is repeated has none.
        known = [value for value in values if value is not None]
        if not known:
            return None
    if min(known) < _LOWEST or max(known) > _HIGHEST:
        return None
    total = sum(known)
    # NaN is below and above nothing, but its sum is not itself.
    return float(total) if total == total else None


def _first_tokens(found: dict[str, Any], choice: dict[str, Any], first: int) -> str | None:
    """The likeliest tokens at the answer's first place that is not blank, as the journal holds them.

    None where none came, or the token that was drawn there does not begin the answer: some servers give the
    log-probabilities of thoughts that they have taken out of the text.
    """
    for token, value, tops in islice(_places(found), first, None):
        if type(token) is str and token.strip():
            # A token that was drawn is not always among the likeliest.
            known = {t: v for t, v in [(token, value), *_tops(tops)] if _is_top(t, v)} if tops else {}
            best = nlargest(_TOPS, known.items(), key=lambda pair: pair[1])
            return dumps(best).decode() if best and _begins(choice, token) else None
    return None


def _begins(choice: dict[str, Any], token: str) -> bool:
    """Whether a token begins the answer of a choice."""
    text = _text(choice)
    return type(text) is str and split_thoughts(text).text.lstrip().startswith(token.strip())


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
