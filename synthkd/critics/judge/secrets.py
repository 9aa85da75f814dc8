"""A judge's teacher part is saved with the critic, so no secret may stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from synthkd.errors import CriticError

#: Headers that carry a key.
_HEADERS = {"authorization", "api-key", "x-api-key", "proxy-authorization"}


def refuse_secrets(teacher: Mapping[str, Any]) -> None:
    """Refuse a teacher part whose address or headers hold a key, before anything is asked. The key is not shown."""
    urls = teacher.get("base_url")
    for url in [*(urls if isinstance(urls, list) else [urls]), teacher.get("proxy")]:
        parts = urlsplit(str(url or ""))
        if parts.password or parts.query:
            raise CriticError(
                "the judge's teacher part is saved with the critic, and its address holds a password or a query: put"
                " the key into an environment variable, and its name into teacher.api_key_env"
            )
    for name, value in (teacher.get("headers") or {}).items():
        if str(name).casefold() in _HEADERS and "$" not in str(value):
            raise CriticError(
                f"the judge's teacher part is saved with the critic, and teacher.headers.{name} holds a key: put it"
                " into an environment variable, and write $NAME"
            )
