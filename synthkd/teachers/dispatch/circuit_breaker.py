"""When to stop asking: nothing succeeds any more, or too much fails for one reason.

A run that goes on against a server which refuses everything wastes hours, and where failures are billed, money.
"""

from __future__ import annotations

from collections import Counter, deque

from synthkd.errors import StalledError

#: Outcomes that are looked at for a share that fails, and how many are needed to judge.
_WINDOW, _ENOUGH = 200, 50
#: So many failures for one reason, before anything has succeeded, are enough.
_NEVER = 20


class Breaker:
    """Looks at the outcome of each request; ``opened`` holds the error that ends the run, once there is one."""

    def __init__(self, patience: float, share: float) -> None:
        self._patience, self._share = patience, share
        self._outcomes: deque[str] = deque(maxlen=_WINDOW)
        self._counts: Counter[str] = Counter()
        self._succeeded = 0
        self._last: float | None = None
        self._idle: float | None = None
        self._trouble = ""
        self.opened: StalledError | None = None

    def sent(self, now: float) -> None:
        """The clock starts with the first request, and stands while nothing is asked: inputs are still read, or a
        limit a minute holds them back."""
        if self._last is None:
            self._last = now
        elif self._idle is not None:
            self._last += now - self._idle
        self._idle = None

    def idle(self, now: float) -> None:
        """Nothing is in flight, and nothing waits for another try."""
        self._idle = now

    def success(self, now: float) -> None:
        self._last = now
        self._succeeded += 1
        self._add("")

    def trouble(self, reason: str, detail: str) -> None:
        """One try failed: what to name if nothing succeeds any more."""
        self._trouble = f"{reason} ({detail})"

    def failure(self, reason: str, detail: str) -> None:
        """A request failed, with no more tries."""
        self.trouble(reason, detail)
        self._add(reason)
        if reason == "unreachable":
            # The scheduler tells a server that restarts from one that is gone.
            return
        count, seen = self._counts[reason], len(self._outcomes)
        if not self._succeeded and count >= _NEVER:
            self._open(f"the first {count} requests that came to an end all failed with {reason}: {detail}")
        elif seen >= _ENOUGH and count > self._share * seen:
            self._open(f"{count} of the last {seen} requests failed with {reason}: {detail}")

    def check(self, now: float) -> None:
        """Open where nothing has succeeded for too long."""
        if self._idle is None and self._last is not None and now - self._last >= self._patience:
            trouble = f"; the last trouble was {self._trouble}" if self._trouble else ""
            self._open(f"nothing has succeeded for {self._patience:g} s{trouble}")

    def due(self, now: float) -> float:
        """Seconds until `check` could open."""
        if self._last is None or self._idle is not None:
            return self._patience
        return max(0.0, self._last + self._patience - now)

    def _add(self, outcome: str) -> None:
        if len(self._outcomes) == _WINDOW:
            self._counts[self._outcomes[0]] -= 1
        self._outcomes.append(outcome)
        self._counts[outcome] += 1

    def _open(self, why: str) -> None:
        self.opened = self.opened or StalledError(
            f"stopped: {why}. What came is kept; mend the cause, then the same command goes on"
            " (`synthkd journal retry` asks again for what failed)"
        )
