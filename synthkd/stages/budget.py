"""What a run may spend: its caps, and what each request may cost at most."""

from __future__ import annotations

from dataclasses import dataclass, field

from synthkd.errors import RecipeError
from synthkd.journal import Journal
from synthkd.journal.ledger import Caps
from synthkd.prices import PromptTokens, most_dollars
from synthkd.recipe import PricePart
from synthkd.recipe.teacher import COSTLY_FIELDS
from synthkd.requests import Answer, Request
from synthkd.stages.components import Components


@dataclass(frozen=True)
class Bounds:
    """``caps`` is None where nothing is capped. What is in flight is reserved all the same: a later run of the same
    recipe may have a cap, and then what a killed process may have been billed counts.
    """

    run: str
    price: PricePart
    caps: Caps | None
    prompts: PromptTokens = field(default_factory=PromptTokens, compare=False)

    @classmethod
    def of(cls, components: Components) -> Bounds:
        """Raises `RecipeError` for dollars without a price, or with fields that change it: no such cap can be kept."""
        limits = components.recipe.limits
        body = components.recipe.teacher.sampling.extra_body
        if limits.dollars is not None and (costly := [name for name in COSTLY_FIELDS if name in body]):
            raise RecipeError(
                f"limits.dollars (--budget) with teacher.sampling.extra_body.{costly[0]}: the provider charges for that"
                " beside the tokens, so the cap could not be kept; leave it out, or cap with --max-tokens"
            )
        # A backend without the attribute runs on one's own machine.
        price = getattr(components.teacher, "price", PricePart())
        if limits.dollars is not None and price is None:
            raise RecipeError(
                f"limits.dollars (--budget) needs prices, and none is known for {components.recipe.teacher.model!r}:"
                " give teacher.price (input and output, dollars per million tokens), or cap with --max-tokens"
            )
        capped = limits.dollars is not None or limits.tokens is not None
        caps = Caps(limits.dollars, limits.tokens) if capped else None
        return cls(components.recipe.name, price or PricePart(), caps)

    def of_each(self, requests: list[Request]) -> list[tuple[float, int]]:
        """Dollars and tokens that a sample of each request may come to."""
        found = []
        for request in requests:
            read, written = self.prompts.most(request)
            found.append((most_dollars(self.price, read, written), read + written))
        return found

    def remember(self, requests: list[Request]) -> None:
        """Keep what is needed to learn from the answers to requests that go."""
        if self.caps is not None:
            self.prompts.remember(requests)

    def learn(self, answers: list[Answer]) -> None:
        """Take in how many tokens prompts came to, so that reservations come near to what will be billed."""
        if self.caps is not None:
            self.prompts.learn(answers)

    def reached(self, journal: Journal) -> str:
        """In words: which cap stopped the run, and where it stands."""
        assert self.caps is not None
        spent = journal.spending(self.run)
        lost = (
            f", {spent.unknown_tokens:,} tokens of them for attempts of unknown cost"
            if spent.unknown_tokens
            else ""
        )
        parts = []
        if self.caps.dollars is not None:
            parts.append(f"${spent.dollars + spent.unknown_dollars:,.4f} of ${self.caps.dollars:,.4f}")
        if self.caps.tokens is not None:
            parts.append(f"{spent.tokens + spent.unknown_tokens:,} of {self.caps.tokens:,} tokens")
        return (
            f"the cap is reached: {' and '.join(parts)} spent over all resumptions{lost}; the next request might"
            " pass it. What came is kept; a higher cap goes on from here"
        )
