"""JSON for what goes over the wire: orjson where it is to be had, else the standard library.

Never for keys: their bytes must not depend on what is installed (see `keys`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

loads: Callable[[bytes], Any]
dumps: Callable[[Any], bytes]

try:
    import orjson
except ImportError:
    loads = json.loads

    def dumps(value: Any) -> bytes:
        """UTF-8 JSON."""
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")

else:
    loads = orjson.loads

    def dumps(value: Any) -> bytes:
        """UTF-8 JSON."""
        try:
            return orjson.dumps(value)
        except orjson.JSONEncodeError:
            # Lone surrogates and integers beyond 64 bits, which orjson refuses.
            return json.dumps(value).encode()
