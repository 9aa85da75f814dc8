"""Error of a precision that is estimated from 400 labels, by labelling strategy.

Real rows and verdicts (CSKB-Population dev, scores of a linear model over folds by head). Each draw
labels rows as `synthkd label` does, and estimates the precision above the threshold by weights.
Figures: root mean squared error of the estimate, and the effective number of labels above the
threshold, (Σw)² / Σw². The threshold that the choice aims at is the true one, or is off by a
little, as before labelling. Seeds 0 … draws-1. Two minutes on one core.

The part `labelling_training` measures linear models trained on 300, 600 and 900 labels that were
chosen in rounds by the scores of the model so far: mean AUC on rows of other heads (30 %).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from synthkd.keys import fraction
from synthkd.labels import SamplingDesign

COUNT = 400
Rows = list[dict[str, Any]]


def rows(folder: Path) -> Rows:
    """Return distinct triples with a human verdict."""
    results: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in pq.read_table(folder / "cskb_population" / "dev.parquet").to_pylist():
        results.setdefault((row["head"], row["relation"], row["tail"]), row)
    return list(results.values())


def cross_fitted_scores(results: Rows) -> np.ndarray[Any, Any]:
    """Return scores from folds without a common head."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    matrix = TfidfVectorizer(ngram_range=(1, 2), min_df=2).fit_transform(texts(results))
    scores: np.ndarray[Any, Any] = cross_val_predict(
        LogisticRegression(C=10, max_iter=300), matrix, [row["valid"] for row in results],
        cv=GroupKFold(5),
        groups=[row["head"] for row in results], method="predict_proba",
    )[:, 1]  # fmt: skip
    return scores


def texts(results: Rows) -> list[str]:
    return [f"{row['head']} | {row['relation']} | {row['tail']}" for row in results]


def threshold_for(
    scores: np.ndarray[Any, Any], valid: np.ndarray[Any, Any], target: float
) -> float:
    """Return the lowest threshold above which the precision over all rows is the target."""
    order = np.argsort(-scores)
    precision = np.cumsum(valid[order]) / np.arange(1, len(order) + 1)
    return float(scores[order][np.flatnonzero(precision >= target)[-1]])


def measure(
    results: Rows, scores: np.ndarray[Any, Any], true: float, draws: int, **options: Any
) -> tuple[float, float]:
    """Return the RMSE of the estimated precision, and the mean effective number of labels."""
    valid = np.array([row["valid"] for row in results], dtype=float)
    errors, effective = [], []
    for seed in range(draws):
        design = SamplingDesign.of(
            [row["id"] for row in results], scores, strata=[row["relation"] for row in results],
            texts=texts(results),
            seed=seed, **options,
        )  # fmt: skip
        taken = design.sample(COUNT)
        above = scores[taken.rows] >= true
        weights = taken.weights[above]
        errors.append(
            np.average(valid[taken.rows][above], weights=weights) - valid[scores >= true].mean()
        )
        effective.append(weights.sum() ** 2 / (weights**2).sum())
    return float(np.sqrt(np.mean(np.square(errors)))), float(np.mean(effective))


def figures(options: Options) -> Figures:
    """Measure the error of each strategy at target precisions of 0.8 and 0.9."""
    results: Figures = {}
    labelled = rows(options.data_folder)
    draws = options.draws or (3 if options.quick else 60)
    scores, valid = (
        cross_fitted_scores(labelled),
        np.array([row["valid"] for row in labelled], dtype=float),
    )
    for target in (0.8, 0.9):
        true = threshold_for(scores, valid, target)
        print(
            f"precision {target}: {np.mean(scores >= true):.1%} of {len(labelled):,} rows lie above"
            f" {true:.3f}"
        )
        for name, strategy in {
            "uniform": {"strategy": "uniform"},
            "uncertain": {"threshold": true},
            "uncertain, aimed 0.15 too low": {"threshold": true - 0.15},
            "uncertain, aimed 0.1 too high": {"threshold": true + 0.1},
            "uncertain, no threshold": {},
            "stratified": {"strategy": "stratified"},
        }.items():
            error, effective = measure(labelled, scores, true, draws, **strategy)
            print(f"  {name:<32} error {error:.4f}  effective labels {effective:.0f}", flush=True)
            key = (
                f"labelling_error_{round(100 * target)}_{name.replace(', ', '_').replace(' ', '_')}"
            )
            results |= {key: error, f"{key}_effective_labels": effective}
    return results


def training_figures(options: Options) -> Figures:
    """Measure the mean AUC by number of labels, for uniform rows and for chosen ones."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    labelled, results = rows(options.data_folder), Figures()
    draws = options.draws or (1 if options.quick else 6)
    matrix = TfidfVectorizer(ngram_range=(1, 2), min_df=2).fit_transform(texts(labelled))
    for strategy in ("uniform", "uncertain", "stratified"):
        aucs = np.array([_rounds(labelled, matrix, strategy, seed) for seed in range(draws)])
        mean, error = aucs.mean(axis=0), aucs.std(axis=0) / np.sqrt(draws)
        shown = ", ".join(f"{m:.3f} ± {e:.3f}" for m, e in zip(mean, error, strict=True))
        print(f"{strategy:<12} AUC after 300, 600, 900 labels: {shown}", flush=True)
        for count, auc in zip((300, 600, 900), mean.tolist(), strict=True):
            results[f"labelling_training_{strategy}_{count}_auc"] = auc
    return results


def _rounds(results: Rows, matrix: Any, strategy: str, seed: int) -> list[float]:
    """Return AUC after each round of 300 labels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    test = np.array([fraction(f"{seed}:{row['head']}") < 0.3 for row in results])
    pool = np.flatnonzero(~test)
    valid = np.array([row["valid"] for row in results])
    words = texts(results)
    rest = {
        "strata": [results[i]["relation"] for i in pool],
        "texts": [words[i] for i in pool],
        "seed": seed,
    }
    labelled: list[int] = []
    scores, start, auc = None, 0, []
    for number in range(3):
        design = SamplingDesign.of(
            [results[i]["id"] for i in pool], scores, before=labelled, start=start,
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
