"""Read the body of an answer within a bound on its decoded size.

aiohttp reads bodies of any size: a gzip bomb, chunks without end. Here a body is decoded piece by
piece, and reading ends at the bound. A short body of known length, as of nearly every answer, is
read at once.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.http.failures import too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

#: The value of Accept-Encoding; an answer in another encoding is an error.
ACCEPTED_ENCODINGS = "gzip, deflate"
#: Bytes of an error's body that are read; the message is at its beginning.
MAX_ERROR_BYTES = 256 * 1024
#: Gzip members of a body at most.
_MAX_MEMBERS = 1000


def fits_at_once(headers: Mapping[str, str], most: int) -> bool:
    """Return True if a body is not encoded and its length is known and within the bound."""
    length = headers.get("Content-Length")
    return (
        length is not None
        and len(length) < 16
        and length.isdecimal()
        and int(length) <= most
        and "Content-Encoding" not in headers
        and "Transfer-Encoding" not in headers
    )


async def read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the decoded body of an answer.

    Raises:
        TransientError: The body is larger than ``most`` bytes, or does not decode.
    """
    if fits_at_once(response.headers, most):
        return await response.read()
    data = await _read(response, most, decoder(response.headers.get("Content-Encoding", "")))
    if len(data) > most:
        raise too_large(most)
    return data


async def read_error_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the beginning of an error's body: decoded, or raw in an unknown encoding."""
    encoding = response.headers.get("Content-Encoding", "")
    try:
        decode = decoder(encoding)
    except TransientError:
        decode = _plain
    try:
        return (await _read(response, MAX_ERROR_BYTES, decode))[:MAX_ERROR_BYTES]
    except TransientError:
        return b"(a body that does not decode)"


async def _read(
    response: aiohttp.ClientResponse, most: int, decode: Callable[[bytes, int], bytes]
) -> bytes:
    """Return a decoded body, or its first ``most`` + 1 bytes if it is larger."""
    body = bytearray()
    content = response.content
    while len(body) <= most and (data := await content.readany()):
        body += decode(data, most + 1 - len(body))
    if len(body) <= most:
        decode(b"", 0)
    return bytes(body)


def _plain(data: bytes, most: int) -> bytes:
    return data[:most]


def decoder(encoding: str) -> Callable[[bytes, int], bytes]:
    """Return a function that decodes pieces of a body.

    It takes a piece and the bytes to return at most. Called with an empty piece, it raises
    `TransientError` if the end of the body is missing.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _plain
    if name not in ("gzip", "x-gzip", "deflate"):
        raise TransientError(
            "bad_response",
            f"the body has an encoding that was not requested ({name[:40]!r})",
            billed=None,
        )
    return _Inflate()


class _Inflate:
    """gzip, zlib and raw deflate (which some servers call deflate), in any number of members."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None
        self._window_bits: int | None = None
        self._members = 0

    def __call__(self, data: bytes, most: int) -> bytes:
        if not data:
            if self._member is not None and not self._member.eof:
                raise _broken()
            return b""
        decoded = bytearray()
        try:
            while data and len(decoded) < most:
                if self._member is None or self._member.eof:
                    self._member = self._next_member(data)
                decoded += self._member.decompress(data, most - len(decoded))
                data = (
                    self._member.unused_data if self._member.eof else self._member.unconsumed_tail
                )
        except zlib.error:
            raise _broken() from None
        return bytes(decoded)

    def _next_member(self, data: bytes) -> zlib._Decompress:
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise _broken()
        if self._window_bits is None:
            # 47: gzip or zlib by the header (first byte of zlib: low half 8). -15: raw deflate.
            self._window_bits = 47 if data[:1] == b"\x1f" or data[0] & 15 == 8 else -15
        return zlib.decompressobj(self._window_bits)


def _broken() -> TransientError:
    return TransientError("bad_response", "the body is not encoded as its header says", billed=None)
