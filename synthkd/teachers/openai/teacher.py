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
from synthkd.teachers.base import Teacher
from synthkd.teachers.dispatch import (
    DispatchPolicy,
    PartialAnswerError,
    Send,
    TransientError,
    dispatch,
)
from synthkd.teachers.openai.endpoint import endpoint_urls, public_url, resolve_endpoint
from synthkd.teachers.openai.parameter_support import ParameterSupport, remedy_for
from synthkd.teachers.openai.request_body import (
    CHAT_PATH,
    COMPLETIONS_PATH,
    build_body,
    is_chat,
    leading_run,
    token_limit_field,
    top_logprobs,
)
from synthkd.teachers.openai.responses import (
    MAX_NAME_LENGTH,
    parse_answers,
    redact_answers,
    redactable_forms,
)

if TYPE_CHECKING:
    from synthkd.recipe import PricePart, Recipe, TeacherPart
    from synthkd.teachers.openai.endpoint import Endpoint
    from synthkd.teachers.openai.transport import Transport


#: Characters of a server's message beside a remedy.
_MAX_DETAIL = 300


class OpenAITeacher(Teacher):
    """Answers from any server of the OpenAI protocol, over HTTP.

    The key comes from the environment and reaches no log, error or repr.
    """

    name = "openai"
    is_remote = True

    def __init__(self, part: TeacherPart, policy: DispatchPolicy | None = None) -> None:
        if not part.model:
            raise RecipeError("teacher.model: name the model that the server serves")
        self.part = part
        self.policy = policy or DispatchPolicy(part.concurrency, part.max_attempts)
        self.base_urls = endpoint_urls(part)
        self.price = price_of(part, public_url(self.base_urls[0]))
        self._transports: list[Transport] = []

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> OpenAITeacher:
        return cls(recipe.teacher, DispatchPolicy.of_recipe(recipe))

    def __repr__(self) -> str:
        return (
            f"OpenAITeacher({self.part.model!r},"
            f" {', '.join(map(repr, map(public_url, self.base_urls)))})"
        )

    @property
    def identity(self) -> str:
        """Address and model; never a key, nor a password in the address."""
        return self.part.identity or f"openai:{public_url(self.base_urls[0])}:{self.part.model}"

    @classmethod
    def served_identity(cls, model: str | None) -> str:
        return f"openai:{model}"

    def top_logprobs(self, chat: bool) -> dict[str, int]:
        return top_logprobs(chat)

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        from synthkd.teachers.openai.transport import Transport

        # Kept between calls, with their connections.
        self._transports = self._transports or [
            Transport(resolve_endpoint(url, self.part), self.part) for url in self.base_urls
        ]
        sends: list[Send] = [
            _EndpointClient(transport, self.part, self.price).send for transport in self._transports
        ]
        try:
            async with aclosing(dispatch(requests, sends, self.policy, self.account)) as groups:
                async for answers in groups:
                    yield answers
        except StalledError as error:
            if "http_404" in str(error) and (
                hint := await self._model_hint(self._transports[0].endpoint)
            ):
                raise StalledError(f"{error}. {hint}") from None
            raise

    async def _model_hint(self, endpoint: Endpoint) -> str:
        """Return a hint at the models that a server has, if it does not have the recipe's."""
        from synthkd.teachers.openai.client import served_models

        models = await served_models(self.part, endpoint)
        if not models or self.part.model in models:
            return ""
        hint = nearest(str(self.part.model), models)
        return f"teacher.model: {self.part.model!r} is not served at {endpoint.public}{hint}"

    async def close(self) -> None:
        transports, self._transports = self._transports, []
        for transport in transports:
            await transport.close()


class _EndpointClient:
    """Sends requests to one endpoint, in the form that the server has been seen to take."""

    def __init__(self, transport: Transport, part: TeacherPart, price: PricePart | None) -> None:
        self.transport, self.part, self.price = transport, part, price
        self.support = ParameterSupport()
        mask = transport.endpoint.mask
        # Models' names and finish reasons are the same in all answers.
        self._mask_name = lru_cache(64)(mask)
        self._forms = redactable_forms(mask.forms)

    async def send(self, request: Request) -> list[Answer]:
        """Ask for the samples of a request.

        Raises:
            PartialAnswerError: The server gave fewer samples than requested.
        """
        indexes = request.sample_indexes
        # With a seed, one HTTP request cannot cover a gap in the samples.
        now = indexes if request.sampling.seed is None else leading_run(indexes)
        if self.support.single_choice:
            now = indexes[:1]
        try:
            answers = await self._send(request.with_samples(now))
        except RequestError as error:
            if len(now) == 1 or not self._may_refuse_choices(error):
                raise self._with_remedy(error) from None
            answers = await self._send_single(request.with_samples(now[:1]), error)
        if len(answers) < len(indexes):
            raise PartialAnswerError(answers)
        return answers

    def _may_refuse_choices(self, error: RequestError) -> bool:
        """Return True if a request may have been refused because it asks for several choices."""
        # With greedy decoding, every further choice would be the same text.
        if "greedy" in error.detail or error.parameter not in ("", "n"):
            return False
        return error.parameter == "n" or (
            error.reason in ("http_400", "http_422", "http_501") and self.support.probes > 0
        )

    async def _send_single(self, request: Request, error: RequestError) -> list[Answer]:
        """Ask for one sample.

        If that succeeds, the server takes one choice at a time from now on.
        """
        self.support.probes -= error.parameter != "n"
        try:
            answers = await self._send(request, single_choice=True)
        except RequestError:
            raise self._with_remedy(error) from None
        self.support.single_choice = True
        return answers

    def _with_remedy(self, error: RequestError) -> TeacherError:
        """Add the recipe's remedy to a refusal; end the run if nothing was answered before."""
        if not (remedy := remedy_for(error.parameter)):
            return error
        if self.support.has_answered:
            return RequestError(
                error.reason, f"{error.detail[:_MAX_DETAIL]} ({remedy})", error.parameter
            )
        where = self.transport.endpoint.public
        return TeacherError(f"{where} refuses the request ({error.detail[:_MAX_DETAIL]}); {remedy}")

    async def _send(self, request: Request, single_choice: bool = False) -> list[Answer]:
        chat = is_chat(request, self.part)
        support = replace(self.support, single_choice=True) if single_choice else self.support
        start = time.perf_counter()
        while True:
            limit_field = token_limit_field(request, self.part, support)
            data = dumps(build_body(request, self.part, chat, support))
            try:
                body = await self.transport.post(CHAT_PATH if chat else COMPLETIONS_PATH, data)
                break
            except RequestError as error:
                if not support.switch_token_limit(error.parameter, limit_field):
                    raise
                self.support.token_limit = support.token_limit
        self.support.has_answered = True
        seconds = time.perf_counter() - start
        try:
            answers = parse_answers(
                request, body, seconds, self.price, self._mask, self.transport.embedded_error
            )
        except TransientError as error:
            error.answers = self._redact(error.answers)
            raise
        return self._redact(answers)

    def _redact(self, answers: list[Answer]) -> list[Answer]:
        return (
            redact_answers(answers, self.transport.endpoint.mask, self._forms)
            if self._forms
            else answers
        )

    def _mask(self, text: str) -> str:
        return (
            self._mask_name(text)
            if len(text) <= MAX_NAME_LENGTH
            else self.transport.endpoint.mask(text)
        )
