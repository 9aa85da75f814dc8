"""One request of synthkd as requests over HTTP to one endpoint, and their answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from synthkd.errors import RequestError, TeacherError
from synthkd.requests import Answer, Request
from synthkd.teachers.dispatch import PartialAnswerError, TransientError
from synthkd.teachers.remote.parameter_support import ParameterSupport, remedy_for
from synthkd.teachers.remote.responses import (
    MAX_NAME_LENGTH,
    redact_answers,
    redactable_forms,
)
from synthkd.teachers.remote.wire_format import WireFormat, leading_run

if TYPE_CHECKING:
    from synthkd.recipe import PricePart
    from synthkd.teachers.remote.http import HttpResponse
    from synthkd.teachers.remote.transport import Transport

#: Characters of a server's message beside a remedy.
_MAX_DETAIL = 300


class EndpointSender:
    """Sends requests to one endpoint, in the form that the server has been seen to take."""

    def __init__(
        self, transport: Transport, wire_format: WireFormat, price: PricePart | None
    ) -> None:
        self.transport, self.wire_format, self.price = transport, wire_format, price
        self.support = ParameterSupport(single_choice=wire_format.single_choice)
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
                if not self.wire_format.adapt(request, error.parameter, support):
                    raise
                self.support.token_limit = support.token_limit
        return self._read(request, body, start)

    def _post(self, request: Request, support: ParameterSupport) -> asyncio.Future[HttpResponse]:
        return self.transport.send(*self.wire_format.encode(request, support))

    def _read(self, request: Request, body: Any, start: float) -> list[Answer]:
        self.support.has_answered = True
        seconds = time.perf_counter() - start
        try:
            answers = self.wire_format.answers(
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
