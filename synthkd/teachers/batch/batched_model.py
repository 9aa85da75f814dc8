"""The base class of backends that submit batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Self

from synthkd.errors import RecipeError, TeacherError
from synthkd.journal.batches import BatchStore
from synthkd.journal.store import Journal
from synthkd.recipe import PricePart
from synthkd.requests import Answer, Request
from synthkd.teachers.batch.options import BatchOptions
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.endpoint import Endpoint, resolve_endpoint
from synthkd.teachers.remote.teacher import ServedModel

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart
    from synthkd.teachers.batch.provider import BatchProvider
    from synthkd.teachers.batch.stream import BatchStream


class BatchedModel(ServedModel):
    """Answers from a provider's Batch API.

    `attach` comes before `stream`: without a journal, a killed run would pay twice. If the stream
    is left early, as after Ctrl-C, or ended by `stop`, open batches go on at the provider, and the
    next run collects them.
    """

    options: BatchOptions
    keeps_batches = True

    def __init__(self, part: TeacherPart, patience: float = 300.0) -> None:
        super().__init__(part)
        # Checks the parameters before anything is bought.
        self.wire_format()
        if len(self.base_urls) > 1:
            raise RecipeError(
                f"teacher.base_url: the backend {self.name} takes one address; name one"
            )
        self.patience = patience
        self._attached: tuple[BatchStore, str] | None = None
        self._provider: BatchProvider | None = None
        self._stream: BatchStream | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Self:
        return cls(recipe.teacher, recipe.limits.patience)

    def price_of(self, part: TeacherPart) -> PricePart | None:
        return discounted(super().price_of(part), self.options.discount)

    @abstractmethod
    def provider(self) -> BatchProvider:
        """Return the provider's batches. Nothing is sent."""

    def endpoint(self) -> Endpoint:
        """Return the address with its headers."""
        return resolve_endpoint(self.base_urls[0], self.part, self.api)

    def attach(self, journal: Journal, run: str) -> None:
        self._attached = BatchStore(journal), run

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        from synthkd.teachers.batch.provider import final_error
        from synthkd.teachers.batch.stream import BatchSetup, BatchStream

        if self._attached is None:
            raise TeacherError(
                f"{self.name} keeps its batches in a journal: call attach(journal, run) first"
            )
        # A run that asks in rounds streams more than once.
        self._provider = self._provider or self.provider()
        setup = BatchSetup(self.part, self.identity, self.price, self.patience, self.account)
        self._stream = BatchStream(setup, self._provider, *self._attached)
        try:
            async with aclosing(self._stream.answers(requests)) as groups:
                async for answers in groups:
                    yield answers
        except TransientError as error:
            raise final_error(error, bool(self._stream and self._stream.open)) from None
        finally:
            self._stream = None

    def stop(self) -> None:
        """End the stream soon; nothing more is submitted.

        Called from any thread or a signal's handler.
        """
        if self._stream is not None:
            self._stream.stop()

    async def close(self) -> None:
        if self._provider is not None:
            await self._provider.close()
            self._provider = None


def discounted(price: PricePart | None, share: float) -> PricePart | None:
    """Return the price of a batch: a share of the usual price."""
    if price is None:
        return None
    given = price.model_dump(exclude_none=True)
    return PricePart(**{name: dollars * share for name, dollars in given.items()})
