"""Secrets that stand in clear in a recipe, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from synthkd.secrets.headers import Headers
from synthkd.secrets.recognise import (
    PLACEHOLDERS,
    REMEDY,
    SCHEMES,
    VARIABLE,
    credential_field,
    has_token,
    masked,
)
from synthkd.secrets.sealed import Sealed
from synthkd.secrets.url import clear_in_url


def clear_secret(value: Any, place: str = "") -> tuple[str, str] | None:
    """The first secret that stands in clear in a tree of mappings and lists.

    Returns:
        Its place and what to do, without the secret; None if there is none.
    """
    if isinstance(value, Sealed):
        return None
    if isinstance(value, str):
        return (place, "holds a key or password in clear") if has_token(value) else None
    if isinstance(value, list | tuple):
        pairs: Iterable[tuple[Any, Any]] = enumerate(value)
    elif isinstance(value, Mapping):
        pairs = value.items()
    else:
        return None
    for name, inner in pairs:
        where = f"{place}.{masked(str(name))}" if place else masked(str(name))
        if isinstance(name, str) and has_token(name):
            return (where, "holds a key or password in clear")
        if isinstance(name, str) and (found := _clear_by_name(name, inner)):
            return (where, found)
        if found_inside := clear_secret(inner, where):
            return found_inside
    return None


def _clear_by_name(name: str, value: Any) -> str | None:
    """Name what is secret in a field of this name: an address, headers or a credential in options."""
    if name == "headers" and isinstance(value, Mapping):
        try:
            Headers(value)
        except ValueError as error:
            return str(error)
    if name in ("base_url", "proxy", "url", "endpoint"):
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.startswith(("http://", "https://")):
                try:
                    if what := clear_in_url(text):
                        return f"holds {what} in clear; {REMEDY}"
                except ValueError:
                    return "is no address: look at its host and port"
    if credential_field(name) and isinstance(value, str) and not name.casefold().endswith("_env"):
        plain = VARIABLE.sub("", value).strip().casefold()
        if plain not in PLACEHOLDERS and plain not in SCHEMES:
            return "holds a credential in clear"
    return None
