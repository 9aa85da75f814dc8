"""The backend `openai-batch`."""

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
from synthkd.teachers.base import Teacher
from synthkd.teachers.batch.options import BatchOptions, batch_options
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.openai.endpoint import endpoint_urls, public_url, resolve_endpoint
from synthkd.teachers.openai.request_body import top_logprobs

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart
    from synthkd.teachers.batch.provider import Provider
    from synthkd.teachers.batch.stream import BatchStream


class BatchTeacher(Teacher):
    """Answers from a provider's Batch API.

    `attach` comes before `stream`: without a journal, a killed run would pay twice. If the stream
    is left early, as after Ctrl-C, or ended by `stop`, open batches go on at the provider, and the
    next run collects them.
    """

    name = "openai-batch"
    Options = BatchOptions
    options: BatchOptions
    is_remote = True
    keeps_batches = True

    def __init__(self, part: TeacherPart, patience: float = 300.0) -> None:
        if not part.model:
            raise RecipeError("teacher.model: name the model that the provider serves")
        urls = endpoint_urls(part)
        if len(urls) > 1:
            raise RecipeError(
                "teacher.base_url: the backend openai-batch takes one address; name one"
            )
        self.part, self.patience, self.base_urls = part, patience, urls
        self.options = batch_options(part)
        self.price = discounted(price_of(part, public_url(urls[0])), self.options.discount)
        self._attached: tuple[BatchStore, str] | None = None
        self._provider: Provider | None = None
        self._stream: BatchStream | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> BatchTeacher:
        return cls(recipe.teacher, recipe.limits.patience)

    def __repr__(self) -> str:
        return f"BatchTeacher({self.part.model!r}, {public_url(self.base_urls[0])!r})"

    @property
    def identity(self) -> str:
        """That of the backend `openai`, so that each finds the completions of the other."""
        return self.part.identity or f"openai:{public_url(self.base_urls[0])}:{self.part.model}"

    @classmethod
    def served_identity(cls, model: str | None) -> str:
        return f"openai:{model}"

    def top_logprobs(self, chat: bool) -> dict[str, int]:
        return top_logprobs(chat)

    def attach(self, journal: Journal, run: str) -> None:
        self._attached = BatchStore(journal), run

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        # Imported here: the `openai` package takes most of a second.
        from synthkd.teachers.batch.provider import Provider, final_error
        from synthkd.teachers.batch.stream import BatchSetup, BatchStream

        if self._attached is None:
            raise TeacherError(
                "openai-batch keeps its batches in a journal: call attach(journal, run) first"
            )
        # A run that asks in rounds streams more than once.
        self._provider = self._provider or Provider(
            self.part, resolve_endpoint(self.base_urls[0], self.part)
        )
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
    cached = None if price.cached is None else price.cached * share
    return PricePart(input=price.input * share, output=price.output * share, cached=cached)
