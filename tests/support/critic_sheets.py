"""Helpers of the tests of critic_sheets."""

from __future__ import annotations

from typing import Any


def sheet_rows(count: int = 400, **extra: Any) -> list[dict[str, Any]]:
    """Return rows of which even tails are valid; a head has two rows."""
    return [
        {
            "head": f"h{i // 2}",
            "relation": "UsedFor",
            "tail": f"{'good' if i % 2 == 0 else 'bad'} {i}",
            "label": i % 2 == 0,
        }
        | extra
        for i in range(count)
    ]
