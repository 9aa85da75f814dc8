"""Faults of the test server, by name."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any

#: Names of faults for `FakeServer`.
FAULTS = (
    "429", "429-seconds", "429-date", "429-quota", "500", "401", "404", "400-context", "400-filter",
    "reset", "hang",
    "cut", "drip", "not-json", "no-choices", "one-choice", "off-schema", "duplicate",
    "out-of-order",
    "content-filter", "first-withheld",
)  # fmt: skip
Reply = tuple[int, Any, dict[str, str]]


class Faults:
    """The fault of each request: from a script, then drawn by shares with a fixed seed."""

    def __init__(self, script: Iterable[str], rates: dict[str, float]) -> None:
        script = list(script)
        unknown = ({*rates} | {*script}) - {*FAULTS, ""}
        if unknown:
            raise ValueError(f"unknown faults {sorted(unknown)}; known are {', '.join(FAULTS)}")
        self._script, self._rates = iter(script), rates
        self._rng = random.Random(0)  # noqa: S311

    def next(self) -> str:
        """Return the name of the next request's fault; "" for none."""
        fault = next(self._script, None)
        return self._drawn() if fault is None else fault

    def _drawn(self) -> str:
        if not self._rates:
            return ""
        draw = self._rng.random()
        for name, share in self._rates.items():
            if draw < share:
                return name
            draw -= share
        return ""


def fault_reply(fault: str) -> Reply | None:
    """Return status, body and headers of a fault with a status of its own; None for any other."""
    if fault == "429-quota":
        return 429, _error("you exceeded your current quota", "insufficient_quota"), {}
    if fault.startswith("429"):
        wait = {"429-seconds": "1", "429-date": formatdate(time.time() + 1, usegmt=True)}.get(fault)
        return 429, _error("slow down"), {"retry-after": wait} if wait else {}
    if fault in ("500", "401", "404"):
        return int(fault), _error(f"planted {fault}"), {}
    if fault == "400-context":
        message = "this model's maximum context length is 8 tokens"
        return 400, _error(message, "context_length_exceeded"), {}
    if fault == "400-filter":
        return 400, _error("the prompt was refused", "content_filter"), {}
    return None


def _error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, **({"code": code} if code else {})}}
