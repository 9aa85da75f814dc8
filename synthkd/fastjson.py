"""JSON for what goes over the wire: orjson where it is to be had, else the standard library.

What is read does not depend on which it is: a text that orjson refuses (half of a surrogate pair, ``NaN``, a byte order
mark) goes to the standard library. Never for keys: their bytes must not depend on what is installed (see `keys`).
"""

from __future__ import annotations

import json
from typing import Any


def _lenient(data: bytes) -> Any:
    """The value of a JSON text. Raises `ValueError` for what is none, or is nested too deeply."""
    try:
        # Some servers write control characters into texts as they stand.
        return json.loads(data, strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


try:
    import orjson
except ImportError:
    loads = _lenient

    def dumps(value: Any) -> bytes:
        """UTF-8 JSON."""
        try:
            return json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # Lone surrogates as escapes, which every reader of JSON takes.
            return json.dumps(value).encode()

else:
    _strict = orjson.loads

    def loads(data: bytes) -> Any:
        """The value of a JSON text. Raises `ValueError` for what is none, or is nested too deeply."""
        try:
            return _strict(data)
        except ValueError:
            return _lenient(data)

    def dumps(value: Any) -> bytes:
        """UTF-8 JSON."""
        try:
            return orjson.dumps(value)
        except orjson.JSONEncodeError:
            # Lone surrogates and integers beyond 64 bits, which orjson refuses.
            return json.dumps(value).encode()
