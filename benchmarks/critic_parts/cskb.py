#!/usr/bin/env python3
"""How well critics tell plausible triples of CSKB-Population (dev): 5-fold AUC, no head in two folds.

    python benchmarks/critic_parts/cskb.py [--data DIR] [--quick] [--encoder MODEL] [--json FILE]

A stack of the linear critic, a fine-tuned encoder and the same encoder frozen is trained anew in each fold; its
combination is learnt from 15 % of the fold's training heads, which no member saw. Much of an AUC here comes
from the relation alone (xReact is nearly always valid, HinderedBy nearly never), so the AUC within relations
stands beside it. "with source" adds the share of valid rows by relation and by `candidate_source` (where a candidate
came from, which a pipeline knows and a triple does not say). Equal triples share a head, and so a fold.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import data_folder, table, write

from critic_parts.encoders import default_encoder, flat, options
from synthkd.critics.calibrate import Curve
from synthkd.critics.stack import StackCritic
from synthkd.kinds.triple import TripleKind

FOLDS, SEED, HELD_OUT = 5, 0, 0.15
#: Tuned on an inner validation part of the first fold's training rows.
TUNED = {"epochs": 3, "lr": 1e-4, "validation": 0.0, "max_length": 48, "trained_layers": 6}
#: Fewest rows of each verdict for an AUC within a relation.
_FEWEST = 10


def critics(encoder: str | None, fold: int, quick: bool) -> list[Any]:
    """Members of the stack."""
    if encoder is None:
        return ["linear"]
    frozen = {"encoder": {"model": encoder, "frozen": True, "max_length": TUNED["max_length"]}}
    tuned = {"encoder": {"model": encoder, "seed": fold, **TUNED, **({"epochs": 1} if quick else {})}}
    return ["linear", tuned, frozen]


def out_of_fold(rows: Any, encoder: str | None, quick: bool) -> dict[str, Any]:
    """Scores of the stack and of its members for the rows of each fold that is run (NaN elsewhere)."""
    from sklearn.model_selection import GroupKFold

    labels, heads = labels_of(rows), np.array(rows.column("head").to_pylist())
    kind = TripleKind()
    part = rows.select(list(kind.columns))
    scores: dict[str, Any] = {}
    divisions = GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(labels, labels, heads)
    for fold, (train, test) in enumerate(divisions):
        began = time.perf_counter()
        stack = StackCritic(kind, critics(encoder, fold, quick), folds=1, held_out=HELD_OUT, seed=SEED)
        stack.fit(part.take(train), labels[train], heads[train].tolist())
        found = {"stack": stack.score(part.take(test)), "with source": with_source(rows, train, test, stack)}
        for name, member in zip(("linear", "encoder", "frozen encoder"), stack.members, strict=False):
            found[name] = member.score(part.take(test))
        for name, values in found.items():
            scores.setdefault(name, np.full(len(labels), np.nan))[test] = values
        aucs = {name: round(Curve.of(values, labels[test]).auc, 4) for name, values in found.items()}
        print(f"fold {fold + 1}: {aucs}, {time.perf_counter() - began:.0f} s", flush=True)
        if quick:
            break
    return scores


def with_source(rows: Any, train: Any, test: Any, stack: StackCritic) -> Any:
    """(n,) logits for the test rows: the stack's members and two priors, combined on the rows no member saw."""
    from sklearn.linear_model import LogisticRegression

    labels, part = labels_of(rows), rows.select(list(stack.kind.columns))
    heads = rows.take(train).column("head").to_pylist()
    ((fitted, unseen),) = stack.divisions(heads, labels[train])
    known = priors(rows, train[fitted])

    def features(which: Any) -> Any:
        members = [logit(member.score(part.take(which))) for member in stack.members]
        return np.column_stack([*members, known[which]])

    learnt, asked = features(train[unseen]), features(test)
    mean, scale = learnt.mean(0), learnt.std(0)
    model = LogisticRegression(C=1.0).fit((learnt - mean) / scale, labels[train[unseen]])
    return model.decision_function((asked - mean) / scale)


