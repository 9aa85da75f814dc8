"""Files that come with synthkd, in a wheel or in a source checkout."""

from __future__ import annotations

from pathlib import Path

from synthkd.errors import SynthKDError

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Return the path of a shipped file or folder, such as ``prompts/triple/everyday.j2``.

    A wheel keeps these files below ``synthkd/data``, a checkout beside the package.
    """
    for root in (_PACKAGE / "data", _PACKAGE.parent):
        path = root / name
        if path.exists():
            return path
    raise SynthKDError(f"{name} is not part of this installation of synthkd; install it again")
