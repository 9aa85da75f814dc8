"""The HTTP side of the test server: aiohttp with replies that are cut, slow or missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

#: Seconds between the pieces of a slow reply, and the number of the pieces.
_PAUSE, _PIECES = 0.02, 5


@dataclass(frozen=True)
class IncomingRequest:
    """A request that has arrived whole, and the ways to reply to it.

    Attributes:
        method: The method, in capitals.
        path: Path and query.
        headers: Headers by their lower-case names.
        body: The body.
        http: The request of aiohttp.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    http: web.BaseRequest

    def reply(
        self, status: int, body: Any, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        """Return a whole reply: bytes unchanged, any other value as JSON."""
        return web.Response(
            status=status, body=_data(body), headers=headers, content_type="application/json"
        )

    async def reply_in_pieces(
        self, status: int, body: Any, headers: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        """Send the head, then the body in five pieces with a delay before each."""
        data, response = await self._begin(status, body, headers)
        step = max(1, -(-len(data) // _PIECES))
        for start in range(0, len(data), step):
            await asyncio.sleep(_PAUSE)
            await response.write(data[start : start + step])
        return response

    async def reply_in_part(
        self, status: int, body: Any, headers: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        """Send half of the announced body and close the connection."""
        data, response = await self._begin(status, body, headers)
        await response.write(data[: len(data) // 2])
        assert self.http.transport is not None
        self.http.transport.close()
        return response

    async def drop(self) -> web.Response:
        """Abort the connection, as a server that crashes."""
        assert self.http.transport is not None
        self.http.transport.abort()
        return web.Response()

    async def _begin(
        self, status: int, body: Any, headers: Mapping[str, str] | None
    ) -> tuple[bytes, web.StreamResponse]:
        data, response = _data(body), web.StreamResponse(status=status, headers=headers)
        response.content_type, response.content_length = "application/json", len(data)
        await response.prepare(self.http)
        return data, response


@asynccontextmanager
async def serving(
    handle: Callable[[IncomingRequest], Awaitable[web.StreamResponse]], port: int = 0
) -> AsyncIterator[int]:
    """Serve on loopback; yields the port, a free one for 0. Leaving ends all connections."""

    async def respond(http: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in http.headers.items()}
        body = await http.content.read()
        return await handle(IncomingRequest(http.method, http.path_qs, headers, body, http))

    connections = web.Server(respond, access_log=None)
    listener = await asyncio.get_running_loop().create_server(
        connections, "127.0.0.1", port, backlog=2048
    )
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for connection in connections.connections:
            if connection.transport is not None:
                connection.transport.abort()
        # Ends handlers that wait; 0 would be no limit.
        await connections.shutdown(0.001)


def _data(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
