"""Endpoints: address, headers, proxy, certificates, and the mask that hides their secrets.

Secrets come from the environment.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from synthkd.errors import AuthenticationError, RecipeError
from synthkd.secrets import Headers, Mask, Url

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com")


def _openai_headers(key: str, host: str, part: TeacherPart) -> dict[str, str]:
    """Return the header of a key in the OpenAI protocol, and in Azure's."""
    if host.endswith(_AZURE) or part.api_version:
        return {"api-key": key}
    return {"Authorization": f"Bearer {key or 'none'}"}


@dataclass(frozen=True)
class RemoteApi:
    """The address of an API, and the way a key is sent.

    Attributes:
        name: First word of a model's identity.
        url: The provider's own address.
        url_variable: Environment variable of another address; "" for none.
        key_variable: Environment variable of the key, unless the recipe names one.
        key_headers: Makes the headers of a key, the address' host and the recipe's teacher.
        version: Path that is added to an address of the environment that lacks it, such as "/v1":
            some providers' packages take the address without it.
    """

    name: str
    url: str
    url_variable: str
    key_variable: str
    key_headers: Callable[[str, str, TeacherPart], dict[str, str]]
    version: str = ""

    def environment_url(self) -> str:
        """Return the address that the environment names, or the provider's own."""
        named = os.environ.get(self.url_variable)
        if not named:
            return self.url
        named = named.rstrip("/")
        return named if named.endswith(self.version) else named + self.version

    def key_variable_of(self, part: TeacherPart) -> str:
        """Return the environment variable of a recipe's key; "" if no key is sent."""
        return self.key_variable if part.api_key_env is None else part.api_key_env


OPENAI_API = RemoteApi(
    "openai", "https://api.openai.com/v1", "OPENAI_BASE_URL", "OPENAI_API_KEY", _openai_headers
)


@dataclass(frozen=True)
class Endpoint:
    """One address with its headers.

    Attributes:
        base: The address without query; it may hold a password.
        public: The address without user, password and query.
        query: The encoded query.
        headers: Headers of each request, the key included.
        mask: Takes the secrets out of a server's text.
        key_variable: Environment variable of the key.
    """

    base: str = field(repr=False)
    public: str
    query: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    mask: Mask = field(repr=False)
    key_variable: str = OPENAI_API.key_variable

    def url(self, path: str) -> str:
        """Return the address of a path such as ``/chat/completions``."""
        return f"{self.base}{path}" + (f"?{self.query}" if self.query else "")


def endpoint_urls(part: TeacherPart, api: RemoteApi = OPENAI_API) -> list[Url]:
    """Return the addresses that the recipe or the environment names."""
    named = part.base_url
    if named is None:
        try:
            return [Url(api.environment_url(), trusted=True)]
        except ValueError as error:
            raise RecipeError(f"{api.url_variable}: {error}") from None
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


def resolve_endpoint(url: Url, part: TeacherPart, api: RemoteApi = OPENAI_API) -> Endpoint:
    """Return an address with its headers: credentials, and the recipe's own headers."""
    parts = url.parts()
    variable = api.key_variable_of(part)
    key = _key(variable, parts.base, api)
    query = dict(parts.query)
    if part.api_version:
        query["api-version"] = part.api_version
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    secrets = [key, *url.secrets()]
    secrets += _proxy_secrets(part)
    if parts.password is not None and not key:
        credentials = base64.b64encode(f"{parts.user}:{parts.password}".encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
    else:
        headers |= api.key_headers(key, parts.host, part)
    own = part.headers if isinstance(part.headers, Headers) else Headers(part.headers)
    headers |= own.resolve()
    secrets += own.secrets()
    return Endpoint(parts.base, parts.shown, urlencode(query), headers, Mask.of(secrets), variable)


def _key(variable: str, base: str, api: RemoteApi) -> str:
    """Return the key without the white space that files and shells add; "" if not needed."""
    key = os.environ.get(variable, "").strip()
    if key and not (key.isascii() and key.isprintable()):
        # The HTTP library would show the whole header in its error.
        raise AuthenticationError(
            f"the key in {variable} holds characters that no header can carry; check that variable"
        )
    if not key and base == api.url:
        raise AuthenticationError(
            f"no key: set the environment variable {variable}, or teacher.base_url for a"
            " server that needs none"
        )
    return key
