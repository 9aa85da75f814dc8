"""Connections whose answers belong to their requests: an aiohttp connector with checks.

HTTP/1.1 matches answers to requests by their order alone: the surplus answer of a server or gateway
on a kept-alive connection would be read as the answer to the next request. A connection is closed
if

    data arrives while it is idle       seen at once, or when its socket is checked before reuse
    a second answer follows the first   both in one piece of data

and an answer from before its request was written is marked (`HttpConnection.is_early`). A server
that has sent a surplus answer gets a new connection per request, since on a busy connection such an
answer looks like a true one. For the same reason, connections are reused only after the first ones
to a server have been idle for a moment without data (`_Probation`).
"""

from __future__ import annotations

import functools
import select
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from collections.abc import Callable

#: Connections to a new server that stay idle, and seconds without data until it is trusted. After
#: many answers the shorter time is enough: on a fast server, new connections cost more.
_IDLE_CONNECTIONS, _QUIET_TIME, _SHORT_QUIET_TIME, _MANY_ANSWERS = 2, 1.0, 0.03, 128
#: The connection of the current task's request; None until there is one.
CURRENT_CONNECTION: ContextVar[HttpConnection | None] = ContextVar("LINE", default=None)
#: Statuses that some load balancers send on an idle connection before they close it.
_GOODBYE = (b"HTTP/1.1 408", b"HTTP/1.0 408")


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
        self.probation: _Probation | None = None
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
        if (data.strip() and not data.startswith(_GOODBYE)) or self._buffer:
            self._on_surplus()
        self._buffer.clear()
        if self.transport is not None:
            self.transport.abort()

    def is_quiet(self) -> bool:
        """Return True if the socket has neither data nor its end to read."""
        poll = self._poll
        if poll is None:
            poll = self._poll = _make_poll(self.transport)
        return not poll(0)


def _make_poll(transport: Any) -> Callable[[int], Any]:
    """Return a function that tells if a transport's socket has something to read."""
    socket = transport.get_extra_info("socket")
    number = socket.fileno() if socket is not None else -1
    if number < 0:
        return bool
    if not hasattr(select, "poll"):  # pragma: no cover (Windows)
        return lambda wait: select.select([number], [], [], wait)[0]
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return poll.poll


class _Probation:
    """The first connections to a server: some stay idle, to see if it sends surplus data."""

    def __init__(self) -> None:
        self.idle: list[tuple[HttpConnection, float]] = []
        self.answers = 0
        self.is_over = False

    def keep_idle(self, connection: HttpConnection) -> bool:
        """Count an answer; return True if its connection is to stay open for reuse."""
        self.answers += 1
        self.idle = [(other, since) for other, since in self.idle if other.is_connected()]
        if len(self.idle) == _IDLE_CONNECTIONS:
            return False
        self.idle.append((connection, time.monotonic()))
        return True

    @property
    def is_passed(self) -> bool:
        """True if an idle connection has had no data for long enough."""
        seconds = _QUIET_TIME if self.answers < _MANY_ANSWERS else _SHORT_QUIET_TIME
        latest = time.monotonic() - seconds
        return any(
            since <= latest and connection.is_connected() and connection.is_quiet()
            for connection, since in self.idle
        )


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
        self._probations: dict[Any, _Probation] = {}
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
            protocol.probation = self._probations.setdefault(key, _Probation())
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
