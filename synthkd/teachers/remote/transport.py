"""One request to an endpoint: the parsed body of its answer, or synthkd's errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from synthkd.errors import TeacherError
from synthkd.fastjson import dumps, loads
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.embedded_errors import body_error
from synthkd.teachers.remote.error_responses import (
    ANSWER_STATUSES,
    error_of_body,
    status_error,
)
from synthkd.teachers.remote.http import open_client

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.endpoint import Endpoint
    from synthkd.teachers.remote.http import HttpResponse


#: Fields of the texts of an answer: OpenAI's, Gemini's and Anthropic's.
_CHOICES = ("choices", "candidates", "content")


class Transport:
    """Posts to one endpoint, and raises synthkd's errors. Needs a running event loop."""

    def __init__(self, endpoint: Endpoint, part: TeacherPart) -> None:
        self.endpoint, self.part = endpoint, part
        self._client = open_client(endpoint, part)

    def send(self, path: str, data: bytes) -> asyncio.Future[HttpResponse]:
        """Send a body; return the future of the response, which `read` parses."""
        return self._client.post(path, data)

    async def post(self, path: str, data: bytes) -> Any:
        """Send a body and return the parsed body of the answer.

        Raises:
            TransientError: Another attempt may succeed.
            RequestError: This request fails permanently.
            TeacherError: No request can succeed.
        """
        return self.read(await self._client.post(path, data))

    def abandon(self) -> None:
        """Close the connections whose requests nobody waits for any more."""
        self._client.abandon()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    def read(self, response: HttpResponse) -> Any:
        """Return the parsed body of an answer; raises as `post` does."""
        if response.status not in ANSWER_STATUSES:
            raise status_error(self.endpoint, response.status, response.headers, response.content)
        if response.is_doubtful:
            detail = "the answer may belong to another request"
            raise TransientError("connection", detail, billed=None)
        try:
            body = loads(response.content)
        except ValueError:
            # Masked, then truncated: truncated first, a part of a key could remain.
            start = self.endpoint.mask(response.content.decode("utf-8", "replace"))[:200]
            raise TransientError(
                "bad_response", f"the body is no JSON: {start!r}", billed=None
            ) from None
        # An error beside choices counts too: the texts in them may be incomplete.
        if (error := body_error(body)) is not None:
            beside = any(body.get(name) for name in _CHOICES)
            raise self.embedded_error(error, beside_choices=beside)
        return body

    def embedded_error(self, error: Any, beside_choices: bool = True) -> TeacherError:
        """Return the exception for an error in a body; beside a text, it may be billed."""
        body = {"error": error}
        exception = error_of_body(self.endpoint, body, dumps(body))
        if beside_choices:
            exception.billed = None
        return exception
