"""Faces of packages whose names load their modules when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str], names: Sequence[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: The package, ``__name__`` of its face.
        homes: Public name to its module: within the package, or from `synthkd.` on.
        names: All public names.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name]
        return getattr(
            import_module(home if home.startswith("synthkd.") else f"{package}.{home}"), name
        )

    return get, lambda: list(names)
