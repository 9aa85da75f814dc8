"""The `openai` package, for files, batches and the list of models.

By default, its HTTP client follows redirects (with the recipe's headers, if not with the key) and
reads bodies of any size. Here it follows none, and bodies are decoded piece by piece within the
recipe's bound (`remote.package_client`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import openai

from synthkd.teachers.remote.http.bounded_body import ACCEPTED_ENCODINGS
from synthkd.teachers.remote.package_client import package_client

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.endpoint import Endpoint

#: Seconds to wait for the list of models, which only improves an error's message.
_MODELS_TIMEOUT = 5.0
#: Models that are read, and characters of a name.
_MAX_MODELS, _MAX_NAME = 10_000, 200


def openai_client(part: TeacherPart, endpoint: Endpoint) -> openai.AsyncOpenAI:
    """Return a client for one endpoint, with the headers and certificates of a recipe."""
    # The package sets the content types itself: some bodies are files.
    own = ("Content-Type", "Accept")
    headers: dict[str, Any] = {
        name: value for name, value in endpoint.headers.items() if name not in own
    }
    headers.setdefault("Accept-Encoding", ACCEPTED_ENCODINGS)
    request_hooks = [] if "Authorization" in headers else [_remove_bearer]
    return openai.AsyncOpenAI(
        # The key is in the headers.
        api_key="none",
        base_url=endpoint.base,
        default_headers=headers,
        default_query=dict(parse_qsl(endpoint.query)),
        max_retries=part.max_attempts - 1,
        timeout=part.timeout,
        http_client=package_client(part, openai.DefaultAsyncHttpxClient, request_hooks),
    )


async def _remove_bearer(request: Any) -> None:
    """Remove the bearer token that the package always sends; the key has its own header, if any."""
    request.headers.pop("Authorization", None)


async def served_models(part: TeacherPart, endpoint: Endpoint) -> list[str]:
    """Return the names of a server's models; an empty list if it does not tell."""
    async with openai_client(part, endpoint).with_options(
        timeout=_MODELS_TIMEOUT, max_retries=0
    ) as client:
        try:
            models = await client.models.list()
            names = [getattr(model, "id", None) for model in models.data[:_MAX_MODELS]]
        except Exception:  # noqa: BLE001 (the package checks no types: an odd list may raise any error)
            return []
    return sorted({name for name in names if type(name) is str and 0 < len(name) <= _MAX_NAME})
