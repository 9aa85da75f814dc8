"""Errors that are retried, and the policy of retries."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self

from synthkd.errors import TeacherError
from synthkd.requests import Answer, Failure, Request
from synthkd.teachers.dispatch.rate_limits import RateLimits

if TYPE_CHECKING:
    from synthkd.recipe import Recipe

#: The longest Retry-After that is followed, in seconds; longer outages are the circuit breaker's
#: matter.
MAX_RETRY_AFTER = 3600.0
#: Characters of a server's message in a failure.
_MAX_DETAIL = 500


class TransientError(TeacherError):
    """An attempt failed, and another may succeed.

    Args:
        reason: A short name, such as ``http_503``.
        detail: The message.
        retry_after: Seconds that the server asks to wait.
        answers: Samples from before the error: they are kept, and the next attempt asks for the
            others only.
        billed: False if the server refused before it worked; None if nobody knows (a timeout, a
            broken connection).
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        retry_after: float | None = None,
        answers: Sequence[Answer] = (),
        billed: bool | None = False,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.retry_after, self.billed = (
            reason,
            detail,
            retry_after,
            billed,
        )
        self.answers = list(answers)

    @property
    def slow_down(self) -> bool:
        """True if the server reports an overload."""
        return self.reason in ("http_429", "http_503", "http_529")


class PartialAnswerError(TeacherError):
    """An answer to some samples of a request only; the others can be requested at once."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__("unfinished")
        self.answers = list(answers)


@dataclass(frozen=True)
class DispatchPolicy:
    """Limits and retries of sending. Times are in seconds.

    Attributes:
        concurrency: Requests in flight at most.
        max_attempts: Attempts of one request, the first included.
        base_delay: Upper bound of the delay before the first retry; it doubles per retry.
        max_delay: The highest such bound.
        adaptive: Search for the concurrency that the server can handle.
        deadline: Limit for all attempts of a request together.
        patience: Time without any success after which the run is stopped.
        failing_share: Share of the last outcomes that may fail for one reason until the run is
            stopped.
        rates: Limits per minute.
    """

    concurrency: int
    max_attempts: int
    base_delay: float = 0.5
    max_delay: float = 60.0
    adaptive: bool = True
    deadline: float | None = None
    patience: float = 300.0
    failing_share: float = 0.5
    rates: RateLimits = field(default_factory=RateLimits)

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Self:
        """Return the limits and retries of a recipe."""
        part, limits = recipe.teacher, recipe.limits
        return cls(
            part.concurrency,
            part.max_attempts,
            adaptive=part.adaptive,
            deadline=part.deadline,
            patience=limits.patience,
            failing_share=limits.failing_share,
            rates=RateLimits(limits.requests_per_minute, limits.tokens_per_minute),
        )

    def delay(self, attempt: int, retry_after: float | None) -> float:
        """Return the seconds before a retry: full jitter, at least what the server asks for."""
        bound = min(self.max_delay, self.base_delay * 2 ** (attempt - 1))
        return max(random.uniform(0, bound), min(retry_after or 0.0, MAX_RETRY_AFTER))  # noqa: S311


def parse_retry_after(value: str | None) -> float | None:
    """Parse a Retry-After header, in seconds or a date, to seconds; None if it is neither."""
    if not value:
        return None
    with suppress(ValueError):
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError, OverflowError):
        date = parsedate_to_datetime(value)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (date - datetime.now(UTC)).total_seconds())
    return None


def failures_for(
    request: Request,
    reason: str,
    detail: str,
    attempts: int,
    permanent: bool,
    tokens: int | None = 0,
) -> list[Answer]:
    """Return the same failure for each sample of a request.

    Args:
        tokens: None if tokens may have been billed.
    """
    return [
        Failure(
            request.request_id, index, reason, detail[:_MAX_DETAIL], attempts, permanent, tokens
        )
        for index in request.sample_indexes
    ]
