"""Tests of distribution shift between calibration rows and scored rows.

Numbers of the rows, their scores among them, are compared one by one: by the two-sample
Kolmogorov-Smirnov test, and by Fisher's exact test of how many rows have the number. Two tests look
at vectors of the rows:

- *classifier* (Lopez-Paz & Oquab 2017, arXiv 1610.06545): a logistic regression learns to tell the
  two apart. Each fold is ranked by a classifier trained on the folds before it, so given those, its
  AUC is a Mann-Whitney statistic with a known null distribution, and the sum over folds is one of a
  martingale: no permutations are needed. (With ordinary cross-fitting the folds train on each other
  and the pooled AUC has no such distribution.)
- *depth* (Seegmiller & Preum 2023, arXiv 2310.15010): depth(x) = 2 - mean cosine distance to the
  calibration rows; scored rows that lie further out have lower depths, by a one-sided rank-sum
  test; ``both_sides`` also sees rows that lie further in. It sees nothing of a move around the
  middle. Half of the calibration rows are the reference and the other half is compared: given the
  reference, both sides are independent draws, which depths of the reference rows themselves are
  not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from synthkd.errors import CriticError

Floats = np.ndarray[Any, np.dtype[np.float64]]

#: Fewest rows on either side for a test.
FEWEST = 20
_FOLDS = 6


@dataclass(frozen=True)
class Shift:
    """Result of one test or several.

    ``statistic``: the AUC (0.5: alike), Q (0.5: alike; 0: far outside), the greatest distance
    between the distribution functions of the number ``of`` (0: alike), or the difference between
    the shares of rows that have it.
    """

    shifted: bool
    test: str
    statistic: float
    p_value: float
    level: float
    calibration_rows: int
    scored_rows: int
    of: str = ""

    def sentence(self) -> str:
        """Describe the result."""
        what = {
            "classifier": f"a classifier tells them apart with AUC {self.statistic:.3f}",
            "depth": f"their depth is {'lower' if self.statistic < 0.5 else 'higher'} (Q"
            f" {self.statistic:.3f}; 0.5 for no shift)",
            "distribution": f"the distribution of `{self.of}` differs (distance"
            f" {self.statistic:.3f}; 0 for no shift)",
            "missing": f"the share of rows that have `{self.of}` differs by {self.statistic:.3f}",
            "none": "nothing was compared",
        }[self.test]
        rows = f"{self.scored_rows:,} scored and {self.calibration_rows:,} calibration rows"
        if self.shifted:
            return (
                "the guarantee is withdrawn: the scored rows differ from the calibration rows,"
                f" {what} (p = {self.p_value:.2g}, {rows}). Label a sample of what is scored and"
                " calibrate on that."
            )
        return (
            f"no shift was found at level {self.level:g} ({self.test} test, p ="
            f" {self.p_value:.2g}, {rows})"
        )


def detect_shift(
    calibration: Any,
    scored: Any,
    *,
    level: float = 0.05,
    calibration_groups: Sequence[str] = (),
    scored_groups: Sequence[str] = (),
    seed: int = 0,
) -> Shift:
    """Run both tests on vectors (rows, dimensions), each at half the level.

    Return the one with the smaller p-value.

    Clustered rows (of one head or item) are not independent draws: name their groups, and one row
    of each is compared.
    """
    rng = np.random.default_rng(seed)
    here, there = (
        _one_each(calibration, calibration_groups, rng),
        _one_each(scored, scored_groups, rng),
    )
    tests = [
        classifier_test(here, there, level=level / 2, seed=seed),
        depth_test(here, there, level=level / 2, seed=seed, both_sides=True),
    ]
    first = min(tests, key=lambda shift: shift.p_value)
    p_value = min(1.0, 2 * first.p_value)
    return Shift(
        p_value <= level,
        first.test,
        first.statistic,
        p_value,
        level,
        first.calibration_rows,
        first.scored_rows,
    )


def detect_shift_of_numbers(
    calibration: Mapping[str, Sequence[float | None]],
    scored: Mapping[str, Sequence[float | None]],
    *,
    level: float = 0.05,
    calibration_groups: Sequence[str] = (),
    scored_groups: Sequence[str] = (),
    seed: int = 0,
) -> Shift:
    """Compare each number, and how many rows have it.

    Return the test with the smallest p-value, corrected for all.

    Args:
        calibration: Values by the number's name; None or NaN for a row without the number.
        scored: Values by the same names.
        level: Largest chance of a false alarm over all tests.
        calibration_groups: Group of each calibration row; one row of each group is compared.
        scored_groups: Group of each scored row.
        seed: Seed of the draws from groups.
    """
    from scipy.stats import fisher_exact, ks_2samp

    rng = np.random.default_rng(seed)
    names = list(calibration)
    if not names:
        raise CriticError("a test for shift of numbers needs at least one number")
    sides = [
        _one_each(_matrix([values[name] for name in names]), groups, rng)
        for values, groups in ((calibration, calibration_groups), (scored, scored_groups))
    ]
    rows = len(sides[0]), len(sides[1])
    tests = [Shift(False, "none", 0.0, 1.0, level, *rows)]
    for place, name in enumerate(names):
        present = [side[~np.isnan(side[:, place]), place] for side in sides]
        here, there = (len(values) for values in present)
        if 0 < here + there < sum(rows):
            table = [[here, rows[0] - here], [there, rows[1] - there]]
            p_value, gap = float(fisher_exact(table)[1]), abs(here / rows[0] - there / rows[1])
            tests.append(Shift(False, "missing", gap, p_value, level, *rows, name))
        if min(here, there) >= FEWEST:
            test = ks_2samp(*present, method="auto")
            tests.append(
                Shift(
                    False,
                    "distribution",
                    float(test.statistic),
                    float(test.pvalue),
                    level,
                    *rows,
                    name,
                )
            )
    first = min(tests, key=lambda shift: shift.p_value)
    p_value = min(1.0, max(1, len(tests) - 1) * first.p_value)
    return replace(first, p_value=p_value, shifted=p_value <= level)


def _matrix(columns: Sequence[Sequence[float | None]]) -> Floats:
    """Return a matrix (rows, columns); NaN for None."""
    matrix: Floats = np.array(columns, dtype=np.float64).T
    return matrix


def classifier_test(calibration: Any, scored: Any, *, level: float = 0.05, seed: int = 0) -> Shift:
    """Test by a logistic regression, each fold ranked by a model trained on the folds before."""
    from scipy.stats import norm
    from sklearn.linear_model import LogisticRegression

    here, there = _checked(calibration, scored)
    rows = np.concatenate([here, there])
    side = np.concatenate([np.zeros(len(here), dtype=bool), np.ones(len(there), dtype=bool)])
    fold = _stratified(side, _FOLDS, np.random.default_rng(seed))
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    rows = (rows - mean) / np.where(spread > 0, spread, 1)
    excess = variance = total = weight = 0.0
    for test in range(1, _FOLDS):
        train, now = fold < test, fold == test
        model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=200)
        scores = model.fit(rows[train], side[train]).decision_function(rows[now])
        u, null_mean, null_variance = _mann_whitney(scores[side[now]], scores[~side[now]])
        excess, variance = excess + u - null_mean, variance + null_variance
        total, weight = total + u, weight + 2 * null_mean
    p_value = float(norm.sf(excess / math.sqrt(variance))) if variance > 0 else 1.0
    return Shift(
        p_value <= level, "classifier", total / weight, p_value, level, len(here), len(there)
    )


def depth_test(
    calibration: Any, scored: Any, *, level: float = 0.05, seed: int = 0, both_sides: bool = False
) -> Shift:
    """Test whether scored rows lie further out than calibration rows, or further in."""
    from scipy.stats import norm

    here, there = _checked(calibration, scored)
    order = np.random.default_rng(seed).permutation(len(here))
    reference, compared = here[order[::2]], here[order[1::2]]
    inner, outer = depths(compared, reference), depths(there, reference)
    u, null_mean, null_variance = _mann_whitney(outer, inner)
    p_value = (
        float(norm.cdf((u - null_mean) / math.sqrt(null_variance))) if null_variance > 0 else 1.0
    )
    if both_sides:
        p_value = min(1.0, 2 * min(p_value, 1 - p_value))
    # U counts pairs in which the scored row is the deeper one.
    q = u / (2 * null_mean)
    return Shift(p_value <= level, "depth", q, p_value, level, len(here), len(there))


def depths(rows: Any, reference: Any, *, among: bool = False) -> Floats:
    """Return 2 - the mean cosine distance of each row to the reference rows, in [0, 2].

    ``among``: the rows are the reference rows, and each is left out of its own mean.
    """
    unit, others = (
        _unit(np.asarray(rows, dtype=np.float64)),
        _unit(np.asarray(reference, dtype=np.float64)),
    )
    nearness = unit @ others.sum(axis=0)
    if among:
        nearness = (nearness - (unit * unit).sum(axis=1)) * len(others) / (len(others) - 1)
    depth: Floats = np.asarray(1 + nearness / len(others))
    return depth


def depth_q(calibration: Any, scored: Any) -> float:
    """Return the paper's Q, 0.5 for no shift."""
    inner, outer = depths(calibration, calibration, among=True), depths(scored, calibration)
    u, mean, _ = _mann_whitney(outer, inner)
    return u / (2 * mean)


