"""Choose the HTTP client of an endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from synthkd.teachers.remote.endpoint import environment_proxy, proxy_url
from synthkd.teachers.remote.http.contract import HttpClient, HttpResponse

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.endpoint import Endpoint
    from synthkd.teachers.remote.http.plain_client import PlainClient


def open_client(endpoint: Endpoint, part: TeacherPart) -> HttpClient:
    """Return a client for an endpoint.

    The plain one if its address is plain http without a proxy.
    """
    proxy = proxy_url(part) or environment_proxy(endpoint.base)
    if proxy is None and (plain := _plain_client(endpoint, part)) is not None:
        return _FallingBack(plain, endpoint, part)
    return _aiohttp_client(endpoint, part, proxy)


def _plain_client(endpoint: Endpoint, part: TeacherPart) -> PlainClient | None:
    try:
        from synthkd.teachers.remote.http.plain_client import PlainClient
    except ImportError:
        # httptools is written in C, and not installed everywhere.
        return None
    return PlainClient.of(endpoint, part)


def _aiohttp_client(endpoint: Endpoint, part: TeacherPart, proxy: str | None) -> HttpClient:
    # Imported here: it takes a tenth of a second, which a run on plain http does not need.
    from synthkd.teachers.remote.http.aiohttp_client import AiohttpClient

    return AiohttpClient(endpoint, part, proxy)


class _FallingBack:
    """The plain client, until the server answers in a way that it does not know."""

    def __init__(self, plain: PlainClient, endpoint: Endpoint, part: TeacherPart) -> None:
        self._plain, self._endpoint, self._part = plain, endpoint, part
        self._client: HttpClient = plain
        plain.on_unknown_answer = self._fall_back

    def post(self, path: str, data: bytes) -> asyncio.Future[HttpResponse]:
        return self._client.post(path, data)

    def _fall_back(self) -> None:
        if self._client is self._plain:
            self._client = _aiohttp_client(self._endpoint, self._part, None)

    def abandon(self) -> None:
        self._plain.abandon()
        if self._client is not self._plain:
            self._client.abandon()

    async def close(self) -> None:
        await self._plain.close()
        if self._client is not self._plain:
            await self._client.close()
