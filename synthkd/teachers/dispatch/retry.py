"""What is tried again, when, and how often."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from synthkd.errors import TeacherError
from synthkd.requests import Answer, Failure, Request
from synthkd.teachers.dispatch.rate_limits import Rates

#: The longest that a server's Retry-After is followed, in seconds; an hour's wait is the breaker's matter.
LONGEST_ASKED = 3600.0


class TransientError(TeacherError):
    """One try failed in a way that another may not. ``retry_after`` is in seconds.

    ``answers`` came before it failed: they are kept, and the next try asks for the rest only. ``billed`` is False
    where the server said no before it worked, None where nobody knows (a timeout, a broken connection).
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
        self.reason, self.detail, self.retry_after, self.billed = reason, detail, retry_after, billed
        self.answers = list(answers)

    @property
    def slow_down(self) -> bool:
        """Whether the server says that it is asked too much."""
        return self.reason in ("http_429", "http_503", "http_529")


@dataclass(frozen=True)
class Policy:
    """How much is in flight, how often a request is tried, and how long is waited in between (seconds).

    ``adaptive`` finds how much the server bears, up to ``concurrency``. ``deadline`` bounds all tries of a request
    together. ``patience`` is how long nothing may succeed, and ``failing_share`` the share of the last outcomes that
    may fail for one reason, until the run is stopped.
    """

    concurrency: int = 16
    max_attempts: int = 6
    base: float = 0.5
    longest: float = 60.0
    adaptive: bool = True
    deadline: float | None = None
    patience: float = 300.0
    failing_share: float = 0.5
    rates: Rates = field(default_factory=Rates)

    def wait(self, attempt: int, retry_after: float | None) -> float:
        """Full jitter up to a doubling bound, but never less than the server asked for."""
        bound = min(self.longest, self.base * 2 ** (attempt - 1))
        return max(random.uniform(0, bound), min(retry_after or 0.0, LONGEST_ASKED))  # noqa: S311


def retry_after(value: str | None) -> float | None:
    """Seconds in a Retry-After header, which holds seconds or a date; None where it holds neither."""
    if not value:
        return None
    with suppress(ValueError):
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError, OverflowError):
        at = parsedate_to_datetime(value)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    return None


class UnfinishedError(TeacherError):
    """Some samples of a request came, and the server stands ready to be asked for the others at once."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__("unfinished")
        self.answers = list(answers)


def failures(
    request: Request, reason: str, detail: str, attempts: int, permanent: bool, tokens: int | None = 0
) -> list[Answer]:
    """The same failure for each sample of a request; ``tokens`` None where they may have been billed."""
    return [
        Failure(request.request_id, index, reason, detail[:500], attempts, permanent, tokens)
        for index in request.sample_indexes
    ]
