"""The folder of what this machine can make again: converted models, measured speeds."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return a folder of the cache, which may not exist yet.

    It is in ``$SYNTHKD_CACHE``, else in ``synthkd`` in the user's cache (``$XDG_CACHE_HOME`` or
    ``~/.cache``). Everything in it may be deleted at any time.
    """
    own = os.environ.get("SYNTHKD_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(own) if own else Path(shared) / "synthkd").expanduser() / name
