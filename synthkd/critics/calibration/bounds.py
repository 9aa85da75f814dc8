"""P-values and bounds for the hypothesis that the precision of accepted rows is below p.

Sources: Clopper & Pearson 1934 (exact binomial); Waudby-Smith & Ramdas 2023, arXiv 2010.09686
(betting), with Ville's inequality: a product of fair bets exceeds 1/alpha with a probability of at
most alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

#: A bet never stakes more than this share of what could be lost.
_LARGEST_STAKE = 0.9


def clopper_pearson_lower(successes: int, n: int, alpha: float) -> float:
    """Return the lower end of the one-sided exact binomial interval at confidence ``1 - alpha``."""
    if successes == 0:
        return 0.0
    from scipy.stats import beta

    return float(beta.ppf(alpha, successes, n - successes + 1))


def clopper_pearson_upper(successes: int, n: int, alpha: float) -> float:
    """Return the upper end of the one-sided exact binomial interval at confidence ``1 - alpha``."""
    return 1 - clopper_pearson_lower(n - successes, n, alpha)


def binomial_p(valid: Any, accepted: Any, precision: float) -> Floats:
    """Return the chance of so many valid rows at this precision; 1 if no row is accepted."""
    from scipy.stats import binom

    accepted = np.asarray(accepted)
    p_values: Floats = np.where(
        accepted > 0, binom.sf(np.asarray(valid) - 1, accepted, precision), 1.0
    )
    return p_values


def betainc_p(valid: Any, accepted: Any, precision: float) -> Floats:
    """Extend `binomial_p` to fractional counts."""
    from scipy.special import betainc

    valid, accepted = np.asarray(valid, dtype=np.float64), np.asarray(accepted, dtype=np.float64)
    some = np.maximum(valid, 1e-12)
    p_values: Floats = np.where(
        valid > 0, betainc(some, np.maximum(accepted - valid, 0) + 1, precision), 1.0
    )
    return p_values


def corpus_p(valid: int, accepted: int, precision: float, decided: int) -> float:
    """Return the p-value for a corpus of ``decided`` accepted rows instead of the population.

    Calibration and corpus rows are draws from one population, so which of the valid ones are in the
    calibration part is hypergeometric. The worst corpus that breaks the guarantee has one valid row
    too few; with more valid rows in all, so good a calibration part beside so bad a corpus is less
    likely. As ``decided`` grows this becomes `binomial_p`.
    """
    from scipy.special import betaln

    if not accepted:
        return 1.0
    decided = max(decided, 1)
    total = valid + math.ceil(precision * decided - 1e-9) - 1
    at = np.arange(valid, min(accepted, total) + 1)
    # log of C(accepted, k) C(decided, total - k) / C(accepted + decided, total)

    def choose(n: Any, k: Any) -> Any:
        return -betaln(n - k + 1, k + 1) - np.log(n + 1)

    logs = choose(accepted, at) + choose(decided, total - at) - choose(accepted + decided, total)
    return min(float(np.exp(logs).sum()), 1.0)


def betting_p(labels: Bools, weights: Floats, precision: float, level: float) -> float:
    """Return a p-value from bets on accepted rows, in an order that must not depend on labels.

    Weights are in (0, 1], 1 the largest of the design. Under the null hypothesis ``w * (valid -
    p)`` has a mean of at most 0, so each bet ``1 + stake * w * (valid - p)`` is fair at best,
    whatever was staked before; the inverse of the largest wealth reached is a p-value (Ville). The
    stake is the best one for a normal mean at ``level``; it looks at the weights of the rows before
    only.
    """
    if not len(labels):
        return 1.0
    count = len(labels)
    squares = (1.0 + np.concatenate(([0.0], np.cumsum(weights**2)[:-1]))) / np.arange(1, count + 1)
    best = np.sqrt(2 * math.log(1 / level) / (count * squares * precision * (1 - precision)))
    stakes = np.minimum(best, _LARGEST_STAKE / precision)
    wealth = np.cumsum(np.log1p(stakes * weights * (labels - precision)))
    return float(min(1.0, math.exp(-max(float(wealth.max()), 0.0))))


def lower_bound_of_test(p_value: Callable[[float], float], level: float) -> float:
    """Return the largest precision that a test passes at ``level``, to 1e-4 below; 0 if none."""
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        if p_value(middle) <= level:
            low = middle
        else:
            high = middle
    return low
