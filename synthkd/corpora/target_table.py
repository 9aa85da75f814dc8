"""What table and card say of a target: how it ended, its values and its rounds."""

from __future__ import annotations

from typing import Any

from synthkd.reporting.safe_text import clean, markdown
from synthkd.reporting.tables import markdown_table

#: Values in a table at most: those that lack most come first.
_SHOWN = 20


def target_rows(target: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return the lines of a target for the table of a run; none without a target."""
    if not target:
        return []
    rows = [("target", f"{_goal(target)}: {_ending(target)}")]
    rows += [
        (
            f"  {clean(value) or '(none)'}",
            f"{one['accepted']:,} of {target['accepted']:,} ({one['ended']}), yield {_yield(one)}",
        )
        for value, one in _short_of(target)
        if target["per"] is not None
    ]
    asked = " + ".join(f"{one['completions']:,}" for one in target["rounds"])
    accepted = " + ".join(f"{one['accepted']:,}" for one in target["rounds"])
    return [*rows, ("  rounds", f"{asked} completions, {accepted} accepted rows")]


def target_section(target: dict[str, Any] | None) -> str:
    """Return the section of a card in Markdown; empty without a target."""
    if not target:
        return ""
    intervals = "Yields are accepted rows per completion, with 95 % intervals."
    parts = [
        f"## Target\n\n{markdown(_goal(target))}: {markdown(_ending(target))}. {intervals}",
        markdown_table([("round", "completions", "accepted", "yield"), *_rounds(target)]),
    ]
    if target["per"] is not None:
        values = _by_need(target)
        head = (target["per"], "accepted", "completions", "yield", "ended")
        lines = [
            (
                value,
                f"{one['accepted']:,}",
                f"{one['completions']:,}",
                _yield(one),
                one["ended"],
            )
            for value, one in values[:_SHOWN]
        ]
        parts.append(markdown_table([head, *lines]))
        if len(values) > _SHOWN:
            parts.append(f"{len(values) - _SHOWN:,} more values are in the manifest.")
    return "\n\n".join(parts)


def _goal(target: dict[str, Any]) -> str:
    per = "" if target["per"] is None else f" per {target['per']}"
    return f"{target['accepted']:,} accepted rows{per}"


def _ending(target: dict[str, Any]) -> str:
    values, rounds = target["values"], len(target["rounds"])
    reached = sum(one["accepted"] >= target["accepted"] for one in values.values())
    ended = target["ended"]
    if reached == len(values):
        how = "reached"
    elif target["per"] is None:
        how = f"not reached ({ended})"
    else:
        how = f"reached for {reached:,} of {len(values):,} ({ended})"
    return (
        f"{how}, with {target['completions']:,} completions in {rounds:,}"
        f" round{'' if rounds == 1 else 's'}"
    )


def _rounds(target: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (str(number), f"{one['completions']:,}", f"{one['accepted']:,}", _yield(one))
        for number, one in enumerate(target["rounds"], 1)
    ]


def _yield(one: dict[str, Any]) -> str:
    return f"{one['yield']:.3f} ({one['low']:.3f} to {one['high']:.3f})"


def _by_need(target: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return sorted(target["values"].items(), key=lambda item: item[1]["accepted"])


def _short_of(target: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    short = [item for item in _by_need(target) if item[1]["accepted"] < target["accepted"]]
    return short[:_SHOWN]
