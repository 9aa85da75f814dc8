"""Plans of threshold tests: their order, and the places at which the error enters."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np

from synthkd.critics.calibration.bounds import Bools, Floats, corpus_p

#: Testing by ranks starts at each of these shares of the rows, or at the fewest with which a test
#: can pass. A start at a few rows whatever their number ends by chance on its way, and at ever
#: purer a top as labels grow. Chosen among eight by simulated critics alone
#: (`benchmarks/critics/threshold_plans.py`).
RANK_STARTS = (0.1, 0.3)
SECOND_START = RANK_STARTS[-1]
STARTS = len(RANK_STARTS)
#: Share of the error for planned places when they are joined with those by ranks.
PLANNED = 0.9
#: A small corpus is a matter of luck: the first start for one lies at so many times the fewest
#: rows.
CORPUS_START = 4
#: Steps of the grid of accepted shares. Finer is better: fewer rows are lost between two steps.
GRID = 150
#: Margins of the first tests of a plan made from other labels, in standard deviations, and their
#: shares of the error. The place with the largest margin comes first: it saves a plan whose labels
#: were too optimistic.
SURE = ((math.inf, 0.3), (3.0, 0.7))


@dataclass(frozen=True)
class ThresholdPlan:
    """``thresholds`` from strict to loose.

    ``shares`` of the allowed error that enter at each, 1 in all.
    """

    thresholds: Floats
    shares: Floats

    @classmethod
    def by_ranks(
        cls, scores: Floats, precision: float, alpha: float, decided: int | None = None
    ) -> ThresholdPlan:
        """Plan by the ranks of the held-out scores themselves, sorted from the highest.

        The threshold for the r best rows lies just above the score of the next row, so that the r
        rows are draws from what lies above the threshold, whatever the next row's label is.
        """
        n = len(scores)
        fewest = min(_first(precision, alpha / STARTS, n, decided) / n, 1.0)
        starts = sorted({max(start, fewest) for start in RANK_STARTS})
        shares = np.unique(np.concatenate([np.linspace(starts[0], 1, GRID), starts]))
        ranks = [math.ceil(share * n - 1e-9) for share in shares]
        values = np.array([_above(scores, rank) for rank in ranks])
        entering = np.isin(shares, starts) / len(starts)
        return cls._merged(values, entering)._from(scores, round(fewest * n))

    def _from(self, scores: Floats, fewest: int) -> ThresholdPlan:
        """Drop thresholds above which too few rows lie for a test to pass.

        Their share of the error enters at the next one. Scores alone decide.
        """
        accepted = np.searchsorted(-scores, -self.thresholds, side="right")
        first = min(int(np.searchsorted(accepted, fewest)), len(accepted) - 1)
        shares = self.shares[first:].copy()
        shares[0] += self.shares[:first].sum()
        return ThresholdPlan(self.thresholds[first:], shares)

    @classmethod
    def from_labels(
        cls, scores: Floats, labels: Bools, rows: int, precision: float, alpha: float
    ) -> ThresholdPlan:
        """Plan from labelled rows elsewhere, such as the cross-fitted training part.

        The first threshold is the loosest that passes with a wide margin if these rows are
        representative.
        """
        from scipy.stats import norm

        order = np.argsort(-scores, kind="stable")
        scores, counts = scores[order], np.arange(1, len(scores) + 1)
        seen = (np.cumsum(labels[order]) + 1) / (counts + 2)
        expected = counts * rows / len(scores)
        spread = np.sqrt(precision * (1 - precision) / expected)
        margin = (seen - precision - norm.isf(alpha) * spread) / np.sqrt(
            spread**2 + seen * (1 - seen) / counts
        )
        margin[expected < 1.1 * fewest_rows(precision, alpha)] = -np.inf
        places = [_loosest(margin, wanted) for wanted, _ in SURE]
        grid = np.linspace(min(places), len(scores) - 1, GRID).round().astype(int)
        at = np.unique(np.concatenate([grid, places]))
        entering = np.zeros(len(at))
        for place, (_, share) in zip(places, SURE, strict=True):
            entering[np.searchsorted(at, place)] += share
        return cls._merged(scores[at], entering)

    @classmethod
    def joined(
        cls, planned: ThresholdPlan, ranks: ThresholdPlan, share: float = PLANNED
    ) -> ThresholdPlan:
        """Join a plan from other labels with one by ranks.

        One order of all thresholds, so what passes at a start by ranks adds its error to the
        planned tests on its way, and the other way round. A plan that misleads leaves the starts by
        ranks; one that is right costs a tenth of the error.
        """
        return cls._merged(
            np.concatenate([planned.thresholds, ranks.thresholds]),
            np.concatenate([share * planned.shares, (1 - share) * ranks.shares]),
        )

    @classmethod
    def _merged(cls, thresholds: Floats, shares: Floats) -> ThresholdPlan:
        """Sort thresholds; equal ones become one with the sum of their shares."""
        unique, places = np.unique(-thresholds, return_inverse=True)
        entering: Floats = np.bincount(places, weights=shares, minlength=len(unique)).astype(
            np.float64
        )
        return cls(-unique, entering)


def fewest_rows(precision: float, alpha: float) -> int:
    """Return the fewest accepted rows, all valid, with which a test at ``alpha`` passes."""
    return math.ceil(math.log(alpha) / math.log(precision)) if precision < 1 else sys.maxsize


def _first(precision: float, level: float, n: int, decided: int | None) -> int:
    """Return `fewest_rows`, or several times as many for a small corpus."""
    if decided is None:
        return fewest_rows(precision, level)
    rows = fewest_rows(precision, level)
    while (
        decided is not None
        and rows < n
        and corpus_p(rows, rows, precision, round(decided * rows / n)) > level
    ):
        rows = math.ceil(rows * 1.05)
    return CORPUS_START * rows


def _above(scores: Floats, rank: int) -> float:
    end = int(np.searchsorted(-scores, -scores[rank - 1], side="right"))
    if end < len(scores):
        return float(np.nextafter(scores[end], np.inf))
    # All rows: no score is needed for that. A finite number, since a manifest is JSON.
    return 0.0 if scores[-1] >= 0 else -sys.float_info.max


def _loosest(margin: Floats, wanted: float) -> int:
    """Return the last place with enough margin, or else the one with the largest margin."""
    enough = np.flatnonzero(margin >= wanted)
    return int(enough[-1]) if len(enough) else int(np.argmax(margin))
