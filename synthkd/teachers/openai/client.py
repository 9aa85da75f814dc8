"""The `openai` package, for files, batches and the list of models.

By default, its HTTP client follows redirects (with the recipe's headers, if not with the key) and
reads bodies of any size. Here it follows none, and bodies are decoded piece by piece within the
recipe's bound.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx2
import openai

from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.endpoint import proxy_url, tls_context
from synthkd.teachers.remote.http.bounded_body import ACCEPTED_ENCODINGS, MAX_ERROR_BYTES, decoder

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.endpoint import Endpoint

#: Seconds to wait for the list of models, which only improves an error's message.
_MODELS_TIMEOUT = 5.0
#: Bytes that a piece of a body may decode to: a thousand times the size of a read.
_MAX_PIECE = 128 * 1024 * 1024
#: Models that are read, and characters of a name.
_MAX_MODELS, _MAX_NAME = 10_000, 200


class UnreadableBodyError(openai.OpenAIError):
    """A body that is too large, or does not decode."""


def openai_client(part: TeacherPart, endpoint: Endpoint) -> openai.AsyncOpenAI:
    """Return a client for one endpoint, with the headers and certificates of a recipe."""
    # The package sets the content types itself: some bodies are files.
    own = ("Content-Type", "Accept")
    headers: dict[str, Any] = {
        name: value for name, value in endpoint.headers.items() if name not in own
    }
    headers.setdefault("Accept-Encoding", ACCEPTED_ENCODINGS)
    request_hooks = [] if "Authorization" in headers else [_remove_bearer]
    hooks: dict[str, Any] = {
        "request": request_hooks,
        "response": [_bounded(int(part.max_answer_megabytes * 1e6))],
    }
    tls = tls_context(part)
    verify: dict[str, Any] = {"verify": tls} if isinstance(tls, ssl.SSLContext) else {}
    return openai.AsyncOpenAI(
        # The key is in the headers.
        api_key="none",
        base_url=endpoint.base,
        default_headers=headers,
        default_query=dict(parse_qsl(endpoint.query)),
        max_retries=part.max_attempts - 1,
        timeout=part.timeout,
        http_client=openai.DefaultAsyncHttpxClient(
            proxy=proxy_url(part), follow_redirects=False, event_hooks=hooks, **verify
        ),
    )


async def _remove_bearer(request: Any) -> None:
    """Remove the bearer token that the package always sends; the key has its own header, if any."""
    request.headers.pop("Authorization", None)


def _bounded(most: int) -> Callable[[httpx2.Response], Awaitable[None]]:
    """Return a hook that bounds each response body before it is read.

    Readers of a file's content bound that themselves.
    """

    async def bound(response: httpx2.Response) -> None:
        encoding = response.headers.pop("Content-Encoding", "")
        limit: float = most if response.status_code == 200 else MAX_ERROR_BYTES
        if response.status_code == 200 and response.request.url.path.endswith("/content"):
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


async def served_models(part: TeacherPart, endpoint: Endpoint) -> list[str]:
    """Return the names of a server's models; an empty list if it does not tell."""
    async with openai_client(part, endpoint).with_options(
        timeout=_MODELS_TIMEOUT, max_retries=0
    ) as client:
        try:
            models = await client.models.list()
            names = [getattr(model, "id", None) for model in models.data[:_MAX_MODELS]]
        except Exception:  # noqa: BLE001 (the package checks no types: an odd list may raise any error)
            return []
    return sorted({name for name in names if type(name) is str and 0 < len(name) <= _MAX_NAME})
