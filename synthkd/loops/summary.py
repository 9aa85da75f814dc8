"""A loop in words: the line of a round, and the table of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkd.loops.rounds import Round, best_round
from synthkd.reporting.tables import text_table

#: Names of figures in tables; others stand as they are.
NAMES = {
    "loss": "val loss", "accuracy": "val acc", "macro_f1": "macro-F1", "test_accuracy": "test acc",
    "accepted": "answers accepted", "test_validity": "test validity", "test_gold": "test gold",
}  # fmt: skip
#: What holds an allocation back, in words.
LIMITS = {
    "ended": "no more rows come, and none were asked for, of",
    "short": "few rows come, and fewer were asked for, of",
    "unmoved": "the loss did not fall with more rows, so no more than an equal share for",
}
#: Reasons and classes that a line names.
_NAMED = 3


def round_line(done: Round, before: Sequence[Round]) -> str:
    """What a round asked, got and came to, in one line; ``before`` are the rounds before it."""
    record, counts = done.record, done.record["counts"]
    said = f"round {done.number}: "
    if record["wanted"]:
        said += f"asked {record['wanted']:,}, accepted {counts['accepted']:,}{_lost(counts)}, "
    aside = f" ({record['set_aside']:,} set aside)" if record["set_aside"] else ""
    said += f"{record['rows']:,} rows{aside}; " + ", ".join(
        f"{NAMES.get(name, name)} {value:.3f}"
        for name, value in record["figures"]["shown"].items()
        if value is not None
    )
    if other := record["told"].get("other_class"):
        said += f"; {other:,} rows of another class than asked for"
    if limits := limits_of(record["told"], before[-1].record["told"] if before else {}):
        said += f"; {limits}"
    if all(done.score > one.score for one in before):
        return said + ("; the best so far" if before else "")
    return said + f"; no better than round {best_round(before)}"


def limits_of(told: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """What held a round's allocation back and did not hold back the one before it, in words; "" where nothing did."""
    new, old = (one.get("allocation") or {} for one in (told, before))
    parts = [
        f"{said} {_classes(labels)}"
        for name, said in LIMITS.items()
        if (labels := [label for label in new.get(name, ()) if label not in old.get(name, ())])
    ]
    return "; ".join(parts)


def _classes(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(map(repr, labels[:_NAMED])) + more


def _lost(counts: dict[str, Any]) -> str:
    """What took the others, in brackets."""
    reasons = {name: number for name, number in counts["rejected"].items() if number}
    reasons |= {f"failed: {name}": number for name, number in counts["failures"].items()}
    if counts["malformed"]:
        reasons["malformed"] = counts["malformed"]
    found = sorted(reasons.items(), key=lambda one: -one[1])
    return f" ({', '.join(f'{name} {number:,}' for name, number in found[:_NAMED])})" if found else ""


def round_table(
    rounds: Sequence[Round], columns: Sequence[str], seconds: Sequence[float | None] | None = None
) -> list[list[str]]:
    """A head and a line for each round. ``seconds``: how long each took, where it is known."""
    shown = [
        name
        for name in columns
        if any(one.record["figures"]["shown"].get(name) is not None for one in rounds)
    ]
    head = ["round", "asked", "accepted", "rows", *(NAMES.get(name, name) for name in shown), "cost"]
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
