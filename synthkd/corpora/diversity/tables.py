"""Diversity as a table and as a sentence, for reports and cards."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "parsed": "parsed",
    "rules": "after the rules",
    "votes": "after votes and duplicates",
    "accepted": "accepted",
}
_MEASURES = {
    "class_entropy": "entropy of classes, nats",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "distinct_3": "distinct-3",
    "self_bleu": "self-BLEU",
    "soft_unique": "soft-unique share",
    "compression": "compression ratio",
}


def diversity_rows(diversity: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return a table with a row for each measure and a column for each stage."""
    stages = diversity["stages"]
    columns = list(next(iter(stages.values()))["unique"]) if stages else []
    rows = [("", *(_NAMES.get(name, name) for name in stages))]
    rows.append(("rows", *(f"{stage['rows']:,}" for stage in stages.values())))
    rows += [
        (f"unique {c}", *(f"{stage['unique'][c]:,}" for stage in stages.values())) for c in columns
    ]
    for name, title in _MEASURES.items():
        if any(name in stage for stage in stages.values()):
            rows.append(
                (
                    title,
                    *(f"{stage[name]:.3f}" if name in stage else "" for stage in stages.values()),
                )
            )
    return rows


def cost_sentence(diversity: dict[str, Any]) -> str:
    """Return what the critic costs in diversity; "" without a critic, or for too few rows."""
    cost = diversity.get("critic_cost") or {}
    changes = [
        f"{_MEASURES[name]} {_signed(at['difference'])} ({_signed(at['low'])} to"
        f" {_signed(at['high'])})"
        for name, at in cost.items()
        if at["low"] > 0 or at["high"] < 0
    ]
    if not cost:
        return ""
    if not changes:
        return "At equal rows the critic changed no measure of diversity beyond chance."
    return f"At equal rows the critic changed, with 95 % intervals: {', '.join(changes)}."


def _signed(value: float) -> str:
    return f"{value:+.3f}"
