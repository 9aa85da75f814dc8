"""Addresses: what is asked, and what of it may be shown."""

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
    credential_name,
    expand,
    has_token,
    masked,
    only_variables,
    public_literals,
    random_looking,
    variables,
)
from synthkd.secrets.sealed import Sealed


@dataclass(frozen=True)
class UrlParts:
    """An address with ``$NAME`` replaced. ``shown`` is what may be printed; user info and query are decoded."""

    base: str = field(repr=False)
    shown: str
    host: str
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(repr=False)


class Url(Sealed):
    """An address of http or https. User, password and query are never shown; ``$NAME`` is taken from the environment.

    Args:
        text: The address. ``$NAME`` may stand for all of it, for its beginning, or for any part.
        trusted: Whether it comes from the environment: a secret may stand in it in clear, and ``$`` is a ``$``.

    Raises:
        ValueError: It is no address, or holds a secret in clear. The message never repeats it.
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
            # Not shown: without a scheme, a password in it cannot be told from a path.
            raise ValueError("begin it with http:// or https://")
        if re.search(r"[\s\x00-\x1f\x7f\\]", text):
            raise ValueError("holds a space or another character that no address has")
        host = _host_of(text)
        if (
            not trusted
            and "@"
            in text.partition("://")[2].partition("/")[2] + urlsplit(text).query + urlsplit(text).fragment
        ):
            # A password with a / or ? in it would be taken for host and path, and be shown.
            raise ValueError(f"holds an @ after its host; a password is written as a variable: {REMEDY}")
        if not trusted and (what := clear_in_url(text)) and (not is_loopback(host) or variables(text)):
            raise ValueError(f"holds {what} in clear; {REMEDY}")

    @classmethod
    def _of(cls, value: Any) -> Url:
        return value if isinstance(value, cls) else cls(value)

    @property
    def _from_variable(self) -> bool:
        return not self._trusted and self._sealed.startswith("$") and bool(variables(self._sealed))

    @property
    def public(self) -> str:
        """The address with ``$NAME`` as it stands, and without what is secret in it."""
        if self._from_variable:
            return self._sealed
        parts = urlsplit(self._sealed)
        user, at, host = parts.netloc.rpartition("@")
        info = f"{self._hidden(user)}@" if at else ""
        shown = [
            f"{masked(name)}={value if _is_open(name, value) else self._hidden(value)}"
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        query = "?" + "&".join(shown) if shown else ""
        return f"{parts.scheme}://{info}{host}{_public_path(parts.path)}{query}"

    def _hidden(self, text: str) -> str:
        return HIDDEN if self._trusted else public_literals(text)

    def variables(self) -> list[str]:
        """The environment variables that are read for it."""
        return [] if self._trusted else variables(self._sealed)

    def parts(self, place: str = "teacher.base_url") -> UrlParts:
        """Resolve the address that is really asked, with ``$NAME`` from the environment.

        Raises:
            RecipeError: A variable is not set, or what it holds is no address.
        """
        if self._from_variable:
            text = expand(self._sealed, place)
            try:
                return Url(text, trusted=True).parts(place)
            except ValueError as error:
                raise RecipeError(f"{place}, with {self._sealed} from the environment: {error}") from None

        def own(text: str) -> str:
            return text if self._trusted else expand(text, place)

        split = urlsplit(self._sealed)
        info, at, host = split.netloc.rpartition("@")
        name, colon, password = info.partition(":")
        host = own(host)
        try:
            hostname = _host_of(f"{split.scheme}://{host}")
        except ValueError as error:
            raise RecipeError(f"{place}, with its variables from the environment: {error}") from None
        path = split.path.rstrip("/")
        sent = path if self._trusted else VARIABLE.sub(lambda match: quote(own(match[0]), safe=""), path)
        return UrlParts(
            f"{split.scheme}://{host}{sent}",
            f"{split.scheme}://{host}{_public_path(path)}",
            hostname,
            own(unquote(name)) if at else None,
            own(unquote(password)) if colon else None,
            tuple((key, own(value)) for key, value in parse_qsl(split.query, keep_blank_values=True)),
        )

    def sent(self, place: str) -> str:
        """The whole address with user and password, as a proxy's is needed."""
        parts = self.parts(place)
        if parts.user is None:
            return parts.base
        password = "" if parts.password is None else f":{quote(parts.password, safe='')}"
        scheme, _, rest = parts.base.partition("://")
        return f"{scheme}://{quote(parts.user, safe='')}{password}@{rest}"

    def secrets(self, place: str = "teacher.base_url") -> list[str]:
        """Texts that must not be shown: user info, the query's values, and variables in the path."""
        parts = self.parts(place)
        found = [value for name, value in parts.query if not _is_open(name, value)]
        if parts.password is not None:
            pair = f"{parts.user}:{parts.password}"
            found += [parts.password, pair]
        elif parts.user:
            found.append(parts.user)
        if parts.base != parts.shown:
            found += [os.environ.get(name, "") for name in variables(urlsplit(self._sealed).path)]
        return found


def _host_of(text: str) -> str:
    """The host of an address; a ValueError that repeats nothing if there is none."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
        if not variables(parts.netloc.rpartition("@")[2]):
            _ = parts.port
    except ValueError:
        raise ValueError("is no address: look at its host and port") from None
    if not host:
        raise ValueError("names no host")
    return host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host.casefold().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """Whether a host's name or number means something in one's own network only (loopback left out)."""
    if is_loopback(host) or variables(host):
        return False
    try:
        return not ipaddress.ip_address(host.split("%")[0]).is_global
    except ValueError:
        name = host.casefold().rstrip(".")
        own = (
            ".local",
            ".internal",
            ".lan",
            ".corp",
            ".home",
            ".intranet",
            ".localdomain",
            ".private",
            ".arpa",
        )
        return "." not in name or name.endswith(own)


def clear_in_url(text: str) -> str | None:
    """Name the secret that stands in clear in an address; None if there is none."""
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
        if credential_name(key) or has_token(value) or random_looking(value):
            return "a key"
    if has_token(unquote(parts.path)):
        return "a key"
    # A fragment is never sent: what stands there was meant for elsewhere.
    if parts.fragment:
        return "a fragment (after #), which is never sent, or a password with a # in it,"
    return None


def _is_open(name: str, value: str) -> bool:
    """Whether a parameter of a query may be shown."""
    return name in OPEN_PARAMETERS and not has_token(value) and not random_looking(value)


def _public_path(path: str) -> str:
    return "/".join(HIDDEN if has_token(unquote(piece)) else piece for piece in path.split("/"))