def text_vectors(
    calibration: Sequence[str], scored: Sequence[str], dimensions: int = 32, seed: int = 0
) -> tuple[Floats, Floats]:
    """Embed both sides cheaply, by TF-IDF of hashed n-grams and truncated SVD."""
    from scipy.sparse import hstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    texts = [*calibration, *scored]
    words = HashingVectorizer(
        n_features=1 << 16, ngram_range=(1, 2), norm=None, alternate_sign=False
    )
    letters = HashingVectorizer(
        n_features=1 << 16, analyzer="char_wb", ngram_range=(2, 4), norm=None, alternate_sign=False
    )
    counts = TfidfTransformer(sublinear_tf=True).fit_transform(
        hstack([words.transform(texts), letters.transform(texts)]).tocsr()
    )
    size = min(dimensions, len(texts) - 1)
    vectors: Floats = TruncatedSVD(size, random_state=seed).fit_transform(counts)
    return vectors[: len(calibration)], vectors[len(calibration) :]


def _mann_whitney(upper: Floats, lower: Floats) -> tuple[float, float, float]:
    """Return U, its mean and its variance under no shift; ties count half."""
    from scipy.stats import rankdata

    m, n = len(upper), len(lower)
    together = np.concatenate([upper, lower])
    u = float(rankdata(together)[:m].sum()) - m * (m + 1) / 2
    _, ties = np.unique(together, return_counts=True)
    total = m + n
    loss = (
        float((ties.astype(np.float64) ** 3 - ties).sum()) / (total * (total - 1))
        if total > 1
        else 0.0
    )
    return u, m * n / 2, m * n / 12 * (total + 1 - loss)


