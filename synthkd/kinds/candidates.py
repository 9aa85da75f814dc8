"""Results of parsing: candidates as rows, and the reason if there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A candidate or an input: values by column.
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A completion without a candidate. ``reason`` is a short name."""

    reason: str
    detail: str = ""


#: The candidates of a completion, with a Malformed for each part that cannot be read; or why there
#: is none.
Candidates = list[dict[str, Any] | Malformed] | list[dict[str, Any]] | Malformed


def readable(candidates: Candidates) -> list[dict[str, Any]] | Malformed:
    """Return what `Kind.parse` gave without its unreadable parts, unless there is nothing else."""
    if isinstance(candidates, Malformed):
        return candidates
    rows: list[dict[str, Any]] = []
    problem: Malformed | None = None
    for part in candidates:
        if isinstance(part, Malformed):
            problem = problem or part
        else:
            rows.append(part)
    return rows if rows or problem is None else problem
