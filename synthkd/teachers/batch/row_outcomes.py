"""One row of a result as answers, and as samples that are left to ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from synthkd.errors import RequestError, TeacherError
from synthkd.fastjson import dumps
from synthkd.requests import Answer, Request
from synthkd.teachers.dispatch import TransientError, failures_for
from synthkd.teachers.remote.embedded_errors import body_error
from synthkd.teachers.remote.error_responses import ANSWER_STATUSES
from synthkd.teachers.remote.responses import redact_answers, redactable_forms

if TYPE_CHECKING:
    from synthkd.recipe import PricePart
    from synthkd.teachers.batch.provider import BatchProvider

#: Codes of errors that may be the reason of a failure.
_CODE = re.compile(r"[\w.-]{1,64}", re.ASCII)


@dataclass
class RowOutcome:
    """The outcome of a row.

    Attributes:
        answers: Answers to some samples, or to all.
        left: Indexes of the samples without an answer.
        reason: Why they have none.
        detail: The same as a message.
        unknown_cost: The attempt may have been billed, although it gave nothing of use.
        too_few: The server gave fewer choices than requested.
        fatal: An error that concerns every row.
    """

    answers: list[Answer] = field(default_factory=list)
    left: tuple[int, ...] = ()
    reason: str = ""
    detail: str = ""
    unknown_cost: bool = False
    too_few: bool = False
    fatal: TeacherError | None = None


def row_outcome(
    provider: BatchProvider,
    request: Request,
    line: dict[str, Any],
    attempt: int,
    price: PricePart | None,
) -> RowOutcome:
    """Read a line of an output or error file, as the backend `openai` reads a response.

    Args:
        provider: Converts errors, and learns from refusals which parameters the server takes.
        request: The request of the row.
        line: The line.
        attempt: Number of the attempt.
        price: Prices, if known.
    """
    response = line.get("response")
    if type(response) is not dict:
        return _without_response(provider, request, line.get("error"))
    status = response.get("status_code")
    if type(status) is not int or status in ANSWER_STATUSES:
        return _answered(provider, request, response.get("body"), price)
    try:
        body = dumps(response.get("body"))
    except (ValueError, RecursionError):
        body = b"(nested too deeply)"
    indexes = request.sample_indexes
    error = provider.status_error(status, body)
    if isinstance(error, RequestError):
        if provider.wire_format.adapt(request, error.parameter, provider.support, earlier=True):
            return RowOutcome([], indexes, error.reason, error.detail)
        if len(indexes) > 1 and error.parameter == "n":
            provider.support.single_choice = True
            return RowOutcome([], indexes, error.reason, error.detail, too_few=True)
        return RowOutcome(
            failures_for(request, error.reason, error.detail, attempt, permanent=True)
        )
    if isinstance(error, TransientError):
        return RowOutcome(
            [], indexes, error.reason, error.detail, unknown_cost=error.billed is None
        )
    return RowOutcome([], indexes, f"http_{status}", str(error), fatal=error)


def _answered(
    provider: BatchProvider, request: Request, body: Any, price: PricePart | None
) -> RowOutcome:
    indexes = request.sample_indexes
    mask = provider.endpoint.mask
    try:
        if (error_value := body_error(body)) is not None:
            raise provider.embedded_error(error_value)
        answers = provider.wire_format.answers(
            request, body, None, price, mask, provider.embedded_error
        )
    except TransientError as error:
        answers = redact_answers(error.answers, mask, redactable_forms(mask.forms))
        return RowOutcome(
            answers, _left(indexes, answers), error.reason, error.detail, unknown_cost=True
        )
    except RequestError as error:
        return RowOutcome(
            failures_for(request, error.reason, error.detail, 1, permanent=True, tokens=None)
        )
    except TeacherError as error:
        return RowOutcome([], indexes, "refused", str(error), fatal=error)
    answers = redact_answers(answers, mask, redactable_forms(mask.forms))
    detail = f"the server gave {len(answers)} of {len(indexes)} choices"
    return RowOutcome(answers, _left(indexes, answers), "too_few_choices", detail, too_few=True)


def _left(indexes: tuple[int, ...], answers: list[Answer]) -> tuple[int, ...]:
    answered = {answer.sample_index for answer in answers}
    return tuple(index for index in indexes if index not in answered)


def _without_response(provider: BatchProvider, request: Request, error: Any) -> RowOutcome:
    error = error if type(error) is dict else {"message": str(error)}
    code = error.get("code")
    reason = code if type(code) is str and _CODE.fullmatch(code) else "batch_error"
    detail = provider.endpoint.mask(str(error.get("message") or reason))[:500]
    return RowOutcome([], request.sample_indexes, reason, detail)
