"""Sums of the counts of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SUMS = ("asked", "completed", "failed", "missing", "malformed", "candidates", "accepted", "tokens")


def empty_counts() -> dict[str, Any]:
    """Return the counts of a round without requests."""
    return {
        **dict.fromkeys(_SUMS, 0),
        "failures": {},
        "rejected": {},
        "cost": None,
    }


def total_counts(counts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of counts; the cost is None if none is known."""
    total = empty_counts()
    for one in counts:
        for name in _SUMS:
            total[name] += one.get(name) or 0
        for name in ("failures", "rejected"):
            for reason, number in one.get(name, {}).items():
                total[name][reason] = total[name].get(reason, 0) + number
        if one.get("cost") is not None:
            total["cost"] = (total["cost"] or 0.0) + one["cost"]
    return total
