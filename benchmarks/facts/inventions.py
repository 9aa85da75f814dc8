"""Planted inventions: what `in_text` and the graph judge find, and what true triples it costs."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.base import Figures, Options
from benchmarks.facts.graphs import FOLDS, KIND, SETS, GoldGraphs, as_table, verdicts
from benchmarks.text_table import table
from synthkd.corpora.schema import candidate_schema
from synthkd.critics.cross_fitting import crossfit
from synthkd.critics.graphs import GraphJudgeCritic
from synthkd.critics.graphs.negatives import OTHER, RELATION, SAME
from synthkd.filters.grounding import InText
from synthkd.text.spans import phrase_finder

#: An end that the text does not have; one of another document, which it may have; a relation that
#: does not hold; an end of the same document, which is no invention of a name but of a link.
ABSENT = "absent"
WAYS = (ABSENT, OTHER, RELATION, SAME)
#: True training triples that rule and critic may lose; below 5 %, so that test documents keep that.
_LOST = 0.035
_FEW = 24


def inventions(options: Options) -> Figures:
    """Plant inventions beside the true triples of held-out documents, and look for them.

    True triples are the gold triples whose ends the text has by the data's own columns; of GenWiki
    18 % are from outside of it. The critic's threshold is that at which rule and critic lose 4 % of
    the true training triples, by cross-fitted scores.
    """
    most, encoder = (_FEW, None) if options.quick else (None, options.encoder)
    figures: Figures = {}
    lines: list[tuple[Any, ...]] = [("set", "", "planted", "by in_text", "by both")]
    total: dict[str, list[Any]] = defaultdict(list)
    for name in SETS:
        outcomes = _outcomes(GoldGraphs.read(options.data_folder, name, most), encoder)
        for way, values in outcomes.items():
            rule, both = np.array(values).T
            lines.append((name, way or "true", len(values), rule.mean(), both.mean()))
            total[way] += values
            key = {"": "true_triples_lost", "outside": "true_triples_outside_lost"}.get(
                way, f"inventions_found_{way}"
            )
            figures[f"{key}_{name}"] = float(both.mean())
    print(table(lines), "\n")
    lost = [figures[f"true_triples_lost_{name}"] for name in SETS]
    shares = {way: float(np.array(total[way])[:, 1].mean()) for way in WAYS}
    return figures | {
        **{f"inventions_found_{way}": share for way, share in shares.items()},
        "inventions_found": float(np.mean([shares[way] for way in (ABSENT, OTHER, RELATION)])),
        "inventions_found_ends": float(np.mean([shares[ABSENT], shares[OTHER]])),
        "true_triples_lost": max(lost),
    }


def _outcomes(graphs: GoldGraphs, encoder: str | None) -> dict[str, list[tuple[bool, bool]]]:
    """Return whether rule, and rule or critic, reject each row, by the way it was planted."""
    fold, rule = graphs.folds(0), InText(gap=2, endings=True)
    train, planted = graphs.rows(1000, (SAME, OTHER, RELATION)), _planted(graphs)
    outcomes: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for here in range(FOLDS):
        rows = [row for row in train if fold[row["document_id"]] != here]
        labels, groups = verdicts(rows), [row["document_id"] for row in rows]
        make = lambda: GraphJudgeCritic(KIND, model=encoder, device="cpu")  # noqa: E731
        scores = crossfit(make, as_table(rows), labels, groups, folds=2)
        true = np.array([_is_stated(graphs, row) for row in rows])
        threshold = _threshold(
            scores[true], _rejected(rule, [r for r, t in zip(rows, true, strict=True) if t])
        )
        critic = make()
        critic.fit(as_table(rows), labels, groups)
        asked = [row for row in planted if fold[row["document_id"]] == here]
        by_rule = _rejected(rule, asked)
        by_critic = critic.score(as_table(asked)) < threshold
        for row, one, other in zip(asked, by_rule, by_critic, strict=True):
            way = row["way"] or ("" if _is_stated(graphs, row) else "outside")
            outcomes[way].append((bool(one), bool(one or other)))
    return outcomes


def _is_stated(graphs: GoldGraphs, row: dict[str, Any]) -> bool:
    triple = (row["head"], row["relation"], row["tail"])
    return bool(row["valid"]) and (row["document_id"], triple) in graphs.in_text


def _threshold(scores: Any, rejected: Any) -> float:
    """Return the score below which the critic rejects what the rule leaves of the loss."""
    kept = np.sort(scores[~rejected])
    allowed = int(_LOST * len(scores)) - int(rejected.sum())
    return float(kept[allowed]) if 0 < allowed < len(kept) else 0.0


def _rejected(rule: InText, rows: list[dict[str, Any]]) -> Any:
    schema = candidate_schema(KIND)
    names = [*KIND.columns, "source"]
    batch = pa.RecordBatch.from_pylist(
        [{name: row[name] for name in names} for row in rows], schema=schema
    )
    return np.array([reason is not None for reason in rule.reject(batch, KIND)])


def _planted(graphs: GoldGraphs) -> list[dict[str, Any]]:
    """Return true rows, and an invention of each way for each true triple, as far as one exists."""
    rows = graphs.rows(3000, [OTHER])
    for number, way in enumerate((RELATION, SAME)):
        rows += [row for row in graphs.rows(3001 + number, [way]) if not row["valid"]]
    for row in graphs.rows(4000, [OTHER]):
        finder = phrase_finder(row["source"])
        if not row["valid"] and not all(finder.find(row[end]) for end in ("head", "tail")):
            rows.append({**row, "way": ABSENT})
    return rows
