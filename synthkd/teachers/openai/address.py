"""Where a server is, and the headers that it wants. Secrets come from the environment and are shown nowhere."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode, urlsplit, urlunsplit

from synthkd.errors import AuthenticationError, RecipeError

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

DEFAULT_URL = "https://api.openai.com/v1"
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com")


@dataclass(frozen=True)
class Address:
    """One endpoint. ``secrets`` are texts that must not be shown."""

    base: str
    query: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def public(self) -> str:
        """The address without user, password and query."""
        return self.base

    def url(self, path: str) -> str:
        """The whole address of a path such as ``/chat/completions``."""
        return f"{self.base}{path}" + (f"?{self.query}" if self.query else "")

    def mask(self, text: str) -> str:
        """A server's message without the secrets, should it repeat them."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def base_urls(part: TeacherPart) -> list[str]:
    """The addresses that a recipe, or the environment, names."""
    named = part.base_url
    if named is None:
        named = os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
    elif not named:
        # Else what was meant for one's own server would go elsewhere, and be paid for.
        raise RecipeError("teacher.base_url is empty; name the server, or leave the line out")
    urls = [named] if isinstance(named, str) else list(named)
    for url in urls:
        if urlsplit(url).scheme not in ("http", "https"):
            # The address is not shown: without a scheme, a password in it cannot be told from a path.
            raise RecipeError("teacher.base_url (or OPENAI_BASE_URL): begin it with http:// or https://")
    if len(urls) > 1 and not part.identity:
        raise RecipeError(
            "teacher.base_url names several endpoints: name `teacher.identity` too, so that what was bought is found"
            " again whichever of them answered"
        )
    return urls


def public(url: str) -> str:
    """An address without user, password and query."""
    parts = urlsplit(url)
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def resolve(url: str, part: TeacherPart) -> Address:
    """An address with its headers: key, user and password, and what the recipe adds."""
    parts = urlsplit(url)
    key = _key(part, url)
    query = dict(parse_qsl(parts.query))
    if part.api_version:
        query["api-version"] = part.api_version
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    secrets = [key, *query.values(), parts.password or ""]
    if parts.password is not None and not key:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password)}"
        coded = base64.b64encode(pair.encode()).decode()
        headers["Authorization"] = f"Basic {coded}"
        secrets.append(coded)
    elif (parts.hostname or "").endswith(_AZURE) or part.api_version:
        headers["api-key"] = key
    else:
        headers["Authorization"] = f"Bearer {key or 'none'}"
    for name, value in part.headers.items():
        expanded = _expanded(name, value)
        headers[name] = expanded
        if expanded != value:
            secrets.append(expanded)
    return Address(public(url), urlencode(query), headers, _hidden(secrets, part.api_version))


def _hidden(secrets: list[str], version: str | None) -> tuple[str, ...]:
    """Secrets in each form in which a server may repeat them, the longest first."""
    forms = {
        form
        for secret in secrets
        if secret != version
        for plain in (secret, unquote(secret))
        for form in (plain, quote(plain, safe=""), quote_plus(plain))
    }
    # Short ones are no secrets, and masking them would spoil every message.
    return tuple(sorted((form for form in forms if len(form) >= 4), key=len, reverse=True))


def _key(part: TeacherPart, url: str) -> str:
    """The key, without the white space that a file or a shell left around it; "" where none is needed."""
    key = os.environ.get(part.api_key_env, "").strip()
    if key and not (key.isascii() and key.isprintable()):
        # The HTTP library would repeat the whole header in its error.
        raise AuthenticationError(
            f"the key in {part.api_key_env} holds characters that no header can carry; check that variable"
        )
    if not key and url == DEFAULT_URL:
        raise AuthenticationError(
            f"no key: set the environment variable {part.api_key_env}, or teacher.base_url for a server"
            " that needs none"
        )
    return key


def _expanded(name: str, value: str) -> str:
    """A header's value with ``$NAME`` from the environment, so that no secret stands in a recipe."""
    expanded = os.path.expandvars(value)
    if "$" in expanded:
        raise RecipeError(f"teacher.headers.{name} names an environment variable that is not set")
    return expanded
