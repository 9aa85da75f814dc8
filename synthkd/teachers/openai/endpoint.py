"""Where a server is, and the headers that it wants. Secrets come from the environment and are shown nowhere."""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from urllib.request import getproxies

from synthkd.errors import AuthenticationError, RecipeError
from synthkd.secrets import Headers, Mask, Url

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

DEFAULT_URL = "https://api.openai.com/v1"
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com")


@dataclass(frozen=True)
class Address:
    """One endpoint. ``mask`` takes its secrets out of a server's text, should it repeat them."""

    base: str = field(repr=False)
    #: The address without user, password and query.
    public: str
    query: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    mask: Mask = field(repr=False)

    def url(self, path: str) -> str:
        """The whole address of a path such as ``/chat/completions``."""
        return f"{self.base}{path}" + (f"?{self.query}" if self.query else "")


def base_urls(part: TeacherPart) -> list[Url]:
    """The addresses that a recipe, or the environment, names."""
    named = part.base_url
    if named is None:
        try:
            return [Url(os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL, trusted=True)]
        except ValueError as error:
            raise RecipeError(f"OPENAI_BASE_URL: {error}") from None
    urls = [_url(url) for url in (named if isinstance(named, list) else [named])]
    if not urls:
        # Else what was meant for one's own server would go elsewhere, and be paid for.
        raise RecipeError("teacher.base_url is empty; name the server, or leave the line out")
    for url in urls:
        url.parts()
    if len(urls) > 1 and not part.identity:
        raise RecipeError(
            "teacher.base_url names several endpoints: name `teacher.identity` too, so that what was bought is found"
            " again whichever of them answered"
        )
    return urls


def _url(url: Url | str) -> Url:
    """An address, also where a part was changed without a check (`model_copy`)."""
    if isinstance(url, Url):
        return url
    try:
        return Url(url)
    except ValueError as error:
        raise RecipeError(f"teacher.base_url: {error}") from None


def public(url: Url) -> str:
    """An address without user, password and query."""
    return url.parts().shown


def proxy_of(part: TeacherPart) -> str | None:
    """The recipe's proxy as it is asked, with user and password; None where it names none."""
    return None if part.proxy is None else part.proxy.resolve("teacher.proxy")


def _of_proxies(part: TeacherPart) -> list[str]:
    """Secrets of the recipe's proxy, or of those that the environment names."""
    if part.proxy is not None:
        return part.proxy.secrets("teacher.proxy")
    found = []
    for url in getproxies().values():
        # What is no address is said when it is used.
        with suppress(ValueError, RecipeError):
            found += Url(url, trusted=True).secrets()
    return found


def resolve(url: Url, part: TeacherPart) -> Address:
    """An address with its headers: key, user and password, and what the recipe adds."""
    parts = url.parts()
    key = _key(part, parts.base)
    query = dict(parts.query)
    if part.api_version:
        query["api-version"] = part.api_version
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    secrets = [key, *url.secrets()]
    secrets += _of_proxies(part)
    if parts.password is not None and not key:
        coded = base64.b64encode(f"{parts.user}:{parts.password}".encode()).decode()
        headers["Authorization"] = f"Basic {coded}"
    elif parts.host.endswith(_AZURE) or part.api_version:
        headers["api-key"] = key
    else:
        headers["Authorization"] = f"Bearer {key or 'none'}"
    own = part.headers if isinstance(part.headers, Headers) else Headers(part.headers)
    headers |= own.resolve()
    secrets += own.secrets()
    return Address(parts.base, parts.shown, urlencode(query), headers, Mask.of(secrets))


def _key(part: TeacherPart, base: str) -> str:
    """The key, without the white space that a file or a shell left around it; "" where none is needed."""
    key = os.environ.get(part.api_key_env, "").strip()
    if key and not (key.isascii() and key.isprintable()):
        # The HTTP library would repeat the whole header in its error.
        raise AuthenticationError(
            f"the key in {part.api_key_env} holds characters that no header can carry; check that variable"
        )
    if not key and base == DEFAULT_URL:
        raise AuthenticationError(
            f"no key: set the environment variable {part.api_key_env}, or teacher.base_url for a server"
            " that needs none"
        )
    return key
