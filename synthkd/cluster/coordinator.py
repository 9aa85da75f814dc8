"""The coordinator: the one place that decides what shards may spend and send, and sums up progress.

It runs as an actor on the driver's node, beside the run's journal, in which it keeps what was lent
and spent. Every attempt at a shard begins with `begin`, by which an earlier attempt at the same
shard is given up: what that one was lent and did not report counts as spent, and if it still lives
(a node that was cut off, say) it is told to stop.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthkd.cluster.rate_leases import RateLease, RateLender, Returned
from synthkd.journal import Caps, Journal
from synthkd.journal.leases import LeaseLedger
from synthkd.journal.ledger import Bound, Spending


@dataclass
class ShardProgress:
    """Sums that a shard has reported since its attempt began.

    Attributes:
        more: Samples that are to be bought.
        skipped: Samples that were bought before.
        done: Samples with an answer.
        messages: What a user should know, not shown yet.
    """

    more: int = 0
    skipped: int = 0
    done: int = 0
    tokens: int = 0
    cost: float | None = None
    messages: list[str] = field(default_factory=list)


@dataclass
class _Attempt:
    """The attempt at a shard that counts."""

    name: str
    progress: ShardProgress = field(default_factory=ShardProgress)
    is_starved: bool = False
    has_ended: bool = False


class Coordinator:
    """Lends the caps and rates of a run to its shards.

    Args:
        journal: The run's journal, which the driver has claimed.
        run: Name of the run.
        dollars: Cap in dollars.
        tokens: Cap in tokens.
        requests_per_minute: Limit for all shards.
        tokens_per_minute: Limit for all shards.
    """

    def __init__(
        self,
        journal: str,
        run: str,
        dollars: float | None = None,
        tokens: int | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self._journal = Journal(Path(journal), must_exist=True)
        caps = None if dollars is None and tokens is None else Caps(dollars, tokens)
        self._ledger = LeaseLedger(self._journal, run, caps)
        self._caps = caps
        self._rates = RateLender(requests_per_minute, tokens_per_minute)
        self._attempts: dict[int, _Attempt] = {}
        self._lost = 0
        self._given_up = ShardProgress()
        self._stopping = False

    def begin(self, shard: int, attempt: str) -> None:
        """Begin an attempt at a shard, and give up an earlier one."""
        before = self._attempts.get(shard)
        if before is not None and not before.has_ended:
            self._ledger.lose(_lease(shard, before.name))
            self._lost += 1
            _add(self._given_up, _as_given_up(before.progress))
        self._attempts[shard] = _Attempt(attempt)

    def borrow(
        self, shard: int, attempt: str, least: Bound, wanted: Bound
    ) -> tuple[float, int] | None:
        """Lend dollars and tokens; see `Lender`."""
        if (one := self._current(shard, attempt)) is None:
            return None
        lent = self._ledger.grant(_lease(shard, attempt), least, wanted)
        if lent is not None:
            one.is_starved = False
        return lent

    def starve(
        self, shard: int, attempt: str, spent: Spending
    ) -> tuple[bool, tuple[float, int], str]:
        """Take back what a shard cannot use for lack of room; see `Lender`."""
        one = self._current(shard, attempt)
        if one is None:
            return False, (0.0, 0), "given up by the coordinator"
        self._ledger.report(_lease(shard, attempt), spent)
        lent = self._ledger.give_back(_lease(shard, attempt))
        one.is_starved = True
        others = any(not (other.is_starved or other.has_ended) for other in self._attempts.values())
        return others and not self._stopping, lent, self._reached()

    def report(self, shard: int, attempt: str, spent: Spending, progress: ShardProgress) -> bool:
        """Take in what a shard has spent and done so far; return False if it is to stop."""
        one = self._current(shard, attempt)
        if one is None:
            return False
        self._ledger.report(_lease(shard, attempt), spent)
        progress.messages = one.progress.messages + progress.messages
        one.progress = progress
        return not self._stopping

    def end(self, shard: int, attempt: str) -> None:
        """End an attempt that has reported everything: the rest of its lease is free again."""
        if (one := self._current(shard, attempt)) is not None:
            self._ledger.end(_lease(shard, attempt))
            one.has_ended = True

    def lend_rates(self, tokens: float, returned: list[Returned]) -> RateLease:
        """Lend a part of the rate limits."""
        return self._rates.lend(time.monotonic(), tokens, returned)

    def progress(self) -> tuple[ShardProgress, int]:
        """Return the sums of all shards, with messages once, and how many attempts were lost."""
        total = ShardProgress()
        _add(total, self._given_up)
        for one in self._attempts.values():
            _add(total, one.progress)
            one.progress.messages = []
        self._given_up.messages = []
        return total, self._lost

    def stop(self) -> None:
        """Let every shard stop at its next report."""
        self._stopping = True

    def close(self) -> None:
        """Settle all leases: what nobody reported counts as spent."""
        for shard, one in self._attempts.items():
            if not one.has_ended:
                self._ledger.lose(_lease(shard, one.name))
        self._journal.close()

    def _current(self, shard: int, attempt: str) -> _Attempt | None:
        one = self._attempts.get(shard)
        return one if one is not None and one.name == attempt and not one.has_ended else None

    def _reached(self) -> str:
        if self._caps is None:
            return ""
        spent, parts = self._ledger.spending, []
        if self._caps.dollars is not None:
            dollars = spent.dollars + spent.unknown_dollars
            parts.append(f"${dollars:,.4f} of ${self._caps.dollars:,.4f}")
        if self._caps.tokens is not None:
            tokens = spent.tokens + spent.unknown_tokens
            parts.append(f"{tokens:,} of {self._caps.tokens:,} tokens")
        unknown = (
            f", {spent.unknown_tokens:,} tokens of them for attempts of unknown cost"
            if spent.unknown_tokens
            else ""
        )
        return (
            f"the cap is reached: {' and '.join(parts)} spent over all resumptions{unknown}; the"
            " next request might exceed it. Answers so far are kept; raise the cap to continue"
        )


def _lease(shard: int, attempt: str) -> str:
    return f"lease of shard {shard}, attempt {attempt}"


def _as_given_up(progress: ShardProgress) -> ShardProgress:
    """Return the progress of an attempt that another one repeats.

    The other one finds what was done among the exports, and counts it as skipped.
    """
    return replace(progress, more=progress.done, skipped=-progress.done)


def _add(total: ShardProgress, one: Any) -> None:
    for name in ("more", "skipped", "done", "tokens"):
        setattr(total, name, getattr(total, name) + getattr(one, name))
    if one.cost is not None:
        total.cost = (total.cost or 0.0) + one.cost
    total.messages = total.messages + one.messages
