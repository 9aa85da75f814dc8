"""The table of symbolic knowledge distillation (West et al. 2022) on a real teacher's triples.

Rows and verdicts are those of `critics/everyday-smollm2/labels.csv`. Three critics: a knowledge
base of CN-100K that saw no row of the sheet; the linear critic, trained on the sheet; and a
logistic regression on the logits of both and of a knowledge base that learnt from the sheet's
verdicts too. Scores are cross-fitted in five folds by head. The combination and the threshold that
are applied to a fold come from the other folds, so no row's verdict had a direct part in its
keeping; the members that scored those folds were trained with it, which is not removed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.base import ROOT, Figures, Options
from benchmarks.text_table import table
from synthkd.corpora.diversity.measures import self_bleu, word_tokens
from synthkd.critics.calibration import Curve, Threshold
from synthkd.critics.cross_fitting import crossfit, group_folds
from synthkd.critics.ensemble import critic_logits
from synthkd.critics.labels import LabelSheet, read_labels
from synthkd.critics.linear import LinearCritic
from synthkd.critics.triples.critic import KnowledgeBaseCritic
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind
from synthkd.statistics.bootstrap import draw_counts, percentile_interval

SHEET = ROOT / "critics" / "everyday-smollm2" / "labels.csv"
#: Distinct candidates that the sheet was drawn from.
CANDIDATES = 4146
TARGETS = (0.8, 0.9, 0.95)
FOLDS, SEED, DRAWS = 5, 0, 4000
#: Fewest rows above a threshold on which its precision is looked at.
FEWEST = 20
#: Triples of the reference in a quick run.
QUICK_REFERENCE = 4000
COLUMNS = ["head", "relation", "tail"]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


def figures(options: Options) -> Figures:
    """Measure raw precision, and precision, yield and diversity of each critic at each target."""
    kind = TripleKind(load_relations("everyday"))
    sheet = read_labels(SHEET, kind, held_out=0)
    assert sheet.weights is not None
    began = time.perf_counter()
    logits = member_logits(kind, sheet, options)
    critics = {"cn100k": logits[:, :1], "sheet": logits[:, 1:2], "stacked": logits}
    named: Figures = {"real_triples_critics_s": time.perf_counter() - began}
    texts = [kind.verbalize(row) for row in sheet.rows.to_pylist()]
    everything = np.ones(len(texts), dtype=bool)
    named |= _kept_figures("raw", sheet, texts, everything)
    known = {
        tuple(row.values()) for row in conceptnet(kind, options)[0].select(COLUMNS).to_pylist()
    }
    asserted = np.array(
        [tuple(row.values()) in known for row in sheet.rows.select(COLUMNS).to_pylist()]
    )
    lines: list[tuple[Any, ...]] = [
        (
            "critic",
            "target",
            "labelled",
            "rows",
            "precision",
            "low",
            "high",
            "of valid",
            "self-BLEU",
        )
    ]
    lines.append(("none", "raw", *_cells(named, "raw")))
    for name, members in critics.items():
        named |= _ranking(name, sheet, members)
        for target in TARGETS:
            part = f"{name}_{round(100 * target)}"
            kept = kept_rows(sheet, members, target)
            named |= _kept_figures(part, sheet, texts, kept)
            named |= _novelty(part, sheet, kept, asserted)
            lines.append((name, f"{target:g}", *_cells(named, part)))
    print(table(lines), flush=True)
    for end in ("", "_low", "_high"):
        figure = named.get(f"real_triples_stacked_90_precision{end}", 0.0)
        named[f"real_triples_precision_at_90{end}"] = figure
    return named


def member_logits(kind: TripleKind, sheet: LabelSheet, options: Options) -> Floats:
    """Return log-odds (n, 3) of CN-100K alone, the sheet alone, and CN-100K with the sheet."""
    rows, labels, groups = sheet.rows, sheet.labels, sheet.groups
    linear = crossfit(lambda: LinearCritic(kind), rows, labels, groups, FOLDS, SEED, sheet.weights)
    known, dev = conceptnet(kind, options)
    triples = rows.select(COLUMNS)
    both = pa.concat_tables([dev.select(COLUMNS), triples])
    all_groups = [*dev["head"].to_pylist(), *groups]
    fold = group_folds(groups, FOLDS, SEED)
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "known.parquet"
        pq.write_table(known, reference)

        def trained(part: pa.Table, verdicts: Any, names: Sequence[str], weights: Any) -> Any:
            critic = KnowledgeBaseCritic(kind, reference=str(reference), seed=SEED)
            # One training set for all trainings: what the reference says of any labelled row.
            critic.prepare(both, all_groups)
            critic.fit(part, verdicts, names, weights)
            return critic

        valid = np.array(dev["valid"].to_pylist(), dtype=bool)
        alone = trained(dev.select(COLUMNS), valid, dev["head"].to_pylist(), None)
        columns = [critic_logits(alone, triples), np.log(linear) - np.log1p(-linear)]
        joined = np.zeros(len(labels))
        for here in range(FOLDS):
            train, test = np.flatnonzero(fold != here), np.flatnonzero(fold == here)
            assert sheet.weights is not None
            critic = trained(
                triples.take(pa.array(train)), labels[train], [groups[i] for i in train],
                sheet.weights[train],
            )  # fmt: skip
            joined[test] = critic_logits(critic, triples.take(pa.array(test)))
    return np.stack([*columns, joined], axis=1)


def conceptnet(kind: TripleKind, options: Options) -> tuple[pa.Table, pa.Table]:
    """Read the known triples of CN-100K and its labelled ones, of the sheet's relations."""
    folder = options.data_folder / "conceptnet_cn100k"
    names = pa.array(list(kind.relations))
    parts = [pq.read_table(folder / f"{name}.parquet") for name in ("train", "dev1", "dev2")]
    known, *dev = [part.filter(pc.is_in(part["relation"], names)) for part in parts]
    known = known.slice(0, QUICK_REFERENCE) if options.quick else known
    return known, pa.concat_tables(dev).combine_chunks()


