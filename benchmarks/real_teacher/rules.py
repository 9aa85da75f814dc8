"""Precision and recall of each rule, and of sets of rules, against verdicts of readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.real_teacher.sheets import Flags, Sheet, read_sheet
from benchmarks.text_table import table
from synthkd import plugins
from synthkd.filters.base import Filter, reasons_of
from synthkd.filters.label_noise import find_label_noise
from synthkd.prompts import load_prompt
from synthkd.statistics.bootstrap import percentile_interval
from synthkd.statistics.rate_intervals import wilson_interval

#: Rules by the name of their figures, each with its options.
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "unfinished": ("unfinished", {}),
    "refusal": ("refusal", {}),
    "chatter": ("chatter", {}),
    "repetition": ("repetition", {}),
    "language": ("language", {}),
    "characters": ("characters", {}),
    "label_named": ("label_named", {}),
    "off_topic": ("off_topic", {}),
    "off_topic_20": ("off_topic", {"real_rows_lost": 0.2}),
    "off_topic_40": ("off_topic", {"real_rows_lost": 0.4}),
    "label_agrees": ("label_agrees", {}),
    "label_agrees_20": ("label_agrees", {"real_rows_lost": 0.2}),
    "label_agrees_40": ("label_agrees", {"real_rows_lost": 0.4}),
}
#: What recipes may have: the defaults before these rules, today's, and those for a small teacher.
SETS = {
    "plain": ("unfinished", "refusal"),
    "default": ("unfinished", "chatter", "refusal", "off_topic", "label_agrees"),
    "small_teacher": ("unfinished", "chatter", "refusal", "off_topic_40", "label_agrees_40"),
    "default_encoder": (
        "unfinished", "chatter", "refusal", "off_topic_encoder", "label_agrees_encoder",
    ),
    "middle_encoder": (
        "unfinished", "chatter", "refusal", "off_topic_encoder_20", "label_agrees_encoder_20",
    ),
    "small_teacher_encoder": (
        "unfinished", "chatter", "refusal", "off_topic_encoder_40", "label_agrees_encoder_40",
    ),
}  # fmt: skip
_DRAWS = 10_000


def figures(options: Options) -> Figures:
    """Measure every rule and set on the held classes of BANKING77, and on CrossNER."""
    found: Figures = {}
    banking = read_sheet(options.data_folder, "banking77")
    found |= _agreement(banking)
    rejected = rejected_rows(banking, options.encoder)
    found |= on_part("held", banking, rejected, ~banking.tuning)
    found |= on_part("tuning", banking, rejected, banking.tuning)
    found |= on_part("held_list", banking, rejected, ~banking.tuning & banking.listed)
    found["real_text_precision_gain"] = found["held_small_teacher_gain"]
    crossner = read_sheet(options.data_folder, "crossner")
    others = rejected_rows(crossner, options.encoder)
    found |= on_part("crossner", crossner, others, np.ones(len(crossner.usable), bool))
    if options.show:
        _show(banking, rejected, options.show)
    return found


def rejected_rows(sheet: Sheet, encoder: str | None) -> dict[str, Flags]:
    """Return which rows each rule rejects."""
    rules = dict(RULES)
    if encoder:
        for name in ("off_topic", "label_agrees"):
            for share in (0.05, 0.2, 0.4):
                options = {"real_rows_lost": share, "encoder": encoder}
                suffix = "" if share == 0.05 else f"_{share * 100:.0f}"
                rules[f"{name}_encoder{suffix}"] = (name, options)
    prompt = load_prompt("labelled_text/chat")
    rejected = {}
    for figure, (name, options) in rules.items():
        rule: Filter = plugins.make("rules", name, options)
        rule.use_prompt(prompt.instruction, ())
        rule.check_kind(sheet.kind)
        reasons = reasons_of(rule, sheet.rows, sheet.kind)
        rejected[figure] = np.array([reason is not None for reason in reasons])
    texts = sheet.rows.column("text").to_pylist()
    real = ([row.text for row in sheet.kind.real], [row.label for row in sheet.kind.real])
    wrong = np.zeros(len(texts), bool)
    wrong[find_label_noise(texts, sheet.labels, real).wrong] = True
    return {**rejected, "label_noise": wrong}


def on_part(
    part: str,
    sheet: Sheet,
    rejected: Mapping[str, Flags],
    rows: Flags,
    sets: Mapping[str, Sequence[str]] = SETS,
) -> Figures:
    """Return the figures of rules and of sets of rules on a part of the rows."""
    usable, bad = sheet.usable & rows, ~sheet.usable & rows
    found: Figures = {f"{part}_rows": int(rows.sum())}
    found[f"{part}_raw"] = _share(usable.sum(), rows.sum())
    lines: list[Sequence[Any]] = [
        ("rule", "rejected", "not usable, of rejected", "found, of not usable", "usable lost")
    ]
    for name, out in rejected.items():
        mine = {
            "rejected": int((out & rows).sum()),
            "precision": _share((out & bad).sum(), (out & rows).sum()),
            "recall": _share((out & bad).sum(), bad.sum()),
            "usable_lost": int((out & usable).sum()),
        }
        found |= {f"{part}_{name}_{key}": value for key, value in mine.items()}
        lines.append((name, *map(_shown, mine.values())))
    print(f"\n{part}: {rows.sum()} texts, {usable.sum()} usable\n{table(lines)}")
    lines = [("set", "accepted", "usable, of accepted", "kept, of usable", "gain")]
    for name, rules in sets.items():
        if not {*rules} <= {*rejected}:
            continue
        kept = rows & ~np.any([rejected[rule] for rule in rules], axis=0)
        mine = {
            "accepted": int(kept.sum()),
            "precision": _share((kept & usable).sum(), kept.sum()),
            "recall": _share((kept & usable).sum(), usable.sum()),
            "gain": _gain(sheet, rows, kept),
        }
        found |= {f"{part}_{name}_{key}": value for key, value in mine.items()}
        found[f"{part}_{name}_usable_rejected"] = int((usable & ~kept).sum())
        lines.append((name, *map(_shown, mine.values())))
    print(table(lines), flush=True)
    return found


def _gain(sheet: Sheet, rows: Flags, kept: Flags) -> dict[str, float]:
    """Return by how much the share of usable texts rises, with an interval over classes."""
    labels = np.unique(sheet.labels, return_inverse=True)[1]
    counts = np.stack(
        [
            np.bincount(labels[flags], minlength=int(labels.max()) + 1)
            for flags in (rows & sheet.usable, rows, kept & sheet.usable, kept)
        ]
    )
    counts = counts[:, counts[1] > 0]
    few = counts.shape[1] < 10
    rng = np.random.default_rng(0)
    if few:
        # Too few classes to draw from: rows are drawn.
        cells = np.stack([rows, rows & sheet.usable, kept, kept & sheet.usable])[:, rows]
        draws = rng.integers(0, cells.shape[1], (_DRAWS, cells.shape[1]))
        raw, raw_usable, left, left_usable = (cell[draws].sum(axis=1) for cell in cells)
    else:
        weights = rng.multinomial(
            counts.shape[1], np.full(counts.shape[1], 1 / counts.shape[1]), _DRAWS
        )
        raw_usable, raw, left_usable, left = (weights @ count for count in counts)
    low, high = percentile_interval(
        left_usable / np.maximum(left, 1) - raw_usable / np.maximum(raw, 1)
    )
    total = counts.sum(axis=1)
    value = float(total[2] / max(total[3], 1) - total[0] / total[1])
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}


def _agreement(sheet: Sheet) -> Figures:
    """Return how far two readings of one reader agree."""
    first = np.array([sheet.usable[place] for place, _ in sheet.again])
    second = np.array([verdict for _, verdict in sheet.again])
    same = float((first == second).mean())
    chance = first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean())
    return {
        "read_twice": len(first),
        "agreement": round(same, 4),
        "kappa": round(float((same - chance) / (1 - chance)), 4),
    }


def _share(part: Any, whole: Any) -> dict[str, float] | None:
    if not whole:
        return None
    low, high = wilson_interval(int(part), int(whole))
    share = float(part) / float(whole)
    return {"value": round(share, 4), "low": round(low, 4), "high": round(high, 4)}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    return "" if value is None else str(value)


def _show(sheet: Sheet, rejected: Mapping[str, Flags], count: int) -> None:
    """Print usable texts that the set for small teachers rejects, and others that it accepts."""
    rules = SETS["small_teacher"]
    out = np.any([rejected[rule] for rule in rules], axis=0)
    texts = sheet.rows.column("text").to_pylist()
    for title, flags in (
        ("usable and rejected", sheet.usable & out),
        ("not usable and accepted", ~sheet.usable & ~out),
    ):
        print(f"\n{title}:")
        for place in np.flatnonzero(flags)[:count]:
            by = [rule for rule in rules if rejected[rule][place]]
            print(f"  {sheet.labels[place]} | {texts[place][:90]} | {', '.join(by)}")
