"""Headers: what is sent, and what of them may be shown."""

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
    credential_name,
    expand,
    has_token,
    public_literals,
    random_looking,
    variables,
)
from synthkd.secrets.sealed import Sealed

_HEADER_NAME = re.compile(r"[!#%&'*+.^_`|~0-9A-Za-z-]+")


class Headers(Sealed):
    """Headers by name. Names are shown; literal values are hidden, but for a few that never hold a secret.

    Raises:
        ValueError: A name or value that no header can have, or a credential in clear. No value is repeated.
    """

    __slots__ = ()

    _sealed: dict[str, str]
    _schema: ClassVar[dict[str, Any]] = {"type": "object", "additionalProperties": {"type": "string"}}

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
        return {name: _public_header(name, value) for name, value in self._sealed.items()}

    def __bool__(self) -> bool:
        return bool(self._sealed)

    def variables(self) -> list[str]:
        """The environment variables that are read for them."""
        return [name for value in self._sealed.values() for name in variables(value)]

    def sent(self, place: str = "teacher.headers") -> dict[str, str]:
        """Headers as they are sent, with ``$NAME`` from the environment.

        Raises:
            RecipeError: A variable is not set, or holds what no header can carry.
        """
        found = {}
        for name, value in self._sealed.items():
            found[name] = expand(value, f"{place}.{name}").strip()
            if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", found[name]):
                raise RecipeError(
                    f"{place}.{name}: a variable in it holds a character that no header can carry"
                )
        return found

    def secrets(self, place: str = "teacher.headers") -> list[str]:
        """Values that must not be shown, whole and without their scheme; and what variables hold."""
        values = [value for name, value in self.sent(place).items() if name.casefold() not in OPEN_HEADERS]
        split = [value.partition(" ")[2] for value in values]
        return values + split + [os.environ.get(name, "").strip() for name in self.variables()]


def _clear_in_header(name: str, value: str) -> bool:
    rest = VARIABLE.sub(" ", value).strip()
    if has_token(rest) or has_token(value) or random_looking(rest):
        return True
    if variables(value) or not credential_name(name):
        return False
    words = [word for word in rest.casefold().split() if word not in SCHEMES]
    return not all(word in PLACEHOLDERS for word in words)


def _public_header(name: str, value: str) -> str:
    if not variables(value):
        return value if name.casefold() in OPEN_HEADERS or value.casefold() in PLACEHOLDERS else HIDDEN
    rest = VARIABLE.sub(" ", value).casefold().split()
    return value if all(word in SCHEMES for word in rest) else public_literals(value)
