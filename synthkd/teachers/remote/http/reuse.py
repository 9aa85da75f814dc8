"""Decide if a connection can be used again, for both clients.

HTTP/1.1 matches answers to requests by their order alone: the surplus answer of a server or gateway
on a kept-alive connection would be read as the answer to the next request. A connection is closed
if

    data arrives while it is idle       seen at once, or when its socket is checked before reuse
    a second answer follows the first   both in one piece of data

A server that has sent a surplus answer gets a new connection per request, since on a busy
connection such an answer looks like a true one. For the same reason, connections are reused only
after the first ones to a server have been idle for a moment without data (`Probation`).
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any, Protocol

#: Connections to a new server that stay idle, and seconds without data until it is trusted. After
#: many answers the shorter time is enough: on a fast server, new connections cost more.
_IDLE_CONNECTIONS, _QUIET_TIME, _SHORT_QUIET_TIME, _MANY_ANSWERS = 2, 1.0, 0.03, 128
#: Seconds after which an idle connection is not used again.
KEEP_ALIVE = 30.0
#: Statuses that some load balancers send on an idle connection before they close it.
_GOODBYE = (b"HTTP/1.1 408", b"HTTP/1.0 408")


class ReusableConnection(Protocol):
    """A connection that may be used for more than one request."""

    def is_connected(self) -> bool:
        """Return True as long as neither side has closed it."""

    def is_quiet(self) -> bool:
        """Return True if the socket has neither data nor its end to read."""


def is_surplus(data: bytes) -> bool:
    """Return True if data on an idle connection may be the answer to another request."""
    return bool(data.strip()) and not data.startswith(_GOODBYE)


def make_poll(transport: Any) -> Callable[[int], Any]:
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


class Probation:
    """The first connections to a server: some stay idle, to see if it sends surplus data.

    Attributes:
        is_over: The server is trusted.
    """

    def __init__(self) -> None:
        self.idle: list[tuple[ReusableConnection, float]] = []
        self.answers = 0
        self.is_over = False

    def keep_idle(self, connection: ReusableConnection) -> bool:
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
