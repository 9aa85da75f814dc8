"""Parse a body into completions and failures; each value is checked.

    value                            accepted                                       otherwise
    -------------------------------  ---------------------------------------------  ----------------
    choices                          a list with a dict for a requested sample      `TransientError`
    choice.index                     all absent, or all below the sample count      taken in order
    error, choice.error              nothing that is an error (`embedded_errors`)   `TransientError`
    message.content, choice.text     text, null (empty), a list of parts with text  `bad_response`
    message.refusal                  text, if there is no content                   ignored
    message.reasoning_content …      text, or parts of it (`message_content`)       ignored
    finish_reason                    text of up to 64 characters, or a `type`       "unknown"
    model                            text of up to 200 characters                   unknown
    usage.prompt_tokens              an integer from 0 to a bound (`usage`)         unknown
    usage.completion_tokens          an integer from 0 to a bound (`usage`)         unknown
    …details.cached_tokens           an integer up to the tokens read               unknown
    …details.cache_write_tokens      an integer up to the others                    unknown
    …details.reasoning_tokens        an integer up to the tokens written            unknown
    logprobs                         -1e6 to 0.01, null left out (`logprobs`)       unknown
    top_logprobs                     texts of up to 256 characters with such        left out

`bad_response` is a failure of the choice. A choice whose finish reason reports a failure of the
server is retried; a filtered choice is a failure. The log-probability is that of the answer's
tokens: those of thoughts are left out, or the value is unknown.

An unknown value is None: the price of such an answer is unknown too, and the ledger charges its
reservation. Half of a surrogate pair becomes a replacement character. Every accepted value can be
stored: integers below 2**53, finite floats, text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synthkd.errors import RequestError, TeacherError
from synthkd.finish_reasons import Finish, meaning_of
from synthkd.journal.values import representable
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.teachers.dispatch import TransientError, failures_for
from synthkd.teachers.remote.embedded_errors import embedded_error
from synthkd.teachers.remote.logprobs import choice_logprobs
from synthkd.teachers.remote.message_content import (
    THOUGHT_FIELDS,
    Mask,
    ModelRefusal,
    choice_finish_reason,
    choice_reasoning,
    choice_text,
)
from synthkd.teachers.remote.usage import Usage, read_usage, split_written, token_cost

if TYPE_CHECKING:
    from synthkd.recipe import PricePart

#: Characters of a model's name, and of a server's message in a failure.
MAX_NAME_LENGTH, _MAX_DETAIL = 200, 500
#: JSON's words for values that are not texts; which numbers are floats depends on the parser.
_JSON_TYPES = {dict: "an object", list: "a list", bool: "true or false"}
#: Characters of a secret that is looked for in texts: a key such as "none" would damage them.
_MIN_SECRET = 12
#: Fields of a choice that need a closer look.
_UNUSUAL = THOUGHT_FIELDS | {"error", "base_resp", "content"}
#: Place among the samples of a request, and the choice.
_Placed = tuple[int, dict[str, Any]]
#: Converts the value of an error inside a choice to an exception.
ErrorMeaning = Callable[[Any], TeacherError]


def parse_answers(
    request: Request,
    body: Any,
    seconds: float | None,
    price: PricePart | None,
    mask: Mask = str,
    error_meaning: ErrorMeaning | None = None,
) -> list[Answer]:
    """Convert the choices of a body to answers, each under the index of its sample.

    Args:
        request: The request that was sent.
        body: The parsed body.
        seconds: Latency.
        price: Prices, if known.
        mask: Takes secrets out of a server's text.
        error_meaning: Converts an error that stands inside a choice.

    Raises:
        TransientError: The body has no choice, or the server failed within some; the error has the
            other answers.
        TeacherError: An error inside a choice that concerns every request. An error that concerns
            its choice alone is
            a failure beside the other answers.
    """
    choice = _usual_choice(body) if len(request.sample_indexes) == 1 else None
    if choice is not None:
        return [_usual_completion(request, body, choice, seconds, price, mask)]
    placed = _place_choices(body, len(request.sample_indexes))
    failed = [pair for pair in placed if _has_failed(pair[1])]
    if failed:
        return _parse_partial(request, body, placed, failed, seconds, price, mask, error_meaning)
    usage = read_usage(request, body, len(placed))
    scored = [choice_logprobs(choice) for _, choice in placed]
    shares = split_written(usage.written, [scores.tokens for scores in scored], usage.thought)
    model = _model(body.get("model"), mask)
    seed = request.sampling.seed
    if seed is not None:
        seed += request.sample_indexes[0]
    answers: list[Answer] = []
    # The prompt is read once for all choices: its tokens count for the first completion.
    first = True
    read, cached = usage.read, usage.cached
    for (place, choice), scores, written in zip(placed, scored, shares, strict=True):
        index = request.sample_indexes[place]
        text = choice_text(choice)
        reason = choice_finish_reason(choice, mask)
        if type(text) is not str or (reason != "stop" and meaning_of(reason) is Finish.FILTERED):
            failure = _filtered(request, index, reason, text, mask)
            # A filtered text is billed all the same.
            answers.append(replace(failure, tokens=written, price=token_cost(price, 0, written)))
            continue
        # The tokens of thoughts are known if those of the answer are.
        thought = usage.thought if len(placed) == 1 else None
        if (
            written is not None
            and scores.answer_tokens is not None
            and written >= scores.answer_tokens
        ):
            thought = written - scores.answer_tokens
        answers.append(
            Completion(
                request.request_id,
                index,
                text if text.isascii() else representable(text),
                reason,
                prompt_tokens=read,
                completion_tokens=written,
                logprob=scores.logprob,
                latency=seconds,
                price=token_cost(
                    price,
                    read if first or read is None else 0,
                    written,
                    cached if first else 0,
                    usage.cache_written if first else 0,
                ),
                model=model,
                seed=seed,
                reasoning_tokens=thought,
                cached_tokens=cached,
                first_tokens=scores.first_tokens,
                reasoning=choice_reasoning(choice, mask),
                counts_prompt=first,
            )
        )
        first = False
    return _with_prompt(answers, usage, price) if first else answers


def _usual_choice(body: Any) -> dict[str, Any] | None:
    """Return the choice of a body as nearly all are; None if any part of it needs a closer look.

    One choice with a text that ended by itself: no log-probabilities, thoughts or errors.
    """
    choices = body.get("choices") if type(body) is dict else None
    if type(choices) is not list or len(choices) != 1:
        return None
    choice = choices[0]
    if (
        type(choice) is not dict
        or choice.get("finish_reason") != "stop"
        or choice.get("logprobs") is not None
        or not _UNUSUAL.isdisjoint(choice)
    ):
        return None
    message = choice.get("message")
    if type(message) is not dict or not THOUGHT_FIELDS.isdisjoint(message):
        return None
    content = message.get("content")
    return choice if type(content) is str and content else None


def _usual_completion(
    request: Request,
    body: dict[str, Any],
    choice: dict[str, Any],
    seconds: float | None,
    price: PricePart | None,
    mask: Mask,
) -> Completion:
    """Return the completion of a body's only choice, which is usual."""
    usage = read_usage(request, body, 1)
    text = choice["message"]["content"]
    seed, index = request.sampling.seed, request.sample_indexes[0]
    return Completion(
        request.request_id,
        index,
        text if text.isascii() else representable(text),
        "stop",
        usage.read,
        usage.written,
        None,
        seconds,
        None
        if price is None
        else token_cost(price, usage.read, usage.written, usage.cached, usage.cache_written),
        _model(body.get("model"), mask),
        None if seed is None else seed + index,
        usage.thought,
        usage.cached,
    )


