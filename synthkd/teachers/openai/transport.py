"""One request over HTTP, by aiohttp: a tenth of the CPU time that the `openai` client needs."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from synthkd.errors import RecipeError, TeacherError
from synthkd.fastjson import dumps, loads
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.openai.bounded_body import (
    ACCEPTED_ENCODINGS,
    fits_at_once,
    read_body,
    read_error_body,
)
from synthkd.teachers.openai.connections import CURRENT_CONNECTION, GuardedConnector
from synthkd.teachers.openai.embedded_errors import body_error
from synthkd.teachers.openai.endpoint import proxy_url
from synthkd.teachers.openai.error_responses import (
    ANSWER_STATUSES,
    error_of_body,
    proxy_error,
    status_error,
)

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.openai.endpoint import Endpoint

#: Seconds until an address that accepts no connection counts as unreachable.
_CONNECT = 10.0


def open_session(part: TeacherPart) -> aiohttp.ClientSession:
    """Open a pool of connections; the scheduler bounds their number."""
    connect = min(_CONNECT, 0.9 * part.timeout)
    return aiohttp.ClientSession(
        connector=GuardedConnector(limit=0, ssl=tls_context(part), keepalive_timeout=30),
        timeout=aiohttp.ClientTimeout(total=part.timeout, sock_connect=connect),
        cookie_jar=aiohttp.DummyCookieJar(),
        # `bounded_body` decodes, within a bound.
        auto_decompress=False,
    )


def tls_context(part: TeacherPart) -> ssl.SSLContext | bool:
    """Return the trusted certificates: those of `teacher.ca_file`, or True for the system's."""
    if part.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=part.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise RecipeError(
            f"teacher.ca_file: {part.ca_file} holds no certificates ({error})"
        ) from None


class Transport:
    """Posts to one endpoint, and raises synthkd's errors."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, part: TeacherPart
    ) -> None:
        self.session, self.endpoint, self.part = session, endpoint, part
        self._headers = CIMultiDict(endpoint.headers)
        self._headers.setdefault("Accept-Encoding", ACCEPTED_ENCODINGS)
        self._max_bytes = int(part.max_answer_megabytes * 1e6)
        self._urls: dict[str, URL] = {}
        # Looked up once: with `trust_env`, aiohttp reads the environment for each request.
        self._proxy = proxy_url(part) or _environment_proxy(endpoint.base)

    async def post(self, path: str, data: bytes) -> Any:
        """Send a body and return the parsed body of the answer.

        Raises:
            TransientError: Another attempt may succeed.
            RequestError: This request fails permanently.
            TeacherError: No request can succeed.
        """
        url = self._urls.get(path) or self._urls.setdefault(
            path, URL(self.endpoint.url(path), encoded=True)
        )
        # As a `BytesPayload`, aiohttp skips its look-up of the payload's type.
        payload = aiohttp.BytesPayload(data, content_type="application/json")
        CURRENT_CONNECTION.set(None)
        try:
            # A redirect of a POST would drop its body, or take the key to another host.
            async with self.session.post(
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
        if status not in ANSWER_STATUSES:
            raise status_error(self.endpoint, self.part, status, response.headers, content)
        connection = CURRENT_CONNECTION.get()
        if connection is not None and connection.is_doubtful:
            detail = "the answer may belong to another request"
            raise TransientError("connection", detail, billed=None)
        return self._parse(content)

    def _parse(self, content: bytes) -> Any:
        try:
            body = loads(content)
        except ValueError:
            # Masked, then truncated: truncated first, a part of a key could remain.
            start = self.endpoint.mask(content.decode("utf-8", "replace"))[:200]
            raise TransientError(
                "bad_response", f"the body is no JSON: {start!r}", billed=None
            ) from None
        # An error beside choices counts too: the texts in them may be incomplete.
        if (error := body_error(body)) is not None:
            raise self.embedded_error(error, beside_choices=bool(body.get("choices")))
        return body

    def embedded_error(self, error: Any, beside_choices: bool = True) -> TeacherError:
        """Return the exception for an error in a body; beside a text, it may be billed."""
        body = {"error": error}
        exception = error_of_body(self.endpoint, self.part, body, dumps(body))
        if beside_choices:
            exception.billed = None
        return exception

    def _connection_error(self, error: Exception) -> TeacherError:
        """Return the exception for a connection that failed, timed out or broke.

        A connection that was never made is marked `unreachable`.
        """
        where = self.endpoint.public
        connection = CURRENT_CONNECTION.get()
        # A request that was not written completely cannot have been worked on.
        billed = None if connection is not None and connection.is_written else False
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
            return proxy_error(self.endpoint, error.status)
        if isinstance(error, aiohttp.ClientProxyConnectionError):
            return TransientError("unreachable", f"the proxy for {where} does not answer")
        not_connected = connection is None and isinstance(error, TimeoutError)
        if not_connected or isinstance(
            error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
        ):
            return TransientError(
                "unreachable",
                f"nothing answers at {where}; is the server up, and teacher.base_url right?",
            )
        if isinstance(error, TimeoutError):
            return TransientError("timeout", f"no answer in {self.part.timeout:g} s", billed=billed)
        detail = self.endpoint.mask(f"the connection broke: {type(error).__name__} {error}")[:500]
        return TransientError("connection", detail, billed=billed)


def _cause(error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error or error)
    return str(error)


def _environment_proxy(base: str) -> str | None:
    """Return the proxy that the environment names for an address."""
    parts = urlsplit(base)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
