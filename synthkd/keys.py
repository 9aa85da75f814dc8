"""Content hashes: the source of every id and every key in synthkd."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from hashlib import blake2b as _blake2b
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.text.normal_forms import normal_text

if TYPE_CHECKING:
    import pyarrow as pa

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical(value: Any) -> bytes:
    """Return UTF-8 JSON with sorted keys and no spaces: equal values have equal bytes.

    NaN raises ValueError.
    """
    if type(value) is list and {str}.issuperset(map(type, value)):
        # Most ids are hashes of such lists; this takes a third of the time.
        return f"[{','.join(map(encode_basestring, value))}]".encode("utf-8", "surrogatepass")
    if type(value) is dict and {str}.issuperset(map(type, (*value, *value.values()))):
        # Most input rows, likewise.
        pairs = [
            f"{encode_basestring(name)}:{encode_basestring(value[name])}" for name in sorted(value)
        ]
        return f"{{{','.join(pairs)}}}".encode("utf-8", "surrogatepass")
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


def content_hash(value: Any, size: int = 16) -> str:
    """Return the hex BLAKE2b hash of the canonical JSON of a value; ``size`` is in bytes."""
    return bytes_hash(canonical(value), size)


def bytes_hash(data: bytes, size: int = 16) -> str:
    """Return the hex BLAKE2b hash of bytes, such as a value's canonical JSON."""
    return hashlib.blake2b(data, digest_size=size).hexdigest()


def encoded_text(text: str) -> str:
    """Return the canonical JSON of a text, as a text."""
    return encode_basestring(text)


def hex_hashes(blocks: Iterable[bytes], size: int = 16) -> pa.StringArray:
    """Return `bytes_hash` of many blocks as an Arrow array."""
    import pyarrow as pa

    hashed = b"".join([_blake2b(block, digest_size=size).digest() for block in blocks])
    count = len(hashed) // size
    offsets = pa.array(range(0, (count + 1) * 2 * size, 2 * size), pa.int32())
    return pa.StringArray.from_buffers(
        count, offsets.buffers()[1], pa.py_buffer(hashed.hex().encode())
    )


def file_hash(path: Path) -> str:
    """Return the hex BLAKE2b hash (16 bytes) of a file, which is read in blocks."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_hash(path: Path) -> str:
    """Return the hex SHA-256 hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_hash(text: str) -> str:
    """Return a short hex hash (6 bytes) of a text's `normal_text`.

    With such hashes a loop tells a teacher which texts it has, without showing them.
    """
    return content_hash(normal_text(text), 6)


def fraction(value: str) -> float:
    """Return a number in [0, 1) that depends on a string alone, for splits and draws."""
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def seed_from(*parts: Any) -> int:
    """Return a 63-bit seed that depends on its parts alone."""
    digest = hashlib.blake2b(canonical(list(parts)), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
