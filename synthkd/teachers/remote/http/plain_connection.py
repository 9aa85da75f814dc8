"""One plain HTTP/1.1 connection: a request, its answer, and bounds on what the server sends.

    idle ──send──► busy ──whole answer──► idle, if the server keeps it open
      │              └──error, timeout, cancelled──► closed
      └──any data──► closed (see `reuse`)

llhttp, strict, finds where an answer ends: a response with two lengths, a broken chunk or an
unknown transfer encoding is an error, never a guess. Nothing is pipelined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import httptools
from multidict import CIMultiDict

from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.error_responses import ANSWER_STATUSES
from synthkd.teachers.remote.http.bounded_body import MAX_ERROR_BYTES, decoder
from synthkd.teachers.remote.http.contract import HttpResponse, UnknownAnswerError
from synthkd.teachers.remote.http.failures import too_large
from synthkd.teachers.remote.http.reuse import is_surplus, make_poll

if TYPE_CHECKING:
    from synthkd.teachers.remote.http.reuse import Probation

#: Bytes of the head of an answer, and bytes beside its body altogether: heads of interim answers,
#: sizes and extensions of chunks, trailers.
_MAX_HEAD = 64 * 1024
#: Bytes beside the body that each byte of the body may come with: chunks of one byte.
_MAX_OVERHEAD = 16
#: The body of an error that is not encoded as its header says.
_NOT_DECODED = b"(a body that does not decode)"

NO_HEADERS: Mapping[str, str] = CIMultiDict()


class BrokenConnectionError(Exception):
    """The connection ended before the answer did; the message says how."""


class Pool(Protocol):
    """Receiver of a connection's events."""

    def on_answer(self, connection: PlainConnection) -> None:
        """Take back a connection whose answer has ended."""

    def on_failure(self, connection: PlainConnection) -> None:
        """Take note of a request that failed; its connection is being closed."""

    def on_closed(self, connection: PlainConnection) -> None:
        """Forget a connection."""

    def on_surplus(self) -> None:
        """Take note of an answer without a request."""

    def error_of(self, connection: PlainConnection, error: Exception) -> Exception:
        """Return the error to raise for one of a connection."""