def _stratified(
    side: np.ndarray[Any, np.dtype[np.bool_]], folds: int, rng: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Assign a fold to each row, with rows of both sides in each."""
    fold = np.zeros(len(side), dtype=np.int64)
    for value in (False, True):
        here = np.flatnonzero(side == value)
        fold[rng.permutation(here)] = np.arange(len(here)) % folds
    return fold


def _one_each(vectors: Any, groups: Sequence[str], rng: np.random.Generator) -> Floats:
    vectors = np.asarray(vectors, dtype=np.float64)
    if not len(groups):
        whole: Floats = vectors
        return whole
    if len(groups) != len(vectors):
        raise CriticError(
            f"{len(vectors):,} rows but {len(groups):,} groups; give one group for each row"
        )
    order = rng.permutation(len(vectors))
    _, first = np.unique(np.asarray(groups, dtype=str)[order], return_index=True)
    one: Floats = vectors[np.sort(order[first])]
    return one


def _checked(calibration: Any, scored: Any) -> tuple[Floats, Floats]:
    here, there = np.asarray(calibration, dtype=np.float64), np.asarray(scored, dtype=np.float64)
    for name, vectors in (("calibration", here), ("scored", there)):
        if vectors.ndim != 2 or len(vectors) < FEWEST:
            raise CriticError(
                f"a test for shift needs {FEWEST} {name} rows at least; there are {len(vectors):,}"
            )
        if not np.isfinite(vectors).all():
            raise CriticError(f"vectors of {name} rows are not finite numbers; embed them again")
    if here.shape[1] != there.shape[1]:
        raise CriticError(
            f"calibration rows have {here.shape[1]} dimensions, scored rows {there.shape[1]}; embed"
            " both in one way"
        )
    return here, there


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.where(norms > 0, norms, 1)
    return unit
