"""Stop a run in which nothing succeeds any more, or too much fails for one reason.

A run against a server that refuses everything wastes hours and, if failures are billed, money.
"""

from __future__ import annotations

from collections import Counter, deque

from synthkd.errors import StalledError

#: Outcomes among which the share of failures is measured, and how many it needs.
_WINDOW, _ENOUGH = 200, 50
#: Failures for one reason that open the breaker if nothing has succeeded yet.
_NEVER = 20


class CircuitBreaker:
    """Watches the outcomes of requests. Times are in seconds of the caller's clock.

    Args:
        patience: Seconds without a success after which it opens.
        failing_share: Share of the last outcomes that may fail for one reason.

    Attributes:
        error: The error that ends the run; None while the breaker is closed.
    """

    def __init__(self, patience: float, failing_share: float) -> None:
        self._patience, self._share = patience, failing_share
        self._outcomes: deque[str] = deque(maxlen=_WINDOW)
        self._counts: Counter[str] = Counter()
        self._successes = 0
        #: When the patience began: at the last success, or the first request.
        self._start: float | None = None
        self._idle_since: float | None = None
        self._last_error = ""
        self.error: StalledError | None = None

    def record_send(self, now: float) -> None:
        """Start the clock at the first request; idle time before this one does not count."""
        if self._start is None:
            self._start = now
        elif self._idle_since is not None:
            self._start += now - self._idle_since
        self._idle_since = None

    def record_idle(self, now: float) -> None:
        """Stop the clock: nothing is in flight, and nothing waits for a retry."""
        self._idle_since = now

    def record_success(self, now: float) -> None:
        """Restart the clock."""
        self._start = now
        self._successes += 1
        self._add("")

    def record_attempt_failure(self, reason: str, detail: str) -> None:
        """Keep the reason of a failed attempt, for the message."""
        self._last_error = f"{reason} ({detail})"

    def record_failure(self, reason: str, detail: str) -> None:
        """Count a request that failed and is not retried any more."""
        self.record_attempt_failure(reason, detail)
        self._add(reason)
        if reason == "unreachable":
            # The scheduler distinguishes a server that restarts from one that is gone.
            return
        count, total = self._counts[reason], len(self._outcomes)
        if not self._successes and count >= _NEVER:
            self._open(
                f"the first {count} requests that finished all failed with {reason}: {detail}"
            )
        elif total >= _ENOUGH and count > self._share * total:
            self._open(f"{count} of the last {total} requests failed with {reason}: {detail}")

    def check(self, now: float) -> None:
        """Open the breaker if nothing has succeeded for too long."""
        if (
            self._idle_since is None
            and self._start is not None
            and now - self._start >= self._patience
        ):
            last = f"; the last error was {self._last_error}" if self._last_error else ""
            self._open(f"nothing has succeeded for {self._patience:g} s{last}")

    def seconds_left(self, now: float) -> float:
        """Return the seconds until `check` could open the breaker."""
        if self._start is None or self._idle_since is not None:
            return self._patience
        return max(0.0, self._start + self._patience - now)

    def _add(self, outcome: str) -> None:
        if len(self._outcomes) == _WINDOW:
            self._counts[self._outcomes[0]] -= 1
        self._outcomes.append(outcome)
        self._counts[outcome] += 1

    def _open(self, why: str) -> None:
        self.error = self.error or StalledError(
            f"stopped: {why}. The answers so far are kept; mend the cause, then the same command"
            " goes on (`synthkd journal retry` asks again for what failed)"
        )
