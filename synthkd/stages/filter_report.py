"""Counts of a filtering, in numbers that several processes can add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

#: Parts of a dollar in which prices are added: whole numbers come to the same in any order.
_PARTS = 10**12


@dataclass
class FilterReport:
    """The outcome of everything that came. Candidates = accepted + rejected, to the row.

    ``repaired`` counts structured answers that were read, but not as they came (see `kinds.structured`).
    ``votes`` says how many questions were unanimous, led or tied, where the recipe has votes; ``order`` how many claims
    lie on cycles, where it has the rule `order`.
    """

    asked: int = 0
    completed: int = 0
    failed: int = 0
    missing: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    candidates: int = 0
    malformed: int = 0
    malformed_reasons: dict[str, int] = field(default_factory=dict)
    repaired: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    accepted: int = 0
    tokens: int = 0
    cost: float | None = None
    votes: dict[str, Any] | None = None
    order: dict[str, int] | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class ParseCounts:
    """What one process found in the journal for its inputs. ``price`` is in parts of a dollar; ``saved`` counts samples
    that were never asked for, since their question's vote was decided; None where all are asked for."""

    asked: int = 0
    completed: int = 0
    missing: int = 0
    saved: int | None = None
    failures: Counter[str] = field(default_factory=Counter)
    candidates: int = 0
    malformed: int = 0
    malformed_reasons: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    tokens: int = 0
    price: int | None = None

    def paid(self, price: float) -> None:
        self.price = (self.price or 0) + round(price * _PARTS)

    def add(self, other: dict[str, Any]) -> None:
        """Take in what another process found, as `as_dict` gives it."""
        for name, value in other.items():
            if isinstance(own := getattr(self, name), Counter):
                own.update(value)
            elif value is not None:
                setattr(self, name, (getattr(self, name) or 0) + value)

    def as_dict(self) -> dict[str, Any]:
        counters = {"failures": dict(self.failures), "malformed_reasons": dict(self.malformed_reasons)}
        return asdict(self) | counters

    def report(self) -> FilterReport:
        """The counts so far; outcomes are still to come."""
        return FilterReport(
            asked=self.asked,
            completed=self.completed,
            failed=self.failures.total(),
            missing=self.missing,
            failures=dict(sorted(self.failures.items())),
            candidates=self.candidates,
            malformed_reasons=dict(sorted(self.malformed_reasons.items())),
            repaired=self.repaired,
            tokens=self.tokens,
            cost=None if self.price is None else self.price / _PARTS,
            votes=None if self.saved is None else {"saved": self.saved},
        )
