"""The backend `openai`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError, RequestError, StalledError, TeacherError, nearest
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
    BodyEncoder,
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
    from synthkd.teachers.dispatch.rate_limits import RateLimits
    from synthkd.teachers.openai.endpoint import Endpoint
    from synthkd.teachers.openai.http import HttpResponse
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

    def pace(self, rates: RateLimits) -> None:
        self.policy = replace(self.policy, rates=rates)

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
        finally:
            for transport in self._transports:
                transport.abandon()

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
        self._bodies = BodyEncoder(part)
        mask = transport.endpoint.mask
        # Models' names and finish reasons are the same in all answers.
        self._mask_name = lru_cache(64)(mask)
        self._forms = redactable_forms(mask.forms)

    def send(self, request: Request) -> Awaitable[list[Answer]]:
        """Ask for the samples of a request.

        Raises:
            PartialAnswerError: The server gave fewer samples than requested.
        """
        indexes = self._samples_of_one_request(request)
        if not self.support.has_answered or len(indexes) < len(request.sample_indexes):
            return self._ask(request)
        # Nearly every request, without a task of its own.
        result: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        start = time.perf_counter()
        response = self._post(request, self.support)
        response.add_done_callback(partial(self._on_response, request, start, result))
        return result

    def _on_response(
        self,
        request: Request,
        start: float,
        result: asyncio.Future[list[Answer]],
        response: asyncio.Future[HttpResponse],
    ) -> None:
        """Set the result of a request by its response."""
        if result.done():
            # Nobody waits any more. An error is looked at, so that it is not reported.
            if not response.cancelled():
                response.exception()
            return
        try:
            answers = self._read(request, self.transport.read(response.result()), start)
        except RequestError as error:
            self._recover(request, error, result)
        except asyncio.CancelledError:
            result.cancel()
        except Exception as error:  # noqa: BLE001 (raised where the result is awaited)
            result.set_exception(error)
        else:
            if len(answers) < len(request.sample_indexes):
                result.set_exception(PartialAnswerError(answers))
            else:
                result.set_result(answers)

    def _recover(
        self, request: Request, error: RequestError, result: asyncio.Future[list[Answer]]
    ) -> None:
        """Ask again in a form that the server takes, if it has refused a parameter."""
        task = asyncio.get_running_loop().create_task(self._ask(request, error))

        def pass_on(_: asyncio.Future[list[Answer]]) -> None:
            if result.done() or task.cancelled():
                result.cancel()
            elif (failure := task.exception()) is not None:
                result.set_exception(failure)
            else:
                result.set_result(task.result())

        task.add_done_callback(pass_on)
        result.add_done_callback(lambda _: task.cancel())

    def _samples_of_one_request(self, request: Request) -> tuple[int, ...]:
        """Return the samples that one HTTP request can cover."""
        indexes = request.sample_indexes
        if self.support.single_choice:
            return indexes[:1]
        # With a seed, one HTTP request cannot cover a gap in the samples.
        if len(indexes) == 1 or request.sampling.seed is None:
            return indexes
        return leading_run(indexes)

    async def _ask(self, request: Request, refusal: RequestError | None = None) -> list[Answer]:
        """Ask for the samples of a request, also in a form that is not known yet.

        Args:
            request: The request.
            refusal: The server's answer to the request in the form known so far.
        """
        indexes = request.sample_indexes
        now = self._samples_of_one_request(request)
        try:
            answers = await self._send(request.with_samples(now), refusal=refusal)
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

    async def _send(
        self,
        request: Request,
        single_choice: bool = False,
        refusal: RequestError | None = None,
    ) -> list[Answer]:
        support = replace(self.support, single_choice=True) if single_choice else self.support
        start = time.perf_counter()
        while True:
            try:
                if refusal is not None:
                    raise refusal
                body = self.transport.read(await self._post(request, support))
                break
            except RequestError as error:
                refusal = None
                limit_field = token_limit_field(request, self.part, support)
                if not support.switch_token_limit(error.parameter, limit_field):
                    raise
                self.support.token_limit = support.token_limit
        return self._read(request, body, start)

    def _post(self, request: Request, support: ParameterSupport) -> asyncio.Future[HttpResponse]:
        chat = is_chat(request, self.part)
        data = self._bodies.encode(request, chat, support)
        return self.transport.send(CHAT_PATH if chat else COMPLETIONS_PATH, data)

    def _read(self, request: Request, body: Any, start: float) -> list[Answer]:
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
