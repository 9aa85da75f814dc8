"""The contract of an HTTP client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple, Protocol

#: Seconds until an address that accepts no connection counts as unreachable.
CONNECT_SECONDS = 10.0


class HttpResponse(NamedTuple):
    """One response.

    Attributes:
        status: The status.
        headers: Headers, by names in any case; may be empty for an answer.
        content: The decoded body; of an error, its beginning.
        is_doubtful: It may be the answer to another request.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    is_doubtful: bool = False


class HttpClient(Protocol):
    """Posts to one endpoint."""

    def post(self, path: str, data: bytes) -> asyncio.Future[HttpResponse]:
        """Send a body to a path of the endpoint; return the future of its response.

        Raises:
            TransientError: Another attempt may succeed; ``billed`` is False if the request was not
                written completely.
            TeacherError: No request can succeed.
        """

    def abandon(self) -> None:
        """Close the connections whose requests nobody waits for any more: all that are busy."""

    async def close(self) -> None:
        """Close all connections."""


class UnknownAnswerError(Exception):
    """A response that the plain client does not know."""
