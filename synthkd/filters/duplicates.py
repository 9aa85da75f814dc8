"""Exact duplicates after normalisation: the likeliest candidate stays, and counts how often it came.

Equal knowledge has an equal id and so lies in one partition; a partition is decided alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

NAME = "duplicate"


@dataclass(frozen=True)
class Duplicates:
    """For each row: how many completions say the same (0 for rows that did not take part), and the reason
    where another row stands for it."""

    recurrence: list[int]
    reasons: list[str | None]


def find_duplicates(rows: pa.Table, open_rows: list[bool]) -> Duplicates:
    """Decide among the rows that are still open. The order of rows carries no meaning:
    the highest log-probability stays, and among equals the smallest completion key."""
    ids = rows.column("id").to_pylist()
    keys = rows.column("completion_key").to_pylist()
    logprobs = rows.column("logprob").to_pylist()
    best: dict[str, int] = {}
    said: dict[str, set[str]] = {}
    for place, is_open in enumerate(open_rows):
        if not is_open:
            continue
        name = ids[place]
        said.setdefault(name, set()).add(keys[place])
        if name not in best or _rank(place, logprobs, keys) < _rank(best[name], logprobs, keys):
            best[name] = place
    recurrence = [len(said[ids[i]]) if is_open else 0 for i, is_open in enumerate(open_rows)]
    reasons = [
        f"says the same as {keys[best[ids[i]]]}" if is_open and best[ids[i]] != i else None
        for i, is_open in enumerate(open_rows)
    ]
    return Duplicates(recurrence, reasons)


def _rank(place: int, logprobs: list[float | None], keys: list[str]) -> tuple[float, str]:
    logprob = logprobs[place]
    return (-logprob if logprob is not None else float("inf"), keys[place])
