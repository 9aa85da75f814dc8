"""aiohttp's pool of connections, with the checks of `reuse`.

An answer from before its request was written is marked (`HttpConnection.is_early`).
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from synthkd.teachers.remote.http.reuse import Probation, is_surplus, make_poll

if TYPE_CHECKING:
    from collections.abc import Callable

#: The connection of the current task's request; None until there is one.
CURRENT_CONNECTION: ContextVar[HttpConnection | None] = ContextVar(
    "CURRENT_CONNECTION", default=None
)
#: Looked up once: they are called for each request.
_start_timeout, _data_received = ResponseHandler.start_timeout, ResponseHandler.data_received


class HttpConnection(ResponseHandler):
    """The protocol of one connection.

    Attributes:
        is_written: The whole request was passed to the transport, so that the server may have
            worked on it.
        is_early: Data arrived before that.
        is_idle: No request uses the connection.
        has_surplus: An answer without a request arrived.
        uses: Requests for which the connection was used.
        probation: The probation of its server, as long as that lasts.
    """

    def __init__(self, loop: Any, on_surplus: Callable[[], None] = lambda: None) -> None:
        super().__init__(loop)
        self.is_written = self.is_early = self.has_surplus = False
        self.is_idle: Any = False
        self.uses = 1
        self.probation: Probation | None = None
        self._on_surplus = on_surplus
        self._poll: Callable[[int], Any] | None = None

    def start_timeout(self) -> None:
        """Note that the request is written: aiohttp calls this then."""
        self.is_written = True
        _start_timeout(self)

    def data_received(self, data: bytes) -> None:
        if self.is_idle:
            if data:
                self.drop_surplus(data)
            return
        if not self.is_written and data:
            self.is_early = True
        _data_received(self, data)
        # The answer may have ended in this piece, and with it the use of the connection.
        if self._buffer and self.is_idle:
            self.drop_surplus(b"")

    @property
    def is_doubtful(self) -> bool:
        """True if the answer may be another request's: early, or one of two when reused."""
        return self.is_early or (self.has_surplus and self.uses > 1)

    def drop_surplus(self, data: bytes) -> None:
        """Discard data without a request, and abort the connection."""
        self.has_surplus = True
        if is_surplus(data) or self._buffer:
            self._on_surplus()
        self._buffer.clear()
        if self.transport is not None:
            self.transport.abort()

    def is_quiet(self) -> bool:
        """Return True if the socket has neither data nor its end to read."""
        poll = self._poll
        if poll is None:
            poll = self._poll = make_poll(self.transport)
        return not poll(0)


_get, _release = aiohttp.TCPConnector._get, aiohttp.TCPConnector._release


class GuardedConnector(aiohttp.TCPConnector):
    """A pool of connections that had no data while they were idle."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory: Any = functools.partial(
            HttpConnection, loop=self._loop, on_surplus=self._stop_reuse
        )
        #: True as long as a connection may be used for more than one request.
        self.reuses = True
        #: Probation of each new server, and the servers that passed.
        self._probations: dict[Any, Probation] = {}
        self._trusted: set[Any] = set()

    def _stop_reuse(self) -> None:
        self.reuses = False

    async def _get(self, key: Any, traces: Any) -> Any:
        if (
            self._probations
            and self.reuses
            and (probation := self._probations.get(key)) is not None
        ):
            if not probation.is_passed:
                return None
            probation.is_over = True
            del self._probations[key]
            self._trusted.add(key)
        while (connection := await _get(self, key, traces)) is not None:
            protocol: Any = connection.protocol
            if self.reuses and not protocol.has_surplus and protocol.is_quiet():
                protocol.is_idle = protocol.is_written = False
                protocol.uses += 1
                CURRENT_CONNECTION.set(protocol)
                return connection
            connection.close()
        return None

    async def _create_connection(self, req: Any, *args: Any, **named: Any) -> Any:
        protocol: Any = await super()._create_connection(req, *args, **named)
        if (key := req.connection_key) not in self._trusted:
            protocol.probation = self._probations.setdefault(key, Probation())
        CURRENT_CONNECTION.set(protocol)
        return protocol

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        protocol.is_idle = True
        close = should_close or not self.reuses
        if not close:
            if protocol._buffer:
                protocol.drop_surplus(b"")
            if (probation := protocol.probation) is not None and not protocol.should_close:
                if probation.is_over:
                    protocol.probation = None
                else:
                    close = not probation.keep_idle(protocol)
        _release(self, key, protocol, should_close=close)
