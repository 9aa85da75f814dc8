"""Connections that answer what they were asked: an aiohttp connector that trusts no idle connection.

HTTP/1.1 joins answers to requests by their order alone. A server or gateway that sends one answer too many on a
kept-alive connection would have it taken for the answer to the next request. So a connection is closed when

    anything comes while it is idle            seen as it comes, or by a look at its socket before it is used again
    a second answer comes together with one    both came in one piece

and an answer that came before its request was written is marked (`Line.early`). A server that has once sent an answer
too many gets a connection for each request: on a busy connection such an answer cannot be told from a true one. For
the same reason a connection is used again only when the first ones to a server have been idle for a moment and
nothing came (`_Trial`).
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

#: Connections to a new server that rest, and seconds without anything until it is trusted: the shorter time is enough
#: once it has given many answers, as the others must not wait on a fast server.
_RESTING, _REST, _SHORT_REST, _MANY = 2, 1.0, 0.03, 128
#: The connection of the current task's request: None until there is one.
LINE: ContextVar[Line | None] = ContextVar("LINE", default=None)
#: What some load balancers send on an idle connection before they close it.
_GOODBYE = (b"HTTP/1.1 408", b"HTTP/1.0 408")


#: Bound once: they are called for each request.
_start_timeout, _data_received = ResponseHandler.start_timeout, ResponseHandler.data_received


class Line(ResponseHandler):
    """The protocol of one connection.

    Attributes:
        wrote: The whole request was handed to the transport, so the server may have worked on it.
        early: Something came before that.
        idle: No request uses the connection.
        extra: An answer came that nobody asked for.
        uses: Requests that the connection was handed out for.
    """

    def __init__(self, loop: Any, noticed: Callable[[], None] = lambda: None) -> None:
        super().__init__(loop)
        self.wrote = self.early = self.extra = False
        self.idle: Any = False
        self.uses = 1
        #: The trial that its server stands, while it does.
        self.trial: _Trial | None = None
        self._noticed = noticed
        self._look: Callable[[int], Any] | None = None

    def start_timeout(self) -> None:
        """aiohttp calls this when a request is written."""
        self.wrote = True
        _start_timeout(self)

    def data_received(self, data: bytes) -> None:
        if self.idle:
            if data:
                self.unasked(data)
            return
        if not self.wrote and data:
            self.early = True
        _data_received(self, data)
        # The answer may have ended in this piece, and with it the use of the connection.
        if self._buffer and self.idle:
            self.unasked(b"")

    @property
    def doubtful(self) -> bool:
        """Whether the answer may be another request's: it came too early, or beside a second on a connection that
        was used before."""
        return self.early or (self.extra and self.uses > 1)

    def unasked(self, data: bytes) -> None:
        """Drop what nobody asked for, and the connection with it."""
        self.extra = True
        if (data.strip() and not data.startswith(_GOODBYE)) or self._buffer:
            self._noticed()
        self._buffer.clear()
        if self.transport is not None:
            self.transport.abort()

    def quiet(self) -> bool:
        """Whether the socket has nothing to read, its end included. What was read, `data_received` has seen."""
        look = self._look
        if look is None:
            look = self._look = _looker(self.transport)
        return not look(0)


def _looker(transport: Any) -> Callable[[int], Any]:
    """A function that says whether a transport's socket has something to read."""
    socket = transport.get_extra_info("socket")
    number = socket.fileno() if socket is not None else -1
    if number < 0:
        return bool
    if not hasattr(select, "poll"):  # pragma: no cover (Windows)
        return lambda wait: select.select([number], [], [], wait)[0]
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return poll.poll


class _Trial:
    """The first connections to a server: some rest, to see whether it sends more than it was asked for."""

    def __init__(self) -> None:
        self.resting: list[tuple[Line, float]] = []
        self.answers = 0
        self.over = False

    def takes(self, line: Line) -> bool:
        """Count an answer; whether its connection is to rest, and not to be closed."""
        self.answers += 1
        self.resting = [(other, since) for other, since in self.resting if other.is_connected()]
        if len(self.resting) == _RESTING:
            return False
        self.resting.append((line, time.monotonic()))
        return True

    @property
    def passed(self) -> bool:
        """Whether nothing came for long enough."""
        least = _REST if self.answers < _MANY else _SHORT_REST
        until = time.monotonic() - least
        return any(since <= until and line.is_connected() and line.quiet() for line, since in self.resting)


_get, _release = aiohttp.TCPConnector._get, aiohttp.TCPConnector._release


class Connector(aiohttp.TCPConnector):
    """A pool that hands out connections on which nothing came while they were idle."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory: Any = functools.partial(Line, loop=self._loop, noticed=self._distrust)
        #: Whether a connection is used for more than one request.
        self.reuses = True
        #: Servers whose trial goes on, and those that passed.
        self._trials: dict[Any, _Trial] = {}
        self._passed: set[Any] = set()

    def _distrust(self) -> None:
        self.reuses = False

    async def _get(self, key: Any, traces: Any) -> Any:
        if self._trials and self.reuses and (trial := self._trials.get(key)) is not None:
            if not trial.passed:
                return None
            trial.over = True
            del self._trials[key]
            self._passed.add(key)
        while (connection := await _get(self, key, traces)) is not None:
            line: Any = connection.protocol
            if self.reuses and not line.extra and line.quiet():
                line.idle = line.wrote = False
                line.uses += 1
                LINE.set(line)
                return connection
            connection.close()
        return None

    async def _create_connection(self, req: Any, *args: Any, **named: Any) -> Any:
        line: Any = await super()._create_connection(req, *args, **named)
        if (key := req.connection_key) not in self._passed:
            line.trial = self._trials.setdefault(key, _Trial())
        LINE.set(line)
        return line

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        protocol.idle = True
        close = should_close or not self.reuses
        if not close:
            if protocol._buffer:
                protocol.unasked(b"")
            if (trial := protocol.trial) is not None and not protocol.should_close:
                if trial.over:
                    protocol.trial = None
                else:
                    close = not trial.takes(protocol)
        _release(self, key, protocol, should_close=close)
