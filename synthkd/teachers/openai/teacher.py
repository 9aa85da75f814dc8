"""The backend `openai`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import lru_cache
from typing import TYPE_CHECKING

from synthkd.errors import RecipeError, StalledError, nearest
from synthkd.fastjson import dumps
from synthkd.prices import price_of
from synthkd.requests import Answer, Request
from synthkd.teachers.base import Account
from synthkd.teachers.dispatch import Policy, Send, UnfinishedError, dispatch
from synthkd.teachers.dispatch.rates import Rates
from synthkd.teachers.openai.address import base_urls, public, resolve
from synthkd.teachers.openai.answers import NAME, answers_of, unmistakable, without_secrets
from synthkd.teachers.openai.body import CHAT, PLAIN, body_of, in_a_row, is_chat

if TYPE_CHECKING:
    import aiohttp

    from synthkd.recipe import Price, Recipe, TeacherPart
    from synthkd.teachers.openai.address import Address
    from synthkd.teachers.openai.wire import Wire


class OpenAITeacher:
    """Any server of the OpenAI protocol, over HTTP. The key comes from the environment and reaches no log, error or repr.

    ``account`` is told which attempts may be billed (see `synthkd.teachers.base.Account`).
    """

    name = "openai"

    def __init__(self, part: TeacherPart, policy: Policy | None = None) -> None:
        if not part.model:
            raise RecipeError("teacher.model: name the model that the server serves")
        self.part = part
        self.policy = policy or Policy(part.concurrency, part.max_attempts)
        self.base_urls = base_urls(part)
        self.price = price_of(part, public(self.base_urls[0]))
        self.account: Account | None = None
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> OpenAITeacher:
        return cls(recipe.teacher, policy_of(recipe))

    def __repr__(self) -> str:
        return f"OpenAITeacher({self.part.model!r}, {', '.join(map(repr, map(public, self.base_urls)))})"

    @property
    def identity(self) -> str:
        """Address and model; never a key, nor a password in the address."""
        return self.part.identity or f"openai:{public(self.base_urls[0])}:{self.part.model}"

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        from synthkd.teachers.openai.wire import Wire, open_session

        addresses = [resolve(url, self.part) for url in self.base_urls]
        self._session = self._session or open_session(self.part)
        sends: list[Send] = [
            _Asker(Wire(self._session, address, self.part), self.part, self.price).ask_all
            for address in addresses
        ]
        try:
            async with aclosing(dispatch(requests, sends, self.policy, self.account)) as groups:
                async for answers in groups:
                    yield answers
        except StalledError as error:
            if "http_404" in str(error) and (hint := await self._models(addresses[0])):
                raise StalledError(f"{error}. {hint}") from None
            raise

    async def _models(self, address: Address) -> str:
        """What the server has, where it does not have the model."""
        from synthkd.teachers.openai.client import served_models

        found = await served_models(self.part, address)
        if not found or self.part.model in found:
            return ""
        return f"teacher.model: {self.part.model!r} is not served at {address.public}{nearest(str(self.part.model), found)}"

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def policy_of(recipe: Recipe) -> Policy:
    """How a recipe wants requests to be sent."""
    part, limits = recipe.teacher, recipe.limits
    return Policy(
        part.concurrency,
        part.max_attempts,
        adaptive=part.adaptive,
        deadline=part.deadline,
        patience=limits.patience,
        failing_share=limits.failing_share,
        rates=Rates(limits.requests_per_minute, limits.tokens_per_minute),
    )


class _Asker:
    """Asks one endpoint."""

    def __init__(self, wire: Wire, part: TeacherPart, price: Price | None) -> None:
        self.wire, self.part, self.price = wire, part, price
        # Models' names and the like are the same in all answers.
        self._names = lru_cache(64)(wire.address.mask)
        self._secrets = unmistakable(wire.address.mask.forms)

    async def ask_all(self, request: Request) -> list[Answer]:
        """The samples of a request. Raises `UnfinishedError` where a server gives fewer than asked."""
        wanted = request.sample_indexes
        if len(wanted) == 1:
            return await self._ask(request)
        # With a seed, one request cannot bridge a gap in the samples.
        part = wanted if request.sampling.seed is None else in_a_row(wanted)
        answers = await self._ask(request.only(part))
        if len(answers) < len(wanted):
            raise UnfinishedError(answers)
        return answers

    async def _ask(self, request: Request) -> list[Answer]:
        chat = is_chat(request, self.part)
        body = dumps(body_of(request, self.part, chat))
        start = time.perf_counter()
        found = await self.wire.post(CHAT if chat else PLAIN, body)
        answers = answers_of(request, found, time.perf_counter() - start, self.price, self._mask)
        return without_secrets(answers, self.wire.address.mask, self._secrets) if self._secrets else answers

    def _mask(self, text: str) -> str:
        return self._names(text) if len(text) <= NAME else self.wire.address.mask(text)
