"""One process writes a journal for all worker processes of a run: both ends of the connection.

    worker  `RemoteCommits` ──► writes, those of one turn of the loop in a line ──► parent
            ◄── their results, those of one commit in a line ── `WriterService`

Lines of JSON over a pair of sockets. A write that has come whole is committed, even if its worker
is killed meanwhile. A worker whose parent is gone gets no result: what it has on the wire is
charged by its marks when the run is started again.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

from synthkd import errors
from synthkd.errors import JournalError, SynthKDError
from synthkd.fastjson import dumps, loads
from synthkd.journal.commits import GroupCommitter, Outcome
from synthkd.journal.ledger import Caps
from synthkd.journal.store import Journal
from synthkd.journal.writes import Write, write_from_json, write_to_json

#: Bytes that are read from a connection at once, at most.
_BUFFER = 1 << 20
#: A worker's connection, and the number that the worker has given to a write.
_Ticket = tuple[socket.socket, int]


class WriterService:
    """Writes the journal for the worker processes of a run. Use as a context manager.

    Leave it when the workers have ended: what they have sent is committed then.

    Args:
        journal: The journal.
        run: Name of the run, which this process has claimed.
        caps: What all workers together may spend.
    """

    def __init__(self, journal: Journal, run: str, caps: Caps | None) -> None:
        self._committer = GroupCommitter[_Ticket](journal, run, caps, True, self._deliver)
        self._readers: dict[socket.socket, threading.Thread] = {}

    def __enter__(self) -> WriterService:
        self._committer.start()
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers.values():
            reader.join()
        self._committer.close()
        for connection in self._readers:
            connection.close()

    def connect(self) -> socket.socket:
        """Return the worker's end of a new connection; close it here when the worker has it."""
        own, other = socket.socketpair()
        self._readers[own] = threading.Thread(target=self._read, args=(own,), daemon=True)
        self._readers[own].start()
        return other

    def _read(self, connection: socket.socket) -> None:
        """Pass on the writes of a worker until it ends its connection, or is killed."""
        try:
            with connection.makefile("rb", _BUFFER) as lines, suppress(ConnectionError):
                for line in lines:
                    # A killed worker leaves a part of a line.
                    if line.endswith(b"\n"):
                        self._committer.add(
                            *(
                                ((connection, number), write_from_json(values))
                                for number, values in loads(line)
                            )
                        )
        finally:
            # A worker that is still there must not wait for results that do not come.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _deliver(self, outcomes: Sequence[tuple[_Ticket, Outcome]]) -> None:
        lines: dict[socket.socket, list[Any]] = {}
        for (connection, number), (result, error) in outcomes:
            lines.setdefault(connection, []).append((number, result, _error_to_json(error)))
        for connection, line in lines.items():
            # A worker that is gone needs no result.
            with suppress(OSError):
                connection.sendall(dumps(line) + b"\n")


class RemoteCommits(asyncio.Protocol):
    """The worker's end: has its writes committed by the process at the other end.

    Args:
        connection: The socket that `WriterService.connect` returned, here or as a descriptor that
            this process was started with.
    """

    def __init__(self, connection: socket.socket) -> None:
        # Programs that this process starts must not hold the connection open.
        connection.set_inheritable(False)
        self._connection = connection
        self._futures: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._line: list[tuple[int, list[Any]]] = []
        self._received = bytearray()
        self._lost: JournalError | None = None

    @classmethod
    def of_descriptor(cls, descriptor: int) -> RemoteCommits:
        """Take the connection that this process was started with."""
        return cls(socket.socket(fileno=descriptor))

    # The contract of `Commits`

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._loop.create_connection(lambda: self, sock=self._connection)

    def submit(self, write: Write) -> asyncio.Future[Any]:
        future = self._loop.create_future()
        if self._lost is not None:
            future.set_exception(self._lost)
            return future
        self._number += 1
        self._futures[self._number] = future
        if not self._line:
            self._loop.call_soon(self._send)
        self._line.append((self._number, write_to_json(write)))
        return future

    def hurry(self) -> None:
        return

    async def close(self) -> None:
        self._transport.close()

    def _send(self) -> None:
        line, self._line = self._line, []
        if line:
            self._transport.write(dumps(line) + b"\n")

    # The protocol of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *lines, rest = (bytes(self._received) + data).split(b"\n")
        self._received[:] = rest
        for line in lines:
            for number, result, error in loads(line):
                future = self._futures.pop(number)
                if future.done():
                    continue
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(_error_from_json(error))

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = JournalError("the process that writes the journal has ended")
        for future in self._futures.values():
            if not future.done():
                future.set_exception(self._lost)
        self._futures.clear()
        self._line.clear()


def _error_to_json(error: Exception | None) -> tuple[str, str] | None:
    if error is None:
        return None
    if isinstance(error, SynthKDError):
        return type(error).__name__, str(error)
    return JournalError.__name__, f"the journal could not be written: {error!r}"


def _error_from_json(error: Sequence[str]) -> SynthKDError:
    name, detail = error
    return errors.of_name(name, detail)