def _parse_partial(
    request: Request,
    body: dict[str, Any],
    placed: list[_Placed],
    failed: list[_Placed],
    seconds: float | None,
    price: PricePart | None,
    mask: Mask,
    error_meaning: ErrorMeaning | None,
) -> list[Answer]:
    """Convert the choices of a body in some of which the server failed."""
    error = _choice_error(failed[0][1], mask, error_meaning)
    if len(failed) == len(placed) or not isinstance(error, TransientError | RequestError):
        raise error
    good = [pair for pair in placed if not _has_failed(pair[1])]
    # The usage covers all choices: the share of those that failed is unknown.
    remaining = {
        "choices": [choice | {"index": None} for _, choice in good],
        "model": body.get("model"),
    }
    answered = request.with_samples(tuple(request.sample_indexes[place] for place, _ in good))
    answers = parse_answers(answered, remaining, seconds, price, mask)
    if isinstance(error, RequestError):
        lost = request.with_samples(tuple(request.sample_indexes[place] for place, _ in failed))
        return answers + failures_for(
            lost, error.reason, error.detail, 1, permanent=True, tokens=None
        )
    error.answers = answers
    raise error


def _with_prompt(answers: list[Answer], usage: Usage, price: PricePart | None) -> list[Answer]:
    """Count the prompt for the first failure, if every choice was filtered."""
    first, *others = answers
    if isinstance(first, Failure):
        tokens, cost = None, None
        if first.tokens is not None and usage.read is not None:
            tokens = first.tokens + usage.read
            cost = token_cost(price, usage.read, first.tokens, usage.cached, usage.cache_written)
        first = replace(first, tokens=tokens, price=cost)
    return [first, *others]


