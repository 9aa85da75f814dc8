"""Rounds in words: the line of a round, and the table of all rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkd.loops.rounds import Round, best_round
from synthkd.reporting.tables import text_table

#: Names of metrics in tables; others are shown as they are.
METRIC_NAMES = {
    "loss": "val loss", "accuracy": "val acc", "macro_f1": "macro-F1", "test_accuracy": "test acc",
    "accepted": "answers accepted", "test_validity": "test validity", "test_gold": "test gold",
}  # fmt: skip
#: Reasons that limit the rows of a class.
ALLOCATION_LIMITS = {
    "ended": "no more rows come, and none were asked for, of",
    "short": "few rows come, and fewer were asked for, of",
    "unmoved": "the loss did not fall with more rows, so no more than an equal share for",
}
#: Reasons and classes that a line names at most.
_NAMED = 3


def round_line(one: Round, earlier: Sequence[Round]) -> str:
    """Return a round's requests, rows and figures in one line."""
    record, counts = one.record, one.record["counts"]
    line = f"round {one.number}: "
    if record["wanted"]:
        line += f"asked {record['wanted']:,}, accepted {counts['accepted']:,}{_lost(counts)}, "
    excluded = f" ({record['set_aside']:,} set aside)" if record["set_aside"] else ""
    line += f"{record['rows']:,} rows{excluded}; " + ", ".join(
        f"{METRIC_NAMES.get(name, name)} {value:.3f}"
        for name, value in record["figures"]["shown"].items()
        if value is not None
    )
    if other := record["facts"].get("other_class"):
        line += f"; {other:,} rows of another class than asked for"
    if limits := new_limits(record["facts"], earlier[-1].record["facts"] if earlier else {}):
        line += f"; {limits}"
    if all(one.score > other.score for other in earlier):
        return line + ("; the best so far" if earlier else "")
    return line + f"; no better than round {best_round(earlier)}"


def new_limits(facts: Mapping[str, Any], previous: Mapping[str, Any]) -> str:
    """Return the limits of a round's allocation that the previous round did not have, in words."""
    new, old = (one.get("allocation") or {} for one in (facts, previous))
    parts = [
        f"{reason} {_classes(labels)}"
        for name, reason in ALLOCATION_LIMITS.items()
        if (labels := [label for label in new.get(name, ()) if label not in old.get(name, ())])
    ]
    return "; ".join(parts)


def _classes(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(map(repr, labels[:_NAMED])) + more


def _lost(counts: dict[str, Any]) -> str:
    """Return the most frequent reasons of lost rows, in brackets."""
    reasons = {name: number for name, number in counts["rejected"].items() if number}
    reasons |= {f"failed: {name}": number for name, number in counts["failures"].items()}
    if counts["malformed"]:
        reasons["malformed"] = counts["malformed"]
    frequent = sorted(reasons.items(), key=lambda one: -one[1])[:_NAMED]
    return f" ({', '.join(f'{name} {number:,}' for name, number in frequent)})" if frequent else ""


def round_table(
    rounds: Sequence[Round], metrics: Sequence[str], seconds: Sequence[float | None] | None = None
) -> list[list[str]]:
    """Return a header and a row for each round. ``seconds`` are the durations of the rounds."""
    shown = [
        name
        for name in metrics
        if any(one.record["figures"]["shown"].get(name) is not None for one in rounds)
    ]
    head = [
        "round",
        "asked",
        "accepted",
        "rows",
        *(METRIC_NAMES.get(name, name) for name in shown),
        "cost",
    ]
    lines = [head + (["seconds"] if seconds is not None else [])]
    for place, one in enumerate(rounds):
        counts, figures = one.record["counts"], one.record["figures"]["shown"]
        line = [
            str(one.number),
            f"{one.record['wanted']:,}",
            f"{counts['accepted']:,}",
            f"{one.record['rows']:,}",
        ]
        line += ["-" if figures.get(name) is None else f"{figures[name]:.3f}" for name in shown]
        line.append("-" if counts["cost"] is None else f"${counts['cost']:,.4f}")
        if seconds is not None:
            line.append("-" if seconds[place] is None else f"{seconds[place]:,.1f}")
        lines.append(line)
    return lines


def round_table_text(rows: Sequence[Sequence[str]], best: int) -> str:
    """Return the table of `round_table` as plain text; the best round is marked."""
    return text_table([[*row, "best" if row[0] == str(best) else ""] for row in rows], left=0)
