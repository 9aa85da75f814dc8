"""The end of a process at a step of its work, as a kill there would be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Died(BaseException):
    """Stands for the end of a process."""


def dying(
    owner: type, name: str, when: str, die: Callable[[], None], nth: int = 1
) -> Callable[..., Any]:
    """Return a method that ends the process the nth time."""
    work, calls = getattr(owner, name), [0]

    def at(place: str) -> None:
        if place == "before":
            calls[0] += 1
        if place == when and calls[0] == nth:
            die()

    async def later(*args: Any) -> Any:
        at("before")
        found = await work(*args)
        at("after")
        return found

    def now(*args: Any) -> Any:
        at("before")
        found = work(*args)
        at("after")
        return found

    return later if asyncio.iscoroutinefunction(work) else now


def raise_died() -> None:
    raise Died
