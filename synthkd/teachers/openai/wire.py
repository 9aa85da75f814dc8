"""One request over HTTP, through aiohttp: a tenth of the CPU that the `openai` client takes for it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from synthkd.errors import AuthenticationError, QuotaError, RecipeError, RequestError, TeacherError
from synthkd.fastjson import loads
from synthkd.teachers.dispatch import TransientError, retry_after
from synthkd.teachers.openai.address import proxy_of

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.openai.address import Address

#: Seconds until an address that takes no connection counts as unreachable.
_CONNECT = 10.0


def open_session(part: TeacherPart) -> aiohttp.ClientSession:
    """The pool of connections; how many are open is the scheduler's matter."""
    connect = min(_CONNECT, 0.9 * part.timeout)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls_of(part), keepalive_timeout=30),
        timeout=aiohttp.ClientTimeout(total=part.timeout, sock_connect=connect),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
    )


def tls_of(part: TeacherPart) -> ssl.SSLContext | bool:
    """What certificates are checked against: the system's authorities, or those of a file."""
    if part.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=part.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise RecipeError(f"teacher.ca_file: {part.ca_file} holds no certificates ({error})") from None


class Wire:
    """Posts to one address, and says in our own errors what went wrong."""

    def __init__(self, session: aiohttp.ClientSession, address: Address, part: TeacherPart) -> None:
        self.session, self.address, self.part = session, address, part
        self._headers = CIMultiDict(address.headers)
        self._urls: dict[str, URL] = {}
        # Looked up once: aiohttp's own way reads the environment for each request.
        self._proxy = proxy_of(part) or _proxy(address.base)

    async def post(self, path: str, body: bytes) -> Any:
        """The parsed body of a 200. Raises `TransientError`, `RequestError` or another `TeacherError`."""
        url = self._urls.get(path) or self._urls.setdefault(path, URL(self.address.url(path), encoded=True))
        # Given as what it is, it need not be looked up how to send it.
        payload = aiohttp.BytesPayload(body, content_type="application/json")
        try:
            # A redirect of a POST would drop its body, or take the key elsewhere.
            async with self.session.post(
                url, data=payload, headers=self._headers, proxy=self._proxy, allow_redirects=False
            ) as response:
                data = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._connection(error) from None
        if response.status != 200:
            raise self._status(response.status, response.headers, data)
        try:
            return loads(data)
        except ValueError:
            start = self.address.mask(data[:200].decode("utf-8", "replace"))
            raise TransientError("bad_response", f"the body is no JSON: {start!r}", billed=None) from None

    def _connection(self, error: Exception) -> TeacherError:
        """A connection that never was (`unreachable`), is slow, or broke."""
        where = self.address.public
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return TeacherError(
                f"{where}: its TLS certificate is not trusted here ({_cause(error)}); name the authority's file in"
                " teacher.ca_file"
            )
        if isinstance(error, aiohttp.ClientSSLError):
            # A gateway that restarts breaks off like this too.
            return TransientError("unreachable", f"TLS fails at {where} ({_cause(error)}); is it https?")
        if isinstance(error, aiohttp.ClientHttpProxyError):
            # Its own text holds the proxy's address, and so its password.
            return self._proxy_refuses(error.status)
        if isinstance(error, aiohttp.ClientProxyConnectionError):
            return TransientError("unreachable", f"the proxy on the way to {where} does not answer")
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return TransientError(
                "unreachable", f"nothing answers at {where}; is the server up, and teacher.base_url right?"
            )
        if isinstance(error, TimeoutError):
            return TransientError("timeout", f"no answer in {self.part.timeout:g} s", billed=None)
        detail = self.address.mask(f"the connection broke: {type(error).__name__} {error}")
        return TransientError("connection", detail, billed=None)

    def _proxy_refuses(self, status: int) -> TeacherError:
        where = f"the proxy on the way to {self.address.public}"
        if status == 407:
            return AuthenticationError(
                f"{where} refuses user and password (407); check them, and teacher.proxy"
            )
        return TransientError("connection", f"{where} opens no tunnel ({status})")

    def _status(self, status: int, headers: Any, data: bytes) -> TeacherError:
        """A status code as what it means for the request or the run."""
        message, code = _error(data)
        detail = self.address.mask(message)
        if status == 401:
            return AuthenticationError(
                f"{self.address.public} refuses the key in {self.part.api_key_env} (401); check that variable"
            )
        if status == 407:
            return self._proxy_refuses(status)
        if code in ("insufficient_quota", "billing_hard_limit_reached"):
            return QuotaError(f"{self.address.public}: the account has no credit left ({detail})")
        if status in (408, 409, 425, 429) or status >= 500:
            asked = retry_after(headers.get("Retry-After"))
            return TransientError(f"http_{status}", detail, asked)
        if "context_length" in code or "context length" in detail:
            return RequestError("context_too_long", detail)
        if "content_filter" in code or "content_policy" in code:
            return RequestError("content_filter", detail)
        return RequestError(f"http_{status}", detail)


def _error(data: bytes) -> tuple[str, str]:
    """Message and code of an error's body, in the forms that servers have for it."""
    text = data.decode("utf-8", "replace")
    try:
        body = loads(data)
    except ValueError:
        return text[:500], ""
    found = body.get("error", body) if isinstance(body, dict) else {}
    if not isinstance(found, dict):
        return str(found)[:500], ""
    return str(found.get("message") or text)[:500], str(found.get("code") or "")


def _cause(error: Exception) -> str:
    return str(getattr(error, "certificate_error", None) or error)


def _proxy(base: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(base)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
