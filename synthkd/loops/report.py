"""The report of a loop in Markdown: curve, rounds, classes, requests, errors, cost, hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkd.loops.rounds import Round
from synthkd.loops.summary import ALLOCATION_LIMITS, round_table
from synthkd.loops.task import LoopTask
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import markdown, markdown_code
from synthkd.reporting.tables import markdown_table

#: Classes of a table, and classes that a line names, at most.
_CLASSES, _NAMED = 20, 12
#: Reasons that limited the rows of a class.
_LIMITS = {
    "ended": "no more rows of it came",
    "short": "fewer rows of it came than were asked for",
    "unmoved": "its loss did not fall with more rows than an equal share",
}


def loop_report(
    recipe: Recipe, task: LoopTask[Any], rounds: Sequence[Round], manifest: Mapping[str, Any]
) -> str:
    """Return the report, which lies beside `curve.svg`. It has no times, so it is reproducible."""
    best = next(one for one in rounds if one.number == manifest["best"])
    parts = [
        f"# {markdown(recipe.corpus.title or recipe.name)}",
        f"The student of round {best.number} is the best by{_metric(recipe)} on validation rows, so"
        f" their figures flatter it{_fair(recipe)}. The loop ended: {markdown(manifest['ended'])}.",
        "![learning curve by rounds](curve.svg)",
        markdown_table(round_table(rounds, task.metrics), bold=rounds.index(best) + 1),
        _rows(task, manifest),
        _classes(rounds[0], best),
        _asked(rounds),
        _limits(rounds),
        _hard(rounds),
        _cost(rounds),
        _hashes(manifest),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _fair(recipe: Recipe) -> str:
    return "; test rows decided nothing" if recipe.loop and recipe.loop.test else ""


def _metric(recipe: Recipe) -> str:
    metric = recipe.loop.metric if recipe.loop else None
    return f" {markdown_code(metric)}" if metric else " its figure"


def _rows(task: LoopTask[Any], manifest: Mapping[str, Any]) -> str:
    sets = [
        f"{markdown(name)} {facts['rows']:,}"
        for name, facts in manifest["rows"].items()
        if isinstance(facts, dict) and "rows" in facts
    ]
    lines = [f"Rows of people: {', '.join(sets)}." if sets else "", *map(markdown, task.notices)]
    return "\n\n".join(line for line in lines if line)


def _classes(first: Round, best: Round) -> str:
    """Return the F1 of the classes that changed most, before and after."""
    before, after = _per_class(first), _per_class(best)
    if not before or first is best:
        return ""
    changed = sorted(after, key=lambda label: (-abs(_f1(after, label) - _f1(before, label)), label))
    lines = [
        [
            label,
            f"{after[label]['rows']:,}",
            f"{_f1(before, label):.3f}",
            f"{_f1(after, label):.3f}",
            f"{_f1(after, label) - _f1(before, label):+.3f}",
        ]
        for label in changed[:_CLASSES]
    ]
    others = len(changed) - len(lines)
    more = f"\n\n{others} other classes changed less." if others else ""
    head = ["class", "validation rows", "F1 of round 0", f"F1 of round {best.number}", "change"]
    return f"## Classes\n\n{markdown_table([head, *lines])}{more}"


def _per_class(one: Round) -> dict[str, Any]:
    validation = one.record["figures"]["details"].get("validation") or {}
    return {row["label"]: row for row in validation.get("per_class", [])}


def _f1(figures: Mapping[str, Any], label: str) -> float:
    return float((figures.get(label) or {}).get("f1") or 0.0)


def _asked(rounds: Sequence[Round]) -> str:
    """Return the rows that each round asked for, and got."""
    lines = [
        [
            str(one.number),
            _numbers(one.record["facts"].get("requested", {})),
            _numbers(one.record["facts"].get("accepted", {})),
            _lost(one),
        ]
        for one in rounds
        if one.record["facts"].get("requested")
    ]
    return (
        "## What was"
        f" asked\n\n{markdown_table([['round', 'asked', 'accepted', 'rejected'], *lines], left=4)}"
        if lines
        else ""
    )


def _limits(rounds: Sequence[Round]) -> str:
    """Return the classes that got fewer rows than allocated to them, with the rounds."""
    limits: dict[tuple[str, str], list[int]] = {}
    for one in rounds:
        for name, labels in (one.record["facts"].get("allocation") or {}).items():
            for label in labels:
                limits.setdefault((name, label), []).append(one.number)
    order = sorted(
        limits, key=lambda key: (list(ALLOCATION_LIMITS).index(key[0]), -len(limits[key]), key[1])
    )
    lines = [
        [label, _LIMITS[name], ", ".join(map(str, limits[name, label]))]
        for name, label in order[:_CLASSES]
    ]
    more = (
        f"\n\n{len(order) - _CLASSES} more lines are in `round.json`."
        if len(order) > _CLASSES
        else ""
    )
    table = markdown_table([["class", "why it got fewer rows", "rounds"], *lines], left=3)
    return f"## Classes that were held back\n\n{table}{more}" if lines else ""


def _numbers(counts: Mapping[str, int]) -> str:
    order = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    shown = ", ".join(f"{name or 'any class'} {number:,}" for name, number in order[:_NAMED])
    others = sum(number for _, number in order[_NAMED:])
    return shown + (f", {len(order) - _NAMED} others {others:,}" if others else "")


def _lost(one: Round) -> str:
    counts = one.record["counts"]
    lost = {
        **counts["rejected"],
        **{f"failed: {name}": number for name, number in counts["failures"].items()},
    }
    lost["malformed"] = counts["malformed"]
    return _numbers({name: number for name, number in lost.items() if number}) or "-"


def _hard(rounds: Sequence[Round]) -> str:
    """Return the hard negatives of the first and of the last round that showed some."""
    having = [one for one in rounds if one.record["facts"].get("hard")]
    chosen = list({one.number: one for one in (*having[:1], *having[-1:])}.values())
    lines = [
        [
            str(one.number),
            shown["text"],
            shown["label"],
            f"{shown['predicted']} ({shown['confidence']:.2f})",
        ]
        for one in chosen
        for shown in one.record["facts"]["hard"]
    ]
    if not lines:
        return ""
    table = markdown_table([["round", "text", "label", "the student said"], *lines], left=4)
    return f"## Hard negatives that the teacher was shown\n\n{table}"


def _cost(rounds: Sequence[Round]) -> str:
    counts = [one.record["counts"] for one in rounds]
    costs = [one["cost"] for one in counts if one["cost"] is not None]
    cost = f"${sum(costs):,.4f}" if costs else "unknown (no price in the recipe)"
    wanted, accepted = (sum(one.record[name] for one in rounds) for name in ("wanted", "added"))
    tokens = sum(one["tokens"] for one in counts)
    return (
        f"## Cost\n\n{wanted:,} rows asked for, {accepted:,} added, {tokens:,} tokens written,"
        f" {cost}."
    )


def _hashes(manifest: Mapping[str, Any]) -> str:
    corpus = manifest["corpus"]
    lines = [
        ["manifest (distill.json)", manifest["manifest_hash"]],
        ["student", manifest["kept"]["student"]],
        *([["corpus", corpus["hash"]]] if corpus else []),
        ["teacher", manifest["teacher"]],
        *([name, digest] for name, digest in manifest["files"].items()),
    ]
    return f"## Hashes\n\n{markdown_table([['what', 'hash'], *lines], left=2)}"
