"""The default critic `linear` beside TF-IDF with logistic regression on CSKB-Population (dev).

AUC in the five folds of `cskb`. The baseline is scikit-learn's: words and pairs of words,
characters 2 to 4 within words, sublinear counts, inverse document frequency, unit length, of head,
relation and tail as one text. Both choose C by the same grouped cross-validation inside each fold's
training rows. The critic's features were chosen on the training rows of the first fold alone.
Intervals: 95 %, bootstrap over heads. Rates: one core, all rows of the set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.critics.cskb import FOLDS, SEED, divisions, interval, labels_of
from synthkd.critics.calibration import Curve
from synthkd.critics.linear import LinearCritic
from synthkd.critics.logistic import choose_regularisation
from synthkd.kinds.triple import TripleKind

COLUMNS = ("head", "relation", "tail")
_CHOICES = (0.3, 1.0, 3.0, 10.0)
Score = Callable[[Any], Any]


def linear(rows: Any, labels: Any, heads: list[str]) -> Score:
    """Train the default critic."""
    critic = LinearCritic(TripleKind())
    critic.fit(rows, labels, heads)
    return critic.score


def tfidf(rows: Any, labels: Any, heads: list[str]) -> Score:
    """Train scikit-learn's TF-IDF with logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_union

    def regression(strength: float) -> Any:
        return LogisticRegression(C=strength, solver="liblinear", max_iter=500, random_state=SEED)

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
    )
    matrix = features.fit_transform(texts(rows))
    strength = choose_regularisation(regression, matrix, labels, heads, None, _CHOICES, default=1.0)
    model = regression(strength).fit(matrix, labels)
    return lambda rows: model.predict_proba(features.transform(texts(rows)))[:, 1]


def texts(rows: Any) -> list[str]:
    """Join each triple to one text."""
    return [
        " ".join(row)
        for row in zip(*(rows.column(name).to_pylist() for name in COLUMNS), strict=True)
    ]


def figures(options: Options) -> Figures:
    """Measure AUCs with intervals, and rows a second; a quick run is one fold."""
    import pyarrow.parquet as pq

    rows = pq.read_table(options.data_folder / "cskb_population" / "dev.parquet")
    labels, heads, part = (
        labels_of(rows),
        rows.column("head").to_pylist(),
        rows.select(list(COLUMNS)),
    )
    scores = {name: np.full(rows.num_rows, np.nan) for name in ("linear", "tfidf")}
    rates: dict[str, float] = {}
    for train, test in divisions(rows)[: 1 if options.quick else FOLDS]:
        for name, fit in (("linear", linear), ("tfidf", tfidf)):
            score = fit(part.take(train), labels[train], [heads[i] for i in train])
            scores[name][test] = score(part.take(test))
            begin = time.perf_counter()
            score(part)
            rates[name] = max(rates.get(name, 0.0), rows.num_rows / (time.perf_counter() - begin))
    run = ~np.isnan(scores["linear"])
    results: dict[str, Any] = {}
    for name, values in scores.items():
        low, high = interval(values, rows)
        results |= {
            f"cskb_{name}_auc": Curve.of(values[run], labels[run]).auc,
            f"cskb_{name}_auc_low": low,
            f"cskb_{name}_auc_high": high,
            f"cskb_{name}_rows_per_second": rates[name],
        }
    low, high = gap(
        scores["linear"][run],
        scores["tfidf"][run],
        labels[run],
        [heads[i] for i in np.flatnonzero(run)],
    )
    return results | {
        "cskb_linear_minus_tfidf_auc": results["cskb_linear_auc"] - results["cskb_tfidf_auc"],
        "cskb_linear_minus_tfidf_auc_low": low,
        "cskb_linear_minus_tfidf_auc_high": high,
    }


def gap(
    one: Any, other: Any, labels: Any, heads: list[str], draws: int = 1000
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a difference of AUCs.

    Heads are drawn with all their rows.
    """
    of_head = np.unique(heads, return_inverse=True)[1]
    order = np.argsort(of_head, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(of_head[order])) + 1)
    rng, results = np.random.default_rng(SEED), []
    for _ in range(draws):
        drawn = np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])
        aucs = [Curve.of(scores[drawn], labels[drawn]).auc for scores in (one, other)]
        results.append(aucs[0] - aucs[1])
    low, high = np.quantile(results, (0.025, 0.975))
    return float(low), float(high)