class PlainConnection(asyncio.Protocol):
    """The protocol of one connection.

    Args:
        pool: What is told of answers, failures and the end of the connection.
        max_bytes: Bytes of a decoded body at most.

    Attributes:
        is_written: The whole request was passed to the transport, so that the server may have
            worked on it.
        slot: The slot of the request's deadline.
        idle_since: Time at which the last answer ended.
        probation: The probation of its server, as long as that lasts.
        keeps_open: The server lets the connection be used again.
    """

    def __init__(self, pool: Pool, max_bytes: int) -> None:
        self._pool, self._max_bytes = pool, max_bytes
        self._transport: Any = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[HttpResponse] | None = None
        self._poll: Callable[[int], Any] | None = None
        self.is_written = False
        self.slot = 0
        self.idle_since = 0.0
        self.probation: Probation | None = None
        self.keeps_open = True
        self._uses = 0
        self._start_answer()

    def _start_answer(self) -> None:
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        #: Several pieces are joined as they come: a list of small ones is many times their size.
        self._body: bytes | bytearray = b""
        self._decode: Callable[[bytes, int], bytes] | None = None
        self._raw_bytes = self._body_bytes = self._latest_body = 0
        self._is_whole = self._has_end = self._is_early = self._has_surplus = False
        self._is_cut = self._is_chunked = False
        self._latest_piece = b""

    # For the pool

    def is_connected(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def is_quiet(self) -> bool:
        poll = self._poll
        if poll is None:
            poll = self._poll = make_poll(self._transport)
        return not poll(0)

    @property
    def is_busy(self) -> bool:
        """True while a request waits for its answer."""
        return self._waiter is not None

    def send(self, request: bytes, waiter: asyncio.Future[HttpResponse]) -> None:
        """Write a request, and set the result of its future once the answer is whole."""
        self._uses += 1
        if self._uses > 1:
            self._start_answer()
        self._waiter = waiter
        self.is_written = True
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection; a request in flight fails."""
        # Of a body without length, what came until now is not all.
        self._has_end = True
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: Exception) -> None:
        """End the request in flight with an error, and close the connection."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._pool.on_failure(self)
            if not waiter.done():
                waiter.set_exception(self._pool.error_of(self, error))
                # Looked at, so that asyncio does not log it if the request is left just now.
                waiter.exception()
        self.close()

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def pause_writing(self) -> None:
        self.is_written = False

    def resume_writing(self) -> None:
        self.is_written = True

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter is not None:
            if error is not None or self._has_end or not self._status:
                what = "closed before the whole answer came" if error is None else repr(error)
                self.fail(BrokenConnectionError(what))
            else:
                # Without a length, the end of the connection is the end of the body.
                self.keeps_open = False
                self._finish()
        self._pool.on_closed(self)
        # The two refer to each other, and garbage is collected rarely.
        self._parser = None

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self._drop_surplus(data)
            return
        if not self.is_written:
            self._is_early = True
        self._raw_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(UnknownAnswerError("the server changed to another protocol"))
            return
        except httptools.HttpParserError as error:
            if self._is_whole:
                # What follows the answer is no answer.
                self._has_surplus = True
            else:
                cause = error.__context__
                self.fail(
                    cause
                    if isinstance(cause, TransientError | UnknownAnswerError)
                    else UnknownAnswerError(f"no answer of HTTP/1.1 ({error})")
                )
                return
        if self._is_whole or self._is_cut:
            if data.endswith(b"\r\n") and not self._is_end(data):
                # The parser skips empty lines between answers; what else follows may be no answer.
                self.keeps_open = False
            self._finish()
        elif self._raw_bytes > _MAX_HEAD and self._is_padded():
            self.fail(UnknownAnswerError("more bytes around the answer than in it"))

    def _is_end(self, data: bytes) -> bool:
        """Return True if the line break that ends ``data`` belongs to the answer."""
        if self._is_chunked or not self._body_bytes:
            return not data.endswith(b"\r\n\r\n\r\n")
        return data.endswith(self._latest_piece)

    def _is_padded(self) -> bool:
        most = _MAX_HEAD + (1 + _MAX_OVERHEAD) * self._body_bytes
        return self._raw_bytes > most or self._raw_bytes - self._latest_body > _MAX_HEAD

    def _finish(self) -> None:
        waiter, self._waiter = self._waiter, None
        if self._is_cut or self._is_early:
            self.keeps_open = False
        if self._has_surplus:
            self._drop_surplus(b"HTTP")
        assert waiter is not None
        if not waiter.done():
            if (error := self._end_of_body()) is not None:
                waiter.set_exception(error)
                waiter.exception()
            else:
                body = self._body
                waiter.set_result(
                    HttpResponse(
                        self._status,
                        NO_HEADERS if self._status in ANSWER_STATUSES else self._named_headers(),
                        body if isinstance(body, bytes) else bytes(body),
                        self._is_early or (self._has_surplus and self._uses > 1),
                    )
                )
        # Not kept while the connection is idle.
        self._body = self._latest_piece = b""
        self._pool.on_answer(self)

    def _end_of_body(self) -> TransientError | None:
        """Return the error of an encoded answer whose end is missing."""
        if self._decode is not None and not self._is_cut:
            try:
                self._decode(b"", 0)
            except TransientError as error:
                if self._status in ANSWER_STATUSES:
                    return error
                self._body = _NOT_DECODED
        return None

    def _named_headers(self) -> Mapping[str, str]:
        return CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in self._headers
        )

    def _drop_surplus(self, data: bytes) -> None:
        """Take note of data without a request, and abort the connection."""
        self.keeps_open = False
        if is_surplus(data):
            self._pool.on_surplus()
        self.close()

    # Called by the parser

    def on_message_begin(self) -> None:
        if self._is_whole:
            self._has_surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        # After the head, it is a trailer, or of an answer that nobody asked for.
        if not self._status:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._is_whole:
            return
        status = self._status = self._parser.get_status_code()
        if status < 100:
            raise UnknownAnswerError("a status below 100")
        if (
            self._raw_bytes > _MAX_HEAD
            and sum(len(name) + len(value) for name, value in self._headers) > _MAX_HEAD
        ):
            raise UnknownAnswerError("a head of more than 64 KiB")
        encoding = b""
        for name, value in self._headers:
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                self._has_end = True
            elif size == 17 and name.lower() == b"transfer-encoding":
                # llhttp finds the end of chunks; another coding may reach to the connection's end.
                if value.strip().lower() != b"chunked":
                    raise UnknownAnswerError("an unknown transfer encoding")
                self._has_end = self._is_chunked = True
            elif size == 16 and name.lower() == b"content-encoding":
                if encoding:
                    raise UnknownAnswerError("two content encodings")
                encoding = value
        if status >= 200 and encoding:
            try:
                self._decode = decoder(encoding.decode("latin-1"))
            except TransientError:
                # The message of an error is shown as it stands.
                if status in ANSWER_STATUSES:
                    raise

    def on_body(self, data: bytes) -> None:
        if self._is_whole or self._is_cut:
            return
        status = self._status
        if status < 200:
            raise UnknownAnswerError("an interim answer with a body")
        self._body_bytes += len(data)
        self._latest_body, self._latest_piece = self._raw_bytes, data
        is_answer = status in ANSWER_STATUSES
        most = self._max_bytes if is_answer else MAX_ERROR_BYTES
        left = most - len(self._body)
        if self._decode is not None:
            try:
                data = self._decode(data, left + 1)
            except TransientError:
                if is_answer:
                    raise
                self._body, self._is_cut = _NOT_DECODED, True
                return
        if len(data) > left:
            if is_answer:
                raise too_large(most)
            data, self._is_cut = data[:left], True
        if not self._body:
            self._body = data
        elif isinstance(self._body, bytearray):
            self._body += data
        else:
            self._body = bytearray(self._body) + data

    def on_message_complete(self) -> None:
        if self._status < 200:
            # An interim answer: the one that counts follows.
            self._status, self._has_end = 0, False
            self._headers.clear()
        elif not self._is_whole:
            self._is_whole = True
            self.keeps_open = self._parser.should_keep_alive()
