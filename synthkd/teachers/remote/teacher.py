"""The base class of backends that ask a provider over HTTP."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from synthkd.errors import RecipeError, StalledError
from synthkd.options import checked_options
from synthkd.prices import price_of
from synthkd.requests import Answer, Request
from synthkd.teachers.base import Teacher
from synthkd.teachers.dispatch import DispatchPolicy, Send, dispatch
from synthkd.teachers.remote.endpoint import (
    Endpoint,
    RemoteApi,
    endpoint_urls,
    public_url,
    resolve_endpoint,
)

if TYPE_CHECKING:
    from synthkd.recipe import PricePart, Recipe, TeacherPart
    from synthkd.secrets import Url
    from synthkd.teachers.dispatch.rate_limits import RateLimits
    from synthkd.teachers.remote.transport import Transport
    from synthkd.teachers.remote.wire_format import WireFormat


class ServedModel(Teacher):
    """A model at one or several addresses of an API: identity, addresses and price."""

    is_remote = True
    #: Where the API is, and how a key is sent.
    api: ClassVar[RemoteApi]

    def __init__(self, part: TeacherPart) -> None:
        self.part = part
        self.options = checked_options(self.Options, part.options, "teacher.options")
        if not part.model:
            raise RecipeError("teacher.model: name the model that the server serves")
        self.base_urls, _, self.key_variable = self.urls_of(part)
        self.price = self.price_of(part)

    def __repr__(self) -> str:
        urls = ", ".join(map(repr, map(public_url, self.base_urls)))
        return f"{type(self).__name__}({self.part.model!r}, {urls})"

    @property
    def identity(self) -> str:
        """Address and model; never a key, nor a password in the address."""
        return self.part.identity or (
            f"{self.api.name}:{public_url(self.base_urls[0])}:{self.part.model}"
        )

    @classmethod
    def urls_of(cls, part: TeacherPart) -> tuple[list[Url], str, str]:
        return endpoint_urls(part, cls.api), cls.api.url_variable, cls.api.key_variable_of(part)

    @classmethod
    def served_identity(cls, model: str | None) -> str:
        return f"{cls.api.name}:{model}"

    def price_of(self, part: TeacherPart) -> PricePart | None:
        """Return the price of the recipe's model; None if unknown."""
        return price_of(part, public_url(self.base_urls[0]))

    @abstractmethod
    def wire_format(self) -> WireFormat:
        """Return the form of requests and answers.

        Raises:
            RecipeError: The API has no such sampling parameter.
        """


class RemoteTeacher(ServedModel):
    """Answers from a provider's API, over HTTP.

    The key comes from the environment and reaches no log, error or repr.
    """

    def __init__(self, part: TeacherPart, policy: DispatchPolicy | None = None) -> None:
        super().__init__(part)
        self.policy = policy or DispatchPolicy(part.concurrency, part.max_attempts)
        # Checks the parameters before anything is bought.
        self.wire_format()
        self._transports: list[Transport] = []

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Self:
        return cls(recipe.teacher, DispatchPolicy.of_recipe(recipe))

    def pace(self, rates: RateLimits) -> None:
        self.policy = replace(self.policy, rates=rates)

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        from synthkd.teachers.remote.sending import EndpointSender
        from synthkd.teachers.remote.transport import Transport

        # Kept between calls, with their connections.
        self._transports = self._transports or [
            Transport(resolve_endpoint(url, self.part, self.api), self.part)
            for url in self.base_urls
        ]
        sends: list[Send] = [
            EndpointSender(transport, self.wire_format(), self.price).send
            for transport in self._transports
        ]
        try:
            async with aclosing(dispatch(requests, sends, self.policy, self.account)) as groups:
                async for answers in groups:
                    yield answers
        except StalledError as error:
            hint = await self.hint(self._transports[0].endpoint, error)
            if hint:
                raise StalledError(f"{error}. {hint}") from None
            raise
        finally:
            for transport in self._transports:
                transport.abandon()

    async def hint(self, endpoint: Endpoint, error: StalledError) -> str:
        """Return a hint at the cause of an error that ends the run; "" if none is known."""
        return ""

    async def close(self) -> None:
        transports, self._transports = self._transports, []
        for transport in transports:
            await transport.close()
