"""aiohttp behind the contract of a client: TLS, proxies, and servers that answer oddly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from synthkd.errors import TeacherError
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.endpoint import tls_context
from synthkd.teachers.remote.error_responses import ANSWER_STATUSES, proxy_error
from synthkd.teachers.remote.http.bounded_body import (
    ACCEPTED_ENCODINGS,
    fits_at_once,
    read_body,
    read_error_body,
)
from synthkd.teachers.remote.http.contract import CONNECT_SECONDS, HttpResponse
from synthkd.teachers.remote.http.failures import broken, timed_out, unreachable
from synthkd.teachers.remote.http.guarded_connector import CURRENT_CONNECTION, GuardedConnector
from synthkd.teachers.remote.http.reuse import KEEP_ALIVE

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.endpoint import Endpoint


class AiohttpClient:
    """Posts to one endpoint. The scheduler bounds the number of connections."""

    def __init__(self, endpoint: Endpoint, part: TeacherPart, proxy: str | None) -> None:
        # The proxy is looked up once: with `trust_env`, aiohttp reads the environment for each
        # request.
        self._endpoint, self._part, self._proxy = endpoint, part, proxy
        self._headers = CIMultiDict(endpoint.headers)
        self._headers.setdefault("Accept-Encoding", ACCEPTED_ENCODINGS)
        self._max_bytes = int(part.max_answer_megabytes * 1e6)
        self._urls: dict[str, URL] = {}
        self._tasks: set[asyncio.Task[HttpResponse]] = set()
        connect = min(CONNECT_SECONDS, 0.9 * part.timeout)
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(
                limit=0, ssl=tls_context(part), keepalive_timeout=KEEP_ALIVE
            ),
            timeout=aiohttp.ClientTimeout(total=part.timeout, sock_connect=connect),
            cookie_jar=aiohttp.DummyCookieJar(),
            # `bounded_body` decodes, within a bound.
            auto_decompress=False,
        )

    def post(self, path: str, data: bytes) -> asyncio.Future[HttpResponse]:
        task = asyncio.get_running_loop().create_task(self._post(path, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def abandon(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _post(self, path: str, data: bytes) -> HttpResponse:
        url = self._urls.get(path) or self._urls.setdefault(
            path, URL(self._endpoint.url(path), encoded=True)
        )
        # As a `BytesPayload`, aiohttp skips its look-up of the payload's type.
        payload = aiohttp.BytesPayload(data, content_type="application/json")
        CURRENT_CONNECTION.set(None)
        try:
            # A redirect of a POST would drop its body, or take the key to another host.
            async with self._session.post(
                url, data=payload, headers=self._headers, proxy=self._proxy, allow_redirects=False
            ) as response:
                status = response.status
                if status not in ANSWER_STATUSES:
                    content = await read_error_body(response)
                elif fits_at_once(response.headers, self._max_bytes):
                    # Nearly every answer; without a further coroutine.
                    content = await response.read()
                else:
                    content = await read_body(response, self._max_bytes)
        except TeacherError:
            raise
        except Exception as error:  # noqa: BLE001 (aiohttp and the layers below raise many types for odd answers)
            raise self._connection_error(error) from None
        connection = CURRENT_CONNECTION.get()
        is_doubtful = connection is not None and connection.is_doubtful
        return HttpResponse(status, response.headers, content, is_doubtful)

    async def close(self) -> None:
        await self._session.close()

    def _connection_error(self, error: Exception) -> TeacherError:
        """Return the exception for a connection that failed, timed out or broke.

        A connection that was never made is marked `unreachable`.
        """
        where = self._endpoint.public
        connection = CURRENT_CONNECTION.get()
        is_written = connection is not None and connection.is_written
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return TeacherError(
                f"{where}: its TLS certificate is not trusted ({_cause(error)}); name the"
                " authority's file in teacher.ca_file"
            )
        if isinstance(error, aiohttp.ClientSSLError):
            # A gateway that restarts breaks connections off like this too.
            return TransientError(
                "unreachable", f"TLS fails at {where} ({_cause(error)}); is it https?"
            )
        if isinstance(error, aiohttp.ClientHttpProxyError):
            # aiohttp's message holds the proxy's address, and so its password.
            return proxy_error(self._endpoint, error.status)
        if isinstance(error, aiohttp.ClientProxyConnectionError):
            return TransientError("unreachable", f"the proxy for {where} does not answer")
        not_connected = connection is None and isinstance(error, TimeoutError)
        if not_connected or isinstance(
            error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
        ):
            return unreachable(self._endpoint)
        if isinstance(error, TimeoutError):
            return timed_out(self._part.timeout, is_written)
        return broken(self._endpoint, f"{type(error).__name__} {error}", is_written)


def _cause(error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error or error)
    return str(error)