def kept_rows(sheet: LabelSheet, members: Floats, target: float) -> Bools:
    """Return which rows are kept (n,) at a target, each fold's threshold from the other folds."""
    fold = group_folds(sheet.groups, FOLDS, SEED)
    kept = np.zeros(len(fold), dtype=bool)
    for here in range(FOLDS):
        train = fold != here
        scores = combined(members, sheet, train)
        assert sheet.weights is not None
        threshold = loosest(scores[train], sheet.labels[train], sheet.weights[train], target)
        kept[~train] = scores[~train] >= threshold
    return kept


def combined(members: Floats, sheet: LabelSheet, train: Bools) -> Floats:
    """Return the log-odds (n,) of a logistic regression on members, learnt from some rows."""
    from sklearn.linear_model import LogisticRegression

    assert sheet.weights is not None
    weights = sheet.weights[train] / sheet.weights[train].mean()
    model = LogisticRegression().fit(members[train], sheet.labels[train], weights)
    return np.asarray(model.decision_function(members), dtype=np.float64)


def loosest(scores: Floats, labels: Bools, weights: Floats, target: float) -> float:
    """Return the loosest threshold above which the weighted precision is the target or more.

    Infinity if there is none with `FEWEST` rows.
    """
    order = np.argsort(-scores, kind="stable")
    precision = np.cumsum((weights * labels)[order]) / np.cumsum(weights[order])
    enough = np.flatnonzero(precision >= target)
    enough = enough[enough >= FEWEST - 1]
    return float(scores[order[enough[-1]]]) if len(enough) else float("inf")


