"""The backend `openai`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from synthkd.errors import RecipeError, RequestError, StalledError, TeacherError, nearest
from synthkd.fastjson import dumps
from synthkd.prices import price_of
from synthkd.requests import Answer, Request
from synthkd.teachers.base import Account
from synthkd.teachers.dispatch import Policy, Send, TransientError, UnfinishedError, dispatch
from synthkd.teachers.dispatch.rate_limits import Rates
from synthkd.teachers.openai.endpoint import base_urls, public, resolve
from synthkd.teachers.openai.parameter_support import Learned, remedy_of
from synthkd.teachers.openai.request_body import CHAT, PLAIN, body_of, in_a_row, is_chat, limit_of
from synthkd.teachers.openai.responses import NAME, answers_of, unmistakable, without_secrets

if TYPE_CHECKING:
    import aiohttp

    from synthkd.recipe import PricePart, Recipe, TeacherPart
    from synthkd.teachers.openai.endpoint import Address
    from synthkd.teachers.openai.transport import Wire


#: Characters of a server's words beside a remedy.
_DETAIL = 300


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
        from synthkd.teachers.openai.transport import Wire, open_session

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
    """Asks one endpoint, and remembers which forms of a request it takes."""

    def __init__(self, wire: Wire, part: TeacherPart, price: PricePart | None) -> None:
        self.wire, self.part, self.price = wire, part, price
        self.learned = Learned()
        # Models' names and the like are the same in all answers.
        self._names = lru_cache(64)(wire.address.mask)
        self._secrets = unmistakable(wire.address.mask.forms)

    async def ask_all(self, request: Request) -> list[Answer]:
        """The samples of a request. Raises `UnfinishedError` where a server gives fewer than asked."""
        wanted = request.sample_indexes
        # With a seed, one request cannot bridge a gap in the samples.
        part = wanted if request.sampling.seed is None else in_a_row(wanted)
        if self.learned.single:
            part = wanted[:1]
        try:
            answers = await self._ask(request.only(part))
        except RequestError as error:
            if len(part) == 1 or not self._may_be_several(error):
                raise self._with_remedy(error) from None
            answers = await self._one_of(request.only(part[:1]), error)
        if len(answers) < len(wanted):
            raise UnfinishedError(answers)
        return answers

    def _may_be_several(self, error: RequestError) -> bool:
        """Whether a request may have been refused since it asks for several choices."""
        # One that samples nothing would give the same text each time.
        if "greedy" in error.detail or error.parameter not in ("", "n"):
            return False
        return error.parameter == "n" or (
            error.reason in ("http_400", "http_422", "http_501") and self.learned.probes > 0
        )

    async def _one_of(self, request: Request, error: RequestError) -> list[Answer]:
        """Ask for one sample alone. If that goes well, the server takes one choice at a time, and is asked so."""
        self.learned.probes -= error.parameter != "n"
        try:
            answers = await self._ask(request, single=True)
        except RequestError:
            raise self._with_remedy(error) from None
        self.learned.single = True
        return answers

    def _with_remedy(self, error: RequestError) -> TeacherError:
        """What to set for a server that refuses a parameter. If nothing was answered yet, no other request fares better."""
        if not (remedy := remedy_of(error.parameter)):
            return error
        if self.learned.answered:
            return RequestError(error.reason, f"{error.detail[:_DETAIL]} ({remedy})", error.parameter)
        return TeacherError(
            f"{self.wire.address.public} refuses what it was sent ({error.detail[:_DETAIL]}); {remedy}"
        )

    async def _ask(self, request: Request, single: bool = False) -> list[Answer]:
        chat = is_chat(request, self.part)
        learned = replace(self.learned, single=True) if single else self.learned
        start = time.perf_counter()
        while True:
            sent = limit_of(request, self.part, learned)
            body = dumps(body_of(request, self.part, chat, learned))
            try:
                found = await self.wire.post(CHAT if chat else PLAIN, body)
                break
            except RequestError as error:
                if not learned.another_limit(error.parameter, sent):
                    raise
                self.learned.limit = learned.limit
        self.learned.answered = True
        try:
            answers = answers_of(
                request, found, time.perf_counter() - start, self.price, self._mask, self.wire.refused
            )
        except TransientError as error:
            error.answers = self._clear(error.answers)
            raise
        return self._clear(answers)

    def _clear(self, answers: list[Answer]) -> list[Answer]:
        return without_secrets(answers, self.wire.address.mask, self._secrets) if self._secrets else answers

    def _mask(self, text: str) -> str:
        return self._names(text) if len(text) <= NAME else self.wire.address.mask(text)
