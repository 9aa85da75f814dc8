"""HTTP clients behind the contract of `synthkd.teachers.remote.http`, measured in turn.

    python -m benchmarks.generate.clients NAME post URL COUNT IN_FLIGHT
    python -m benchmarks.generate.clients NAME generate RECIPE

The first posts alone and prints the microseconds of processor time of a request; the second runs
the whole engine with the client. NAME is `plain`, `aiohttp`, or `pyreqwest` (a client in Rust;
`pip install pyreqwest`).
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from importlib.util import find_spec
from typing import Any

from synthkd.recipe import TeacherPart
from synthkd.secrets import Url
from synthkd.teachers.event_loop import rare_collections, run_async
from synthkd.teachers.remote import transport
from synthkd.teachers.remote.endpoint import Endpoint, resolve_endpoint
from synthkd.teachers.remote.http import HttpClient, HttpResponse, open_client
from synthkd.teachers.remote.http.aiohttp_client import AiohttpClient

NAMES = ("plain", "aiohttp", "pyreqwest")


def available() -> list[str]:
    """Return the clients that are installed."""
    return [name for name in NAMES if name != "pyreqwest" or find_spec("pyreqwest")]


class PyreqwestClient:
    """The Rust client reqwest behind the contract: as little around it as the contract allows."""

    def __init__(self, endpoint: Endpoint, part: TeacherPart) -> None:
        from datetime import timedelta

        from pyreqwest.client import ClientBuilder

        self._endpoint = endpoint
        self._client: Any = (
            ClientBuilder()
            .default_headers(dict(endpoint.headers))
            .timeout(timedelta(seconds=part.timeout))
            .build()
        )

    def post(self, path: str, data: bytes) -> asyncio.Future[HttpResponse]:
        return asyncio.ensure_future(self._post(self._endpoint.url(path), data))

    async def _post(self, url: str, data: bytes) -> HttpResponse:
        response = await self._client.post(url).body_bytes(data).build().send()
        return HttpResponse(response.status, {}, bytes(await response.bytes()))

    def abandon(self) -> None:
        return

    async def close(self) -> None:
        return


def client(name: str, endpoint: Endpoint, part: TeacherPart) -> HttpClient:
    """Open a client by name."""
    if name == "aiohttp":
        return AiohttpClient(endpoint, part, None)
    if name == "pyreqwest":
        return PyreqwestClient(endpoint, part)
    return open_client(endpoint, part)


async def _post_all(name: str, url: str, count: int, in_flight: int) -> None:
    part = TeacherPart.model_validate({"backend": "openai", "model": "fake", "base_url": url})
    opened = client(name, resolve_endpoint(Url(url), part), part)
    left = iter(range(count))

    async def work() -> None:
        for number in left:
            body = b'{"messages":[{"role":"user","content":"What is thing %06d used for?"}]}'
            response = await opened.post("/chat/completions", body % number)
            assert response.status == 200

    await asyncio.gather(*(work() for _ in range(in_flight)))
    await opened.close()


def main(arguments: list[str]) -> None:
    """Run as the module's docstring says."""
    name, verb, *rest = arguments
    os.environ.setdefault("OPENAI_API_KEY", "none")
    if verb == "post":
        url, count, in_flight = rest[0], int(rest[1]), int(rest[2])
        before = resource.getrusage(resource.RUSAGE_SELF)
        with rare_collections():
            run_async(_post_all(name, url, count, in_flight))
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{1e6 * used / count:.1f}")
        return
    from synthkd.cli.program import main as synthkd

    transport.open_client = lambda endpoint, part: client(name, endpoint, part)
    sys.argv = ["synthkd", "generate", rest[0], "--quiet"]
    synthkd()


if __name__ == "__main__":
    main(sys.argv[1:])
