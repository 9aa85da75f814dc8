"""The HTTP client for files, batches and lists: httpx within the recipe's bounds.

It follows no redirect, and decodes bodies piece by piece within the recipe's bound.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.endpoint import proxy_url, tls_context
from synthkd.teachers.remote.http.bounded_body import MAX_ERROR_BYTES, decoder

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

#: Bytes that a piece of a body may decode to: a thousand times the size of a read.
_MAX_PIECE = 128 * 1024 * 1024
#: An extension of a request whose body is bounded by its reader.
UNBOUNDED = "synthkd.unbounded"


class UnreadableBodyError(openai.OpenAIError):
    """A body that is too large, or does not decode."""


def package_client(
    part: TeacherPart,
    client: Callable[..., httpx2.AsyncClient] = httpx2.AsyncClient,
    request_hooks: Sequence[Callable[[httpx2.Request], Awaitable[None]]] = (),
) -> httpx2.AsyncClient:
    """Return a client with the proxy and the certificates of a recipe.

    Args:
        part: The recipe's teacher part.
        client: The class of the client.
        request_hooks: Called with each request.
    """
    hooks: dict[str, Any] = {
        "request": list(request_hooks),
        "response": [_bounded(int(part.max_answer_megabytes * 1e6))],
    }
    tls = tls_context(part)
    verify: dict[str, Any] = {"verify": tls} if isinstance(tls, ssl.SSLContext) else {}
    return client(proxy=proxy_url(part), follow_redirects=False, event_hooks=hooks, **verify)


def _bounded(most: int) -> Callable[[httpx2.Response], Awaitable[None]]:
    """Return a hook that bounds each response body before it is read.

    Readers of a file's content bound that themselves.
    """

    async def bound(response: httpx2.Response) -> None:
        encoding = response.headers.pop("Content-Encoding", "")
        limit: float = most if response.status_code == 200 else MAX_ERROR_BYTES
        request = response.request
        by_reader = request.extensions.get(UNBOUNDED) or request.url.path.endswith("/content")
        if response.status_code == 200 and by_reader:
            limit = float("inf")
        response.stream = _Stream(response.stream, limit, encoding)

    return bound


class _Stream(httpx2.AsyncByteStream):
    """A decoded body that raises beyond its bound."""

    def __init__(self, raw: Any, most: float, encoding: str) -> None:
        self._raw, self._most, self._encoding = raw, most, encoding

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            decode = decoder(self._encoding)
            async for data in self._raw:
                # Called with an empty piece, the decoder checks for the end of the body.
                piece = decode(data, _MAX_PIECE) if data else b""
                size += len(piece)
                if size > self._most or len(piece) == _MAX_PIECE:
                    raise UnreadableBodyError(
                        f"the body is larger than {min(self._most, size) / 1e6:g} MB, decoded"
                    )
                yield piece
            decode(b"", 0)
        except TransientError as error:
            raise UnreadableBodyError(error.detail) from None

    async def aclose(self) -> None:
        await self._raw.aclose()
