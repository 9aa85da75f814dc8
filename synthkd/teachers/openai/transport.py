"""One request over HTTP, through aiohttp: a tenth of the CPU that the `openai` client takes for it."""

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
from synthkd.teachers.openai.bounded_body import ENCODINGS, is_short, read_body, read_error_body
from synthkd.teachers.openai.connections import LINE, Connector
from synthkd.teachers.openai.endpoint import proxy_of
from synthkd.teachers.openai.error_responses import proxy_refusal, refusal, refused_within
from synthkd.teachers.openai.responses import body_error

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.openai.endpoint import Address

#: Statuses with which an answer comes.
ANSWERS = (200, 201, 203)
#: Seconds until an address that takes no connection counts as unreachable.
_CONNECT = 10.0


def open_session(part: TeacherPart) -> aiohttp.ClientSession:
    """The pool of connections; how many are open is the scheduler's matter."""
    connect = min(_CONNECT, 0.9 * part.timeout)
    return aiohttp.ClientSession(
        connector=Connector(limit=0, ssl=tls_of(part), keepalive_timeout=30),
        timeout=aiohttp.ClientTimeout(total=part.timeout, sock_connect=connect),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Decoded by `bodies`, within a bound.
        auto_decompress=False,
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
        self._headers.setdefault("Accept-Encoding", ENCODINGS)
        self._most = int(part.max_answer_megabytes * 1e6)
        self._urls: dict[str, URL] = {}
        # Looked up once: aiohttp's own way reads the environment for each request.
        self._proxy = proxy_of(part) or _proxy(address.base)

    async def post(self, path: str, body: bytes) -> Any:
        """The parsed body of an answer. Raises `TransientError`, `RequestError` or another `TeacherError`."""
        url = self._urls.get(path) or self._urls.setdefault(path, URL(self.address.url(path), encoded=True))
        # Given as what it is, it need not be looked up how to send it.
        payload = aiohttp.BytesPayload(body, content_type="application/json")
        LINE.set(None)
        try:
            # A redirect of a POST would drop its body, or take the key elsewhere.
            async with self.session.post(
                url, data=payload, headers=self._headers, proxy=self._proxy, allow_redirects=False
            ) as response:
                status = response.status
                # Gateways answer a POST with 201 too.
                if status not in ANSWERS:
                    data = await read_error_body(response)
                elif is_short(response.headers, self._most):
                    # As nearly every answer is.
                    data = await response.read()
                else:
                    data = await read_body(response, self._most)
        except TeacherError:
            raise
        except Exception as error:  # noqa: BLE001 (aiohttp and what is below it raise many kinds for odd answers)
            raise self._connection(error) from None
        if status not in ANSWERS:
            raise refusal(self.address, self.part, status, response.headers, data)
        line = LINE.get()
        if line is not None and line.doubtful:
            detail = "an answer came that was asked for by another request, or by none"
            raise TransientError("connection", detail, billed=None)
        try:
            found = loads(data)
        except ValueError:
            # Masked whole, then cut: of a key across the cut, a part would remain.
            start = self.address.mask(data.decode("utf-8", "replace"))[:200]
            raise TransientError("bad_response", f"the body is no JSON: {start!r}", billed=None) from None
        # Beside choices too: what stands in them is not known to be whole.
        if (inside := body_error(found)) is not None:
            raise self.refused(inside, beside=bool(found.get("choices")))
        return found

    def refused(self, error: Any, beside: bool = True) -> TeacherError:
        """The meaning of an error that stands in a body, or ``beside`` a text in it, which may be billed."""
        found = {"error": error}
        meaning = refused_within(self.address, self.part, found, dumps(found))
        if beside:
            meaning.billed = None
        return meaning

    def _connection(self, error: Exception) -> TeacherError:
        """A connection that never was (`unreachable`), is slow, or broke."""
        where = self.address.public
        line = LINE.get()
        # A request that was not written whole cannot have been worked on.
        billed = None if line is not None and line.wrote else False
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
            return proxy_refusal(self.address, error.status)
        if isinstance(error, aiohttp.ClientProxyConnectionError):
            return TransientError("unreachable", f"the proxy on the way to {where} does not answer")
        never = line is None and isinstance(error, TimeoutError)
        if never or isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return TransientError(
                "unreachable", f"nothing answers at {where}; is the server up, and teacher.base_url right?"
            )
        if isinstance(error, TimeoutError):
            return TransientError("timeout", f"no answer in {self.part.timeout:g} s", billed=billed)
        detail = self.address.mask(f"the connection broke: {type(error).__name__} {error}")[:500]
        return TransientError("connection", detail, billed=billed)


def _cause(error: Exception) -> str:
    return str(getattr(error, "certificate_error", None) or error)


def _proxy(base: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(base)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
