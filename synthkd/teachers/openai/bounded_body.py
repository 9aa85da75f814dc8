"""The body of an answer, read within a bound of its decoded size.

aiohttp would hold whatever comes: a gzip bomb, chunks without end. Here a body is decoded piece by piece, and the
reading ends where the bound is passed. A short body of a known length, which nearly every answer is, is read at once.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING

from synthkd.teachers.dispatch import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

#: What is asked for. A server that encodes in another way has not read the request.
ENCODINGS = "gzip, deflate"
#: Bytes of an error's body that are read: its message stands at the beginning.
ERROR_BYTES = 256 * 1024
#: Gzip members, or pieces of one that decode to nothing, in a row.
_MEMBERS = 1000


def is_short(headers: Mapping[str, str], most: int) -> bool:
    """Whether a body is not encoded and of a known length within the bound: it can be read at once."""
    length = headers.get(CONTENT_LENGTH)
    return (
        length is not None
        and len(length) < 16
        and length.isdecimal()
        and int(length) <= most
        and CONTENT_ENCODING not in headers
        and TRANSFER_ENCODING not in headers
    )


async def read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The decoded body of a 200. Raises `TransientError` for one beyond ``most`` bytes, or that does not decode."""
    if is_short(response.headers, most):
        return await response.read()
    data = await _read(response, most, decoder(response.headers.get(CONTENT_ENCODING, "")))
    if len(data) > most:
        detail = f"the body is larger than teacher.max_answer_megabytes ({most / 1e6:g} MB), decoded"
        raise TransientError("bad_response", detail, billed=None)
    return data


async def read_error_body(response: aiohttp.ClientResponse) -> bytes:
    """The decoded beginning of an error's body; as it came where it does not decode."""
    encoding = response.headers.get(CONTENT_ENCODING, "")
    try:
        decode = decoder(encoding)
    except TransientError:
        decode = _plain
    try:
        return (await _read(response, ERROR_BYTES, decode))[:ERROR_BYTES]
    except TransientError:
        return b"(a body that does not decode)"


async def _read(response: aiohttp.ClientResponse, most: int, decode: Callable[[bytes, int], bytes]) -> bytes:
    """As much of a body as comes, until one byte beyond ``most``."""
    found = bytearray()
    content = response.content
    while len(found) <= most and (data := await content.readany()):
        found += decode(data, most + 1 - len(found))
    if len(found) <= most:
        decode(b"", 0)
    return bytes(found)


def _plain(data: bytes, most: int) -> bytes:
    return data[:most]


def decoder(encoding: str) -> Callable[[bytes, int], bytes]:
    """Decodes piece by piece, at most so many bytes at a time; an empty piece asks whether the end was there."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _plain
    if name not in ("gzip", "x-gzip", "deflate"):
        raise TransientError(
            "bad_response",
            f"the body is encoded in a way that was not asked for ({name[:40]!r})",
            billed=None,
        )
    return _Inflate()


class _Inflate:
    """gzip, zlib and raw deflate (which some servers call deflate), in any number of members."""

    def __init__(self) -> None:
        self._inside: zlib._Decompress | None = None
        self._bits: int | None = None
        self._members = 0

    def __call__(self, data: bytes, most: int) -> bytes:
        if not data:
            if self._inside is not None and not self._inside.eof:
                raise _broken()
            return b""
        found = bytearray()
        try:
            while data and len(found) < most:
                if self._inside is None or self._inside.eof:
                    self._inside = self._next(data)
                found += self._inside.decompress(data, most - len(found))
                data = self._inside.unused_data if self._inside.eof else self._inside.unconsumed_tail
        except zlib.error:
            raise _broken() from None
        return bytes(found)

    def _next(self, data: bytes) -> zlib._Decompress:
        self._members += 1
        if self._members > _MEMBERS:
            raise _broken()
        if self._bits is None:
            # 32: gzip or zlib, by its header; the low half of zlib's first byte is 8.
            self._bits = 47 if data[:1] == b"\x1f" or data[0] & 15 == 8 else -15
        return zlib.decompressobj(self._bits)


def _broken() -> TransientError:
    return TransientError("bad_response", "the body is not encoded as its header says", billed=None)
