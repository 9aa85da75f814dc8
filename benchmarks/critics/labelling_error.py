#!/usr/bin/env python3
"""What chosen labels buy: how well a precision above a threshold is known from 400 labels, by strategy.

    python -m benchmarks.critics.labelling_error [--draws 60]
    python -m benchmarks.critics.labelling_error --training [--draws 6]

Real rows and verdicts (CSKB-Population dev, scores of a linear model over folds by head). Each draw labels rows as
`synthkd label` would, and estimates the precision above the threshold by weights. Shown: root mean squared error of the
estimate, and the effective number of labels above the threshold, (Σw)² / Σw². The threshold that the choice aims at
is the true one, or is off by a little, as it is before labelling. Seeds 0 … draws-1. Two minutes on one core.

`--training` asks another question: is a linear model trained on 300, 600 and 900 labels better where they were chosen, in
rounds, by the scores of the model so far? Shown: mean AUC on rows of other heads (30 %).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from synthkd.keys import fraction
from synthkd.labels import SamplingDesign

COUNT = 400
ROOT = Path(__file__).resolve().parents[2]
Rows = list[dict[str, Any]]


def rows() -> Rows:
    """Distinct triples with a human verdict."""
    folder = Path(os.environ.get("SYNTHKD_DATA", ROOT.parent / "shared" / "data"))
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in pq.read_table(folder / "cskb_population" / "dev.parquet").to_pylist():
        found.setdefault((row["head"], row["relation"], row["tail"]), row)
    return list(found.values())


def scored(found: Rows) -> np.ndarray[Any, Any]:
    """Scores from folds that share no head."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    matrix = TfidfVectorizer(ngram_range=(1, 2), min_df=2).fit_transform(texts(found))
    scores: np.ndarray[Any, Any] = cross_val_predict(
        LogisticRegression(C=10, max_iter=300), matrix, [row["valid"] for row in found], cv=GroupKFold(5),
        groups=[row["head"] for row in found], method="predict_proba",
    )[:, 1]  # fmt: skip
    return scores


def texts(found: Rows) -> list[str]:
    return [f"{row['head']} | {row['relation']} | {row['tail']}" for row in found]


def threshold_for(scores: np.ndarray[Any, Any], valid: np.ndarray[Any, Any], asked: float) -> float:
    """The loosest threshold above which the precision over all rows is the asked one."""
    order = np.argsort(-scores)
    precision = np.cumsum(valid[order]) / np.arange(1, len(order) + 1)
    return float(scores[order][np.flatnonzero(precision >= asked)[-1]])


def measure(
    found: Rows, scores: np.ndarray[Any, Any], true: float, draws: int, **options: Any
) -> tuple[float, float]:
    """(root mean squared error of the estimated precision, mean effective number of labels)."""
    valid = np.array([row["valid"] for row in found], dtype=float)
    errors, effective = [], []
    for seed in range(draws):
        design = SamplingDesign.of(
            [row["id"] for row in found], scores, strata=[row["relation"] for row in found], texts=texts(found),
            seed=seed, **options,
        )  # fmt: skip
        taken = design.sample(COUNT)
        above = scores[taken.rows] >= true
        weights = taken.weights[above]
        errors.append(np.average(valid[taken.rows][above], weights=weights) - valid[scores >= true].mean())
        effective.append(weights.sum() ** 2 / (weights**2).sum())
    return float(np.sqrt(np.mean(np.square(errors)))), float(np.mean(effective))


def training(found: Rows, draws: int) -> None:
    """Print the mean AUC by number of labels, for uniform rows and for chosen ones."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    matrix = TfidfVectorizer(ngram_range=(1, 2), min_df=2).fit_transform(texts(found))
    for name, later in {"uniform": "uniform", "uncertain": "uncertain", "stratified": "stratified"}.items():
        found_auc = np.array([_rounds(found, matrix, later, seed) for seed in range(draws)])
        mean, error = found_auc.mean(axis=0), found_auc.std(axis=0) / np.sqrt(draws)
        shown = ", ".join(f"{m:.3f} ± {e:.3f}" for m, e in zip(mean, error, strict=True))
        print(f"{name:<12} AUC after 300, 600, 900 labels: {shown}", flush=True)


def _rounds(found: Rows, matrix: Any, strategy: str, seed: int) -> list[float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    test = np.array([fraction(f"{seed}:{row['head']}") < 0.3 for row in found])
    pool = np.flatnonzero(~test)
    valid = np.array([row["valid"] for row in found])
    words = texts(found)
    rest = {"strata": [found[i]["relation"] for i in pool], "texts": [words[i] for i in pool], "seed": seed}
    labelled: list[int] = []
    scores, start, auc = None, 0, []
    for number in range(3):
        design = SamplingDesign.of(
            [found[i]["id"] for i in pool], scores, before=labelled, start=start,
            strategy=strategy if number else "uniform", **rest,
        )  # fmt: skip
        new = design.order[:300].tolist()
        start += design.reached(design.turns(new))[0]
        labelled += new
        rows_here = pool[labelled]
        model = LogisticRegression(C=10, max_iter=300).fit(matrix[rows_here], valid[rows_here])
        scores = model.predict_proba(matrix[pool])[:, 1]
        auc.append(float(roc_auc_score(valid[test], model.predict_proba(matrix[test])[:, 1])))
    return auc


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int)
    parser.add_argument("--training", action="store_true", help="AUC of models trained on the labels")
    options = parser.parse_args()
    found = rows()
    if options.training:
        training(found, options.draws or 6)
        return
    draws = options.draws or 60
    scores, valid = scored(found), np.array([row["valid"] for row in found], dtype=float)
    for asked in (0.8, 0.9):
        true = threshold_for(scores, valid, asked)
        print(f"precision {asked}: {np.mean(scores >= true):.1%} of {len(found):,} rows lie above {true:.3f}")
        for name, options in {
            "uniform": {"strategy": "uniform"},
            "uncertain": {"threshold": true},
            "uncertain, aimed 0.15 too low": {"threshold": true - 0.15},
            "uncertain, aimed 0.1 too high": {"threshold": true + 0.1},
            "uncertain, no threshold known": {},
            "stratified": {"strategy": "stratified"},
        }.items():
            error, effective = measure(found, scores, true, draws, **options)
            print(f"  {name:<32} error {error:.4f}  effective labels {effective:.0f}", flush=True)


if __name__ == "__main__":
    main()
