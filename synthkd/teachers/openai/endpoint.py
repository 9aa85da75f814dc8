"""Endpoints: address, headers, proxy, certificates, and the mask that hides their secrets.

Secrets come from the environment.
"""

from __future__ import annotations

import base64
import os
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from synthkd.errors import AuthenticationError, RecipeError
from synthkd.secrets import Headers, Mask, Url

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

DEFAULT_URL = "https://api.openai.com/v1"
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com")


@dataclass(frozen=True)
class Endpoint:
    """One address with its headers.

    Attributes:
        base: The address without query; it may hold a password.
        public: The address without user, password and query.
        query: The encoded query.
        headers: Headers of each request, the key included.
        mask: Takes the secrets out of a server's text.
    """

    base: str = field(repr=False)
    public: str
    query: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    mask: Mask = field(repr=False)

    def url(self, path: str) -> str:
        """Return the address of a path such as ``/chat/completions``."""
        return f"{self.base}{path}" + (f"?{self.query}" if self.query else "")


def endpoint_urls(part: TeacherPart) -> list[Url]:
    """Return the addresses that the recipe or the environment names."""
    named = part.base_url
    if named is None:
        try:
            return [Url(os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL, trusted=True)]
        except ValueError as error:
            raise RecipeError(f"OPENAI_BASE_URL: {error}") from None
    urls = [_url(url) for url in (named if isinstance(named, list) else [named])]
    if not urls:
        # The default address would get, and bill, requests meant for the user's own server.
        raise RecipeError("teacher.base_url is empty; name the server, or leave the line out")
    for url in urls:
        url.parts()
    if len(urls) > 1 and not part.identity:
        raise RecipeError(
            "teacher.base_url names several endpoints: name `teacher.identity` too, so that"
            " completions are found again whichever endpoint answered"
        )
    return urls


def _url(url: Url | str) -> Url:
    """Return a checked address, even if `model_copy` has put in an unchecked text."""
    if isinstance(url, Url):
        return url
    try:
        return Url(url)
    except ValueError as error:
        raise RecipeError(f"teacher.base_url: {error}") from None


def public_url(url: Url) -> str:
    """Return an address without user, password and query."""
    return url.parts().shown


def proxy_url(part: TeacherPart) -> str | None:
    """Return the recipe's proxy with user and password; None if it names none."""
    return None if part.proxy is None else part.proxy.resolve("teacher.proxy")


def environment_proxy(base: str) -> str | None:
    """Return the proxy that the environment names for an address."""
    parts = urlsplit(base)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


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


def _proxy_secrets(part: TeacherPart) -> list[str]:
    """Return the secrets of the recipe's proxy, or of the proxies that the environment names."""
    if part.proxy is not None:
        return part.proxy.secrets("teacher.proxy")
    secrets = []
    for url in getproxies().values():
        # An invalid address is reported when it is used.
        with suppress(ValueError, RecipeError):
            secrets += Url(url, trusted=True).secrets()
    return secrets


def resolve_endpoint(url: Url, part: TeacherPart) -> Endpoint:
    """Return an address with its headers: credentials, and the recipe's own headers."""
    parts = url.parts()
    key = _key(part, parts.base)
    query = dict(parts.query)
    if part.api_version:
        query["api-version"] = part.api_version
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    secrets = [key, *url.secrets()]
    secrets += _proxy_secrets(part)
    if parts.password is not None and not key:
        credentials = base64.b64encode(f"{parts.user}:{parts.password}".encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
    elif parts.host.endswith(_AZURE) or part.api_version:
        headers["api-key"] = key
    else:
        headers["Authorization"] = f"Bearer {key or 'none'}"
    own = part.headers if isinstance(part.headers, Headers) else Headers(part.headers)
    headers |= own.resolve()
    secrets += own.secrets()
    return Endpoint(parts.base, parts.shown, urlencode(query), headers, Mask.of(secrets))


def _key(part: TeacherPart, base: str) -> str:
    """Return the key without the white space that files and shells add; "" if not needed."""
    key = os.environ.get(part.api_key_env, "").strip()
    if key and not (key.isascii() and key.isprintable()):
        # The HTTP library would show the whole header in its error.
        raise AuthenticationError(
            f"the key in {part.api_key_env} holds characters that no header can carry; check that"
            " variable"
        )
    if not key and base == DEFAULT_URL:
        raise AuthenticationError(
            f"no key: set the environment variable {part.api_key_env}, or teacher.base_url for a"
            " server that needs none"
        )
    return key
