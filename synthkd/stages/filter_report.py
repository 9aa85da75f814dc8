"""Counts of a filtering, in numbers that several processes can add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

#: Parts of a dollar in which prices are added: a sum of whole numbers has no order.
_PARTS = 10**12


@dataclass
class FilterReport:
    """The outcome of every sample. Candidates = accepted + rejected, to the row.

    Attributes:
        repaired: Structured answers that were read after a repair (`kinds.structured_answers`).
        votes: Questions that were unanimous, led or tied, if the recipe has votes.
        order: Claims on cycles, if the recipe has the rule `order`.
        findings: What rules tell beside their outcomes, by rule.
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
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class ParseCounts:
    """Counts of what one process read in the journal for its inputs.

    Attributes:
        price: In parts of a dollar.
        saved: Samples that were never asked for, since their question's vote was decided; None if
            all samples are asked for at once.
    """

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

    def add_price(self, price: float) -> None:
        """Add the price of a completion, in dollars."""
        self.price = (self.price or 0) + round(price * _PARTS)

    def add(self, other: dict[str, Any]) -> None:
        """Add the counts of another process, as `as_dict` gives them."""
        for name, value in other.items():
            if isinstance(own := getattr(self, name), Counter):
                own.update(value)
            elif value is not None:
                setattr(self, name, (getattr(self, name) or 0) + value)

    def as_dict(self) -> dict[str, Any]:
        counters = {
            "failures": dict(self.failures),
            "malformed_reasons": dict(self.malformed_reasons),
        }
        return asdict(self) | counters

    def report(self) -> FilterReport:
        """Return a report of these counts, still without outcomes."""
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
