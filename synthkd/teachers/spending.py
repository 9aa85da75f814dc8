"""Spending of a run: its caps, and bounds on the cost of each request."""

from __future__ import annotations

from dataclasses import dataclass, field

from synthkd.errors import RecipeError
from synthkd.journal import Journal
from synthkd.journal.ledger import Caps
from synthkd.prices import PromptTokenBound, max_dollars
from synthkd.recipe import PricePart, Recipe
from synthkd.recipe.teacher import COSTLY_FIELDS
from synthkd.requests import Answer, Request
from synthkd.teachers.base import Teacher


@dataclass(frozen=True)
class SpendingBounds:
    """The caps of a run, and bounds on the cost of its requests.

    Attributes:
        price: Dollars per million tokens; zeros for a model on this machine.
        caps: None if nothing is capped. What is in flight is reserved all the same: a later run of
            the same recipe may have a cap, and then the unknown cost of a killed process counts.
    """

    price: PricePart
    caps: Caps | None
    prompts: PromptTokenBound = field(default_factory=PromptTokenBound, compare=False)

    @classmethod
    def of(cls, recipe: Recipe, teacher: Teacher) -> SpendingBounds:
        """Return the bounds of a recipe.

        Raises:
            RecipeError: A cap in dollars without a price, or with fields that add to the cost.
        """
        limits = recipe.limits
        body = recipe.teacher.sampling.extra_body
        costly = [name for name in COSTLY_FIELDS if name in body]
        if limits.dollars is not None and costly:
            raise RecipeError(
                f"limits.dollars (--budget) with teacher.sampling.extra_body.{costly[0]}: the"
                " provider charges for that beside the tokens, so the cap could not be kept; leave"
                " it out, or cap with --max-tokens"
            )
        price = teacher.price
        if limits.dollars is not None and price is None:
            raise RecipeError(
                "limits.dollars (--budget) needs prices, and none is known for"
                f" {recipe.teacher.model!r}: give teacher.price (input and output, dollars per"
                " million tokens), or cap with --max-tokens"
            )
        is_capped = limits.dollars is not None or limits.tokens is not None
        caps = Caps(limits.dollars, limits.tokens) if is_capped else None
        return cls(price or PricePart(), caps)

    def of_each(self, requests: list[Request]) -> list[tuple[float, int]]:
        """Return the most dollars and tokens that a sample of each request may cost."""
        bounds = []
        for request in requests:
            read, written = self.prompts.bound(request)
            bounds.append((max_dollars(self.price, read, written), read + written))
        return bounds

    def remember(self, requests: list[Request]) -> None:
        """Keep what is needed to learn from the answers to requests that are sent."""
        if self.caps is not None:
            self.prompts.track(requests)

    def learn(self, answers: list[Answer]) -> None:
        """Learn the tokens of prompts, so that reservations come near to what will be billed."""
        if self.caps is not None:
            self.prompts.update(answers)

    def reached(self, journal: Journal, run: str) -> str:
        """Describe the cap that stopped a run, and what was spent."""
        assert self.caps is not None
        spent = journal.spending(run)
        unknown = (
            f", {spent.unknown_tokens:,} tokens of them for attempts of unknown cost"
            if spent.unknown_tokens
            else ""
        )
        parts = []
        if self.caps.dollars is not None:
            parts.append(
                f"${spent.dollars + spent.unknown_dollars:,.4f} of ${self.caps.dollars:,.4f}"
            )
        if self.caps.tokens is not None:
            parts.append(f"{spent.tokens + spent.unknown_tokens:,} of {self.caps.tokens:,} tokens")
        return (
            f"the cap is reached: {' and '.join(parts)} spent over all resumptions{unknown}; the"
            " next request might exceed it. Answers so far are kept; raise the cap to continue"
        )
