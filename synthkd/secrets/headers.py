"""`Headers`: headers of HTTP with a public form."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from synthkd.errors import RecipeError
from synthkd.secrets.recognise import (
    HIDDEN,
    OPEN_HEADERS,
    PLACEHOLDERS,
    REMEDY,
    SCHEMES,
    VARIABLE,
    expand_variables,
    has_token,
    is_credential_name,
    looks_random,
    public_literals,
    variable_names,
)
from synthkd.secrets.sealed import Sealed

_HEADER_NAME = re.compile(r"[!#%&'*+.^_`|~0-9A-Za-z-]+")


class Headers(Sealed):
    """Headers by name.

    Names are public; literal values are hidden, except of a few headers that never hold a secret.

    Raises:
        ValueError: If a name or value is not valid, or a credential is written in clear text. No
            value is repeated.
    """

    __slots__ = ()

    _sealed: dict[str, str]
    _schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": {"type": "string"},
    }

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        if not isinstance(headers or {}, Mapping):
            raise ValueError("headers are a mapping of names to texts")
        self._sealed = dict(headers or {})
        for number, (name, value) in enumerate(self._sealed.items(), 1):
            if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name) or has_token(name):
                raise ValueError(f"header {number} has a name that no header can have")
            if not isinstance(value, str):
                raise ValueError(f"{name}: a header's value is a text; quote it")
            if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
                raise ValueError(f"{name}: holds a character that no header can carry")
            if _clear_in_header(name, value):
                raise ValueError(f"{name}: holds a credential in clear; {REMEDY}")

    @classmethod
    def _of(cls, value: Any) -> Headers:
        return value if isinstance(value, cls) else cls(value)

    @property
    def public(self) -> dict[str, str]:
        """The headers with hidden values."""
        return {name: _public_header(name, value) for name, value in self._sealed.items()}

    def __bool__(self) -> bool:
        return bool(self._sealed)

    def variables(self) -> list[str]:
        """Return the names of the environment variables in the values."""
        return [name for value in self._sealed.values() for name in variable_names(value)]

    def resolve(self, place: str = "teacher.headers") -> dict[str, str]:
        """Return the headers with ``$NAME`` replaced from the environment.

        Raises:
            RecipeError: If a variable is not set, or holds a character that no header can carry.
        """
        resolved = {}
        for name, value in self._sealed.items():
            resolved[name] = expand_variables(value, f"{place}.{name}").strip()
            if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", resolved[name]):
                raise RecipeError(
                    f"{place}.{name}: a variable in it holds a character that no header can carry"
                )
        return resolved

    def secrets(self, place: str = "teacher.headers") -> list[str]:
        """Return the values to mask, with and without their scheme, and those of variables."""
        values = [
            value
            for name, value in self.resolve(place).items()
            if name.casefold() not in OPEN_HEADERS
        ]
        split = [value.partition(" ")[2] for value in values]
        return values + split + [os.environ.get(name, "").strip() for name in self.variables()]


def _clear_in_header(name: str, value: str) -> bool:
    rest = VARIABLE.sub(" ", value).strip()
    if has_token(rest) or has_token(value) or looks_random(rest):
        return True
    if variable_names(value) or not is_credential_name(name):
        return False
    words = [word for word in rest.casefold().split() if word not in SCHEMES]
    return not all(word in PLACEHOLDERS for word in words)


def _public_header(name: str, value: str) -> str:
    if not variable_names(value):
        return (
            value if name.casefold() in OPEN_HEADERS or value.casefold() in PLACEHOLDERS else HIDDEN
        )
    rest = VARIABLE.sub(" ", value).casefold().split()
    return value if all(word in SCHEMES for word in rest) else public_literals(value)
