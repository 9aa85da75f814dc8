"""JSON of requests and answers: by orjson if it is installed, else by the standard library.

Parsed values do not depend on the library: a text that orjson refuses (half of a surrogate pair,
``NaN``, a byte order mark) goes to the standard library. Not for keys: their bytes must not depend
on what is installed (see `keys`).
"""

from __future__ import annotations

import json
from typing import Any


def _lenient(data: bytes) -> Any:
    """Parse JSON by the standard library.

    Raises:
        ValueError: The text is not JSON, or is nested too deeply.
    """
    try:
        # Some servers write unescaped control characters into texts.
        return json.loads(data, strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


try:
    import orjson
except ImportError:
    loads = _lenient

    def dumps(value: Any) -> bytes:
        """Return a value as UTF-8 JSON."""
        try:
            return json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # Lone surrogates as escapes, which every JSON parser reads.
            return json.dumps(value).encode()

else:
    _strict = orjson.loads

    def loads(data: bytes) -> Any:
        """Parse JSON.

        Raises:
            ValueError: The text is not JSON, or is nested too deeply.
        """
        try:
            return _strict(data)
        except ValueError:
            return _lenient(data)

    def dumps(value: Any) -> bytes:
        """Return a value as UTF-8 JSON."""
        try:
            return orjson.dumps(value)
        except orjson.JSONEncodeError:
            # Lone surrogates and integers beyond 64 bits, which orjson refuses.
            return json.dumps(value).encode()
