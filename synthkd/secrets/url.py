"""`Url`: addresses of http and https with a public form."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from synthkd.errors import RecipeError
from synthkd.secrets.recognise import (
    HIDDEN,
    OPEN_PARAMETERS,
    REMEDY,
    VARIABLE,
    expand_variables,
    has_token,
    is_credential_name,
    looks_random,
    mask_tokens,
    only_variables,
    public_literals,
    variable_names,
)
from synthkd.secrets.sealed import Sealed

_PRIVATE_DOMAINS = (
    ".local", ".internal", ".lan", ".corp", ".home", ".intranet", ".localdomain", ".private",
    ".arpa",
)  # fmt: skip


@dataclass(frozen=True)
class UrlParts:
    """The parts of a resolved address.

    ``shown`` is public; user, password and query are decoded.
    """

    base: str = field(repr=False)
    shown: str
    host: str
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(repr=False)


class Url(Sealed):
    """An address of http or https.

    User, password and query are hidden; ``$NAME`` comes from the environment.

    Args:
        text: The address. ``$NAME`` may stand for all of it, for its beginning, or for any part.
        trusted: Whether the text comes from the environment: then it may hold a secret in clear
            text, and ``$`` has no special meaning.

    Raises:
        ValueError: If the text is not an address, or holds a secret in clear text. The message
            never repeats it.
    """

    __slots__ = ("_trusted",)

    _sealed: str
    _trusted: bool

    def __init__(self, text: str, trusted: bool = False) -> None:
        if not isinstance(text, str):
            raise ValueError("an address is a text")
        if not text:
            raise ValueError("is empty; name the server, or leave the line out")
        self._sealed, self._trusted = text, trusted
        if self._from_variable:
            if not re.fullmatch(r"[\w./-]*", VARIABLE.sub("", text)) or has_token(text):
                raise ValueError(
                    "begins with a variable: only a path may follow; put the rest into the variable"
                )
            return
        if not text.startswith(("http://", "https://")):
            # The message repeats nothing: without a scheme, a password looks like a path.
            raise ValueError("begin it with http:// or https://")
        if re.search(r"[\s\x00-\x1f\x7f\\]", text):
            raise ValueError("holds a space or another character that no address has")
        host = _host_of(text)
        after_host = text.partition("://")[2].partition("/")[2]
        if not trusted and "@" in after_host + urlsplit(text).query + urlsplit(text).fragment:
            # A password with a / or ? would be taken for host and path, and be shown.
            raise ValueError(
                f"holds an @ after its host; a password is written as a variable: {REMEDY}"
            )
        if (
            not trusted
            and (what := cleartext_in_url(text))
            and (not is_loopback(host) or variable_names(text))
        ):
            raise ValueError(f"holds {what} in clear; {REMEDY}")

    @classmethod
    def _of(cls, value: Any) -> Url:
        return value if isinstance(value, cls) else cls(value)

    @property
    def _from_variable(self) -> bool:
        return (
            not self._trusted
            and self._sealed.startswith("$")
            and bool(variable_names(self._sealed))
        )

    @property
    def public(self) -> str:
        """The address with its variables, and without its secrets."""
        if self._from_variable:
            return self._sealed
        parts = urlsplit(self._sealed)
        user, at, host = parts.netloc.rpartition("@")
        info = f"{self._hidden(user)}@" if at else ""
        shown = [
            f"{mask_tokens(name)}={value if _is_open(name, value) else self._hidden(value)}"
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        query = "?" + "&".join(shown) if shown else ""
        return f"{parts.scheme}://{info}{host}{_public_path(parts.path)}{query}"

    def _hidden(self, text: str) -> str:
        return HIDDEN if self._trusted else public_literals(text)

    def variables(self) -> list[str]:
        """Return the names of the environment variables in the address."""
        return [] if self._trusted else variable_names(self._sealed)

    def parts(self, place: str = "teacher.base_url") -> UrlParts:
        """Return the parts of the address with ``$NAME`` replaced from the environment.

        Raises:
            RecipeError: If a variable is not set, or its value is not an address.
        """
        if self._from_variable:
            text = expand_variables(self._sealed, place)
            try:
                return Url(text, trusted=True).parts(place)
            except ValueError as error:
                raise RecipeError(
                    f"{place}, with {self._sealed} from the environment: {error}"
                ) from None

        def own(text: str) -> str:
            return text if self._trusted else expand_variables(text, place)

        split = urlsplit(self._sealed)
        info, at, host = split.netloc.rpartition("@")
        name, colon, password = info.partition(":")
        host = own(host)
        try:
            hostname = _host_of(f"{split.scheme}://{host}")
        except ValueError as error:
            raise RecipeError(
                f"{place}, with its variables from the environment: {error}"
            ) from None
        path = split.path.rstrip("/")
        sent = (
            path
            if self._trusted
            else VARIABLE.sub(lambda match: quote(own(match[0]), safe=""), path)
        )
        return UrlParts(
            f"{split.scheme}://{host}{sent}",
            f"{split.scheme}://{host}{_public_path(path)}",
            hostname,
            own(unquote(name)) if at else None,
            own(unquote(password)) if colon else None,
            tuple(
                (key, own(value)) for key, value in parse_qsl(split.query, keep_blank_values=True)
            ),
        )

    def resolve(self, place: str) -> str:
        """Return the whole address with user and password, as for a proxy."""
        parts = self.parts(place)
        if parts.user is None:
            return parts.base
        password = "" if parts.password is None else f":{quote(parts.password, safe='')}"
        scheme, _, rest = parts.base.partition("://")
        return f"{scheme}://{quote(parts.user, safe='')}{password}@{rest}"

    def secrets(self, place: str = "teacher.base_url") -> list[str]:
        """Return the texts to mask: user, password, values of the query, variables in the path."""
        parts = self.parts(place)
        found = [value for name, value in parts.query if not _is_open(name, value)]
        if parts.password is not None:
            pair = f"{parts.user}:{parts.password}"
            found += [parts.password, pair]
        elif parts.user:
            found.append(parts.user)
        if parts.base != parts.shown:
            found += [
                os.environ.get(name, "") for name in variable_names(urlsplit(self._sealed).path)
            ]
        return found


def _host_of(text: str) -> str:
    """Return the host of an address.

    Raises ValueError, which repeats nothing, if there is none.
    """
    try:
        parts = urlsplit(text)
        host = parts.hostname
        if not variable_names(parts.netloc.rpartition("@")[2]):
            _ = parts.port
    except ValueError:
        raise ValueError("is no address: look at its host and port") from None
    if not host:
        raise ValueError("names no host")
    return host


def is_loopback(host: str) -> bool:
    """Tell if a host is this machine."""
    if host.casefold().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """Tell if a host has a meaning only in a private network; loopback is not private."""
    if is_loopback(host) or variable_names(host):
        return False
    try:
        return not ipaddress.ip_address(host.split("%")[0]).is_global
    except ValueError:
        name = host.casefold().rstrip(".")
        return "." not in name or name.endswith(_PRIVATE_DOMAINS)


def cleartext_in_url(text: str) -> str | None:
    """Return the noun of a secret in clear text in an address; None if there is none."""
    parts = urlsplit(text)
    user, at, _ = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    if at and (not only_variables(password) if colon else not only_variables(name)):
        return "a password" if colon else "a user or token"
    if has_token(unquote(name)):
        return "a token"
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if only_variables(value) or key in OPEN_PARAMETERS:
            continue
        if is_credential_name(key) or has_token(value) or looks_random(value):
            return "a key"
    if has_token(unquote(parts.path)):
        return "a key"
    # A fragment is never sent, so its text was meant for another part.
    if parts.fragment:
        return "a fragment (after #), which is never sent, or a password with a # in it,"
    return None


def _is_open(name: str, value: str) -> bool:
    """Tell if a parameter of a query is public."""
    return name in OPEN_PARAMETERS and not has_token(value) and not looks_random(value)


def _public_path(path: str) -> str:
    return "/".join(HIDDEN if has_token(unquote(piece)) else piece for piece in path.split("/"))
