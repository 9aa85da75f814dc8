"""The backend `openai-batch`: a provider's Batch API, at a share of the price and within a day."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from synthkd.errors import RecipeError, TeacherError
from synthkd.journal.batches import BatchStore
from synthkd.journal.store import Journal
from synthkd.prices import price_of
from synthkd.recipe import PricePart
from synthkd.requests import Answer, Request
from synthkd.teachers.base import Account
from synthkd.teachers.batch.files import Provider, lasting
from synthkd.teachers.batch.stream import BatchStream
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.openai.endpoint import base_urls, public, resolve

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart


class BatchTeacher:
    """A provider's Batch API. The key comes from the environment and reaches no log, error or repr.

    `attach` comes before `stream`: without a journal a killed run would pay twice. Who leaves the stream early, as
    after Ctrl-C, leaves the open batches with the provider; the next run picks them up. `stop` ends it from
    outside. ``account`` is told before a row of unknown cost is asked again.
    """

    name = "openai-batch"

    def __init__(self, part: TeacherPart, patience: float = 300.0) -> None:
        if not part.model:
            raise RecipeError("teacher.model: name the model that the provider serves")
        urls = base_urls(part)
        if len(urls) > 1:
            raise RecipeError("teacher.base_url: the backend openai-batch takes one address; name one")
        self.part, self.patience, self.base_url = part, patience, urls[0]
        self.price = discounted(price_of(part, public(self.base_url)), part.batch.discount)
        self.account: Account | None = None
        self._attached: tuple[BatchStore, str] | None = None
        self._provider: Provider | None = None
        self._stream: BatchStream | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> BatchTeacher:
        return cls(recipe.teacher, recipe.limits.patience)

    def __repr__(self) -> str:
        return f"BatchTeacher({self.part.model!r}, {public(self.base_url)!r})"

    @property
    def identity(self) -> str:
        """As the backend `openai` has it: what was bought one way is found the other way."""
        return self.part.identity or f"openai:{public(self.base_url)}:{self.part.model}"

    def attach(self, journal: Journal, run: str) -> None:
        """Say where batches are recorded, and for which run."""
        self._attached = BatchStore(journal), run

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        if self._attached is None:
            raise TeacherError("openai-batch keeps its batches in a journal: call attach(journal, run) first")
        # Asking in rounds, a run streams more than once.
        self._provider = self._provider or Provider(self.part, resolve(self.base_url, self.part))
        self._stream = BatchStream(self, self._provider, *self._attached)
        try:
            async with aclosing(self._stream.answers(requests)) as groups:
                async for answers in groups:
                    yield answers
        except TransientError as error:
            raise lasting(error, bool(self._stream and self._stream.open)) from None
        finally:
            self._stream = None

    def stop(self) -> None:
        """End the stream soon, from any thread or a signal's handler. Nothing more is submitted."""
        if self._stream is not None:
            self._stream.stop()

    async def close(self) -> None:
        if self._provider is not None:
            await self._provider.close()
            self._provider = None


def discounted(price: PricePart | None, share: float) -> PricePart | None:
    """What a batch costs."""
    if price is None:
        return None
    cached = None if price.cached is None else price.cached * share
    return PricePart(input=price.input * share, output=price.output * share, cached=cached)
