"""The `openai` package, for what is not hot: files, batches, the list of models.

Its HTTP client would follow redirects (with the recipe's headers, if not with the key) and hold bodies of any size.
Here it follows none, and what it reads is decoded piece by piece within the bound of the recipe.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx2
import openai

from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.openai.bounded_body import ENCODINGS, ERROR_BYTES, decoder
from synthkd.teachers.openai.endpoint import proxy_of
from synthkd.teachers.openai.transport import tls_of

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.openai.endpoint import Address

#: Seconds that the list of models is waited for: it is a courtesy.
_SOON = 5.0
#: Bytes that a piece of a file may decode to: a thousand times what is read at once.
_PIECE = 128 * 1024 * 1024
#: Models, and characters of a name, that are looked at.
_MODELS, _NAME = 10_000, 200


class BodyError(openai.OpenAIError):
    """A body is too large, or does not decode. The package hands on its own kind of error, and tries nothing again."""


def client_of(part: TeacherPart, address: Address) -> openai.AsyncOpenAI:
    """A client for one address, with the headers and certificates of a recipe."""
    # The package says itself what kind of body it sends and takes: here these are files too.
    own = ("Content-Type", "Accept")
    headers: dict[str, Any] = {name: value for name, value in address.headers.items() if name not in own}
    headers.setdefault("Accept-Encoding", ENCODINGS)
    before = [] if "Authorization" in headers else [_without_bearer]
    hooks: dict[str, Any] = {"request": before, "response": [_bounded(int(part.max_answer_megabytes * 1e6))]}
    tls = tls_of(part)
    verify: dict[str, Any] = {"verify": tls} if isinstance(tls, ssl.SSLContext) else {}
    return openai.AsyncOpenAI(
        # The true one is in the headers.
        api_key="none",
        base_url=address.base,
        default_headers=headers,
        default_query=dict(parse_qsl(address.query)),
        max_retries=part.max_attempts - 1,
        timeout=part.timeout,
        http_client=openai.DefaultAsyncHttpxClient(
            proxy=proxy_of(part), follow_redirects=False, event_hooks=hooks, **verify
        ),
    )


async def _without_bearer(request: Any) -> None:
    """The package always sends a key as a bearer's; here it has a header of its own, or there is none."""
    request.headers.pop("Authorization", None)


def _bounded(most: int) -> Callable[[httpx2.Response], Awaitable[None]]:
    """A hook that puts a bound on each body before it is read. Who reads a file's content bounds that."""

    async def bound(response: httpx2.Response) -> None:
        encoding = response.headers.pop("Content-Encoding", "")
        limit: float = most if response.status_code == 200 else ERROR_BYTES
        if response.status_code == 200 and response.request.url.path.endswith("/content"):
            limit = float("inf")
        response.stream = _Stream(response.stream, limit, encoding)

    return bound


class _Stream(httpx2.AsyncByteStream):
    """A body, decoded, that ends with an error beyond its bound."""

    def __init__(self, raw: Any, most: float, encoding: str) -> None:
        self._raw, self._most, self._encoding = raw, most, encoding

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        try:
            decode = decoder(self._encoding)
            async for data in self._raw:
                # Zlib gives back an empty piece for an empty one.
                piece = decode(data, _PIECE) if data else b""
                seen += len(piece)
                if seen > self._most or len(piece) == _PIECE:
                    raise BodyError(f"the body is larger than {min(self._most, seen) / 1e6:g} MB, decoded")
                yield piece
            decode(b"", 0)
        except TransientError as error:
            raise BodyError(error.detail) from None

    async def aclose(self) -> None:
        await self._raw.aclose()


async def served_models(part: TeacherPart, address: Address) -> list[str]:
    """Names of the models that a server has; none where it does not say."""
    async with client_of(part, address).with_options(timeout=_SOON, max_retries=0) as client:
        try:
            found = await client.models.list()
            names = [getattr(model, "id", None) for model in found.data[:_MODELS]]
        except Exception:  # noqa: BLE001 (the package checks no types: an odd list ends in any error)
            return []
    return sorted({name for name in names if type(name) is str and 0 < len(name) <= _NAME})