def redact_answers(answers: list[Answer], mask: Mask, forms: tuple[str, ...]) -> list[Answer]:
    """Take secrets out of texts that repeat them, as a server that echoes its input may.

    Args:
        answers: Changed in place.
        mask: Takes all known secrets out of a text.
        forms: The forms of secrets that are looked for (`redactable_forms`).
    """
    for place, answer in enumerate(answers):
        if isinstance(answer, Completion) and any(form in answer.text for form in forms):
            answers[place] = replace(answer, text=mask(answer.text), first_tokens=None)
    return answers


def redactable_forms(forms: tuple[str, ...]) -> tuple[str, ...]:
    """Return the forms of secrets that no ordinary text contains: long, and not only letters."""
    return tuple(form for form in forms if len(form) >= _MIN_SECRET and not form.isalpha())


def _place_choices(body: Any, samples: int) -> list[_Placed]:
    """Return the choices by index, each index once; in order if their indexes are not valid."""
    choices = body.get("choices") if type(body) is dict else None
    if type(choices) is not list or not choices:
        raise TransientError("bad_response", "the body has no choices", billed=None)
    if samples == 1 and len(choices) == 1 and type(choices[0]) is dict:
        return [(0, choices[0])]
    placed: dict[int, dict[str, Any]] = {}
    for place, choice in enumerate(choices):
        if type(choice) is not dict:
            continue
        index = choice.get("index")
        if index is None:
            index = place
        elif type(index) is not int or not 0 <= index < samples:
            placed = {p: c for p, c in enumerate(choices[:samples]) if type(c) is dict}
            break
        if index < samples:
            placed.setdefault(index, choice)
    if not placed:
        raise TransientError("bad_response", "the body has no choices", billed=None)
    return sorted(placed.items(), key=lambda pair: pair[0])


def _has_failed(choice: dict[str, Any]) -> bool:
    """Return True if the server failed within a choice, so that it may be asked again."""
    if embedded_error(choice) is not None:
        return True
    if choice.get("finish_reason") == "stop":
        return False
    return meaning_of(choice_finish_reason(choice, str)) is Finish.FAILED


def _choice_error(
    choice: dict[str, Any], mask: Mask, error_meaning: ErrorMeaning | None
) -> TeacherError:
    """Return the error of a choice within which the server failed; its attempt may be billed."""
    error = embedded_error(choice)
    if error is not None and error_meaning is not None:
        return error_meaning(error)
    detail = f"the server cut the text off ({mask(choice_finish_reason(choice, str))})"
    if error is not None:
        detail = f"{detail}: {mask(representable(str(error)))}"
    return TransientError("broken_off", detail[:_MAX_DETAIL], billed=None)


def _filtered(request: Request, index: int, reason: str, text: Any, mask: Mask) -> Failure:
    """Return the failure of a choice without a text."""
    request_id = request.request_id
    if isinstance(text, ModelRefusal):
        return Failure(request_id, index, "refusal", mask(representable(text.text))[:_MAX_DETAIL])
    if meaning_of(reason) is Finish.FILTERED:
        named = "" if reason == "content_filter" else f" ({reason})"
        name = "refusal" if reason == "refusal" else "content_filter"
        return Failure(request_id, index, name, f"the server withheld the text{named}")
    detail = f"the text of choice {index} is no text but {_JSON_TYPES.get(type(text), 'a number')}"
    if type(text) is list:
        types = {
            str(part.get("type"))[:40] for part in text if type(part) is dict and part.get("type")
        }
        detail += f" (parts of the types {', '.join(sorted(types))})" if types else ""
    return Failure(
        request_id,
        index,
        "bad_response",
        mask(representable(detail))[:_MAX_DETAIL],
        permanent=False,
    )


def _model(name: Any, mask: Mask) -> str | None:
    """Return the name of the model that reports to have answered."""
    if type(name) is not str or len(name) > MAX_NAME_LENGTH:
        return None
    return mask(representable(name))