def _ranking(name: str, sheet: LabelSheet, members: Floats) -> Figures:
    """Return AUC and the targets that the rows guarantee with 95 % confidence."""
    fold = group_folds(sheet.groups, FOLDS, SEED)
    scores = np.zeros(len(fold))
    for here in range(FOLDS):
        scores[fold == here] = combined(members, sheet, fold != here)[fold == here]
    curve = Curve.of(1 / (1 + np.exp(-scores)), sheet.labels, sheet.weights, sheet.groups)
    named: Figures = {f"real_triples_{name}_auc": curve.auc}
    for target in TARGETS:
        result = curve.threshold(target)
        print(f"{name}: {result.sentence()}")
        named[f"real_triples_{name}_{round(100 * target)}_guaranteed_kept"] = (
            result.kept if isinstance(result, Threshold) else 0.0
        )
    return named


def _kept_figures(part: str, sheet: LabelSheet, texts: list[str], kept: Bools) -> Figures:
    """Return rows, weighted precision with its interval over heads, yield and diversity."""
    assert sheet.weights is not None
    _, group = np.unique(sheet.groups, return_inverse=True)
    heads = int(group.max()) + 1
    mass = np.bincount(group, sheet.weights * kept, heads)
    valid = np.bincount(group, sheet.weights * kept * sheet.labels, heads)
    name = f"real_triples_{part}"
    share = mass.sum() / sheet.weights.sum()
    named: Figures = {
        f"{name}_labelled": int(kept.sum()),
        f"{name}_kept": float(share),
        f"{name}_rows": round(CANDIDATES * float(share)),
        f"{name}_yield": float(valid.sum() / (sheet.weights @ sheet.labels)),
        f"{name}_heads": len({sheet.groups[i] for i in np.flatnonzero(kept)}),
    }
    if not kept.any():
        return named
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = [
            (counts @ valid) / (counts @ mass)
            for counts in draw_counts(np.ones(heads, dtype=int), DRAWS, SEED)
        ]
    low, high = percentile_interval(np.concatenate(draws))
    named |= {
        f"{name}_precision": float(valid.sum() / mass.sum()),
        f"{name}_precision_low": low,
        f"{name}_precision_high": high,
    }
    return named | _diversity(name, texts, kept)


def _novelty(part: str, sheet: LabelSheet, kept: Bools, asserted: Bools) -> Figures:
    """Return the share of kept rows that CN-100K asserts, and the precision of the others."""
    assert sheet.weights is not None
    new = kept & ~asserted
    if not new.any():
        return {}
    return {
        f"real_triples_{part}_known": float(
            sheet.weights[kept & asserted].sum() / sheet.weights[kept].sum()
        ),
        f"real_triples_{part}_new_labelled": int(new.sum()),
        f"real_triples_{part}_new_precision": float(
            np.average(sheet.labels[new], weights=sheet.weights[new])
        ),
    }


def _diversity(name: str, texts: list[str], kept: Bools) -> Figures:
    """Return self-BLEU of kept rows, and of as many random ones (mean of ten draws)."""
    words = [word_tokens(text) for text in texts]
    size = min(int(kept.sum()), 200)
    if size < 2:
        return {}
    rng = np.random.default_rng(SEED)

    def mean(places: Any) -> float:
        draws = [rng.choice(places, size, replace=False) for _ in range(10)]
        return float(np.mean([self_bleu([words[i] for i in draw]) for draw in draws]))

    return {
        f"{name}_self_bleu": mean(np.flatnonzero(kept)),
        f"{name}_self_bleu_of_raw": mean(np.arange(len(words))),
    }


def _cells(named: Figures, part: str) -> tuple[Any, ...]:
    name = f"real_triples_{part}"
    shown = ("precision", "precision_low", "precision_high", "yield", "self_bleu")
    return (
        named[f"{name}_labelled"],
        named[f"{name}_rows"],
        *(named.get(f"{name}_{figure}", np.nan) for figure in shown),
    )
