"""The `openai` package, for what is not hot: files, batches, the list of models."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from synthkd.teachers.openai.address import proxy_of
from synthkd.teachers.openai.wire import tls_of

if TYPE_CHECKING:
    import openai

    from synthkd.recipe import TeacherPart
    from synthkd.teachers.openai.address import Address

#: Seconds that the list of models is waited for: it is a courtesy.
_SOON = 5.0


def client_of(part: TeacherPart, address: Address) -> openai.AsyncOpenAI:
    """A client for one address, with the headers and certificates of a recipe."""
    import openai

    # The package says itself what kind of body it sends and takes: here these are files too.
    own = ("Content-Type", "Accept")
    headers: dict[str, Any] = {name: value for name, value in address.headers.items() if name not in own}
    hooks: dict[str, Any] = (
        {} if "Authorization" in headers else {"event_hooks": {"request": [_without_bearer]}}
    )
    tls = tls_of(part)
    verify: dict[str, Any] = {"verify": tls} if isinstance(tls, ssl.SSLContext) else {}
    return openai.AsyncOpenAI(
        # The true one is in the headers.
        api_key="none",
        base_url=address.base,
        default_headers=headers,
        default_query=dict(parse_qsl(address.query)),
        max_retries=part.max_attempts - 1,
        timeout=part.timeout,
        http_client=openai.DefaultAsyncHttpxClient(proxy=proxy_of(part), **verify, **hooks),
    )


async def _without_bearer(request: Any) -> None:
    """The package always sends a key as a bearer's; here it has a header of its own, or there is none."""
    request.headers.pop("Authorization", None)


async def served_models(part: TeacherPart, address: Address) -> list[str]:
    """Names of the models that a server has; none where it does not say."""
    import openai

    async with client_of(part, address).with_options(timeout=_SOON, max_retries=0) as client:
        try:
            return sorted([model.id async for model in client.models.list()])
        except openai.OpenAIError:
            return []