def priors(rows: Any, known: Any) -> Any:
    """(n, 2) logits of the share of valid rows by relation, and by relation and source, among the known rows.

    Shares are smoothed: a relation's with 5 rows at the overall share, a source's in it with 10 at the relation's.
    """
    labels = labels_of(rows)
    relations, sources = (rows.column(name).to_pylist() for name in ("relation", "candidate_source"))
    pairs = list(zip(relations, sources, strict=True))
    total: dict[Any, float] = {}
    count: dict[Any, int] = {}
    for i in known:
        for key in (relations[i], pairs[i]):
            total[key] = total.get(key, 0.0) + float(labels[i])
            count[key] = count.get(key, 0) + 1
    overall = float(labels[known].mean())
    by_relation = {r: (total.get(r, 0) + 5 * overall) / (count.get(r, 0) + 5) for r in set(relations)}
    by_pair = {p: (total.get(p, 0) + 10 * by_relation[p[0]]) / (count.get(p, 0) + 10) for p in set(pairs)}
    shares = [[by_relation[r], by_pair[p]] for r, p in zip(relations, pairs, strict=True)]
    return logit(np.array(shares))


def logit(shares: Any) -> Any:
    """Log-odds; no share is surer than 1 in 160,000."""
    with np.errstate(divide="ignore"):
        return (np.log(shares) - np.log1p(-shares)).clip(-12, 12)


def labels_of(rows: Any) -> Any:
    """(n,) the human majority."""
    return rows.column("valid").to_numpy(zero_copy_only=False).astype(bool)


def relation_prior(rows: Any) -> Any:
    """(n,) the share of valid rows of a row's relation among the rows of other heads' folds."""
    from sklearn.model_selection import GroupKFold

    labels = labels_of(rows)
    relations, heads = (np.array(rows.column(name).to_pylist()) for name in ("relation", "head"))
    prior = np.zeros(len(labels))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(labels, labels, heads):
        share = {r: labels[train][relations[train] == r].mean() for r in set(relations[train])}
        prior[test] = [share.get(r, labels[train].mean()) for r in relations[test]]
    return prior


def aucs_by(values: Any, scores: Any, labels: Any) -> dict[str, tuple[int, float]]:
    """Rows and AUC within each value of a column that has enough of both verdicts."""
    found = {}
    for value in sorted(set(values)):
        here = values == value
        if min(labels[here].sum(), (~labels[here]).sum()) >= _FEWEST:
            found[value] = (int(here.sum()), Curve.of(scores[here], labels[here]).auc)
    return found


def within(found: dict[str, tuple[int, float]]) -> float:
    """The mean of AUCs, weighted by rows."""
    return sum(rows * auc for rows, auc in found.values()) / sum(rows for rows, _ in found.values())


def report(rows: Any, scores: dict[str, Any]) -> dict[str, Any]:
    """Print the figures and return them by name."""
    run = ~np.isnan(scores["stack"])
    labels = labels_of(rows)[run]
    relations, sources = (np.array(rows.column(n).to_pylist())[run] for n in ("relation", "candidate_source"))
    scores = {name: values[run] for name, values in scores.items()} | {
        "relation alone": relation_prior(rows)[run]
    }
    prefix = "cskb_dev"
    figures: dict[str, Any] = {f"{prefix}_rows": int(run.sum())}
    lines: list[tuple[Any, ...]] = [
        ("critic", "AUC", "within relations", "P@R 0.5", "P@R 0.8", "P@R 0.9", *sorted(set(sources)))
    ]
    for name, values in scores.items():
        curve, inside = Curve.of(values, labels), within(aucs_by(relations, values, labels))
        by_source = {source: auc for source, (_, auc) in aucs_by(sources, values, labels).items()}
        precisions = {str(r): curve.precision_at_recall(r) for r in (0.5, 0.8, 0.9)}
        lines.append((name, curve.auc, inside, *precisions.values(), *by_source.values()))
        key = prefix if name == "stack" else f"{prefix}_{name.replace(' ', '_')}"
        figures |= {f"{key}_auc": curve.auc, f"{key}_within_relation_auc": inside}
        figures |= {f"{key}_precision_at_recall": precisions, f"{key}_auc_by_source": by_source}
    by_relation = aucs_by(relations, scores["stack"], labels)
    figures[f"{prefix}_auc_by_relation"] = {relation: auc for relation, (_, auc) in by_relation.items()}
    print(table(lines))
    print(
        table(
            [("relation", "rows", "AUC of the stack"), *((r, n, auc) for r, (n, auc) in by_relation.items())]
        )
    )
    return figures


def figures(data: Path, quick: bool = False, encoder: str | None = default_encoder()) -> dict[str, Any]:
    """The figures by name. ``quick`` runs one fold with one epoch."""
    import pyarrow.parquet as pq

    rows = pq.read_table(data / "cskb_population" / "dev.parquet")
    return flat(report(rows, out_of_fold(rows, encoder, quick)))


def main() -> None:
    asked = options(__doc__ or "").parse_args()
    write(figures(data_folder(asked.data), asked.quick, asked.encoder), asked.json)


if __name__ == "__main__":
    main()
