"""From held-out scores and labels to a threshold that guarantees a target precision.

The guarantee: with the chosen confidence over draws of the held-out rows, the precision of all rows
at or above the threshold, in the population that the held-out rows were drawn from, is at least the
target precision.

Why it holds, though many thresholds are looked at and one is chosen:

1. *One threshold, fixed.* Given how many of the held-out rows lie above it, their verdicts are
   independent draws with the precision above it. The exact binomial test of "the precision is below
   p" errs with a chance of at most its level.
2. *Many thresholds, in an order fixed in advance.* Testing goes from strict to loose. A share of
   the allowed error enters at each start; a test that passes hands all it had on to the next, one
   that fails ends the chain (the fallback procedure; Wiens 2003, Bretz et al. 2009). To accept too
   low a precision, the chain that does so must pass its first false threshold. That threshold is
   fixed by the population, and the errors with which such tests can be reached add up to at most
   the allowed one.
3. *Thresholds by the ranks of the held-out scores* (`ThresholdPlan.by_ranks`) move with the sample.
   Accepting the r best rows means accepting what scores above the next row: given that row's score,
   the r rows are draws from what lies above it, so 1 still holds for each. The next row itself is
   left out: its verdict is not such a draw. Which threshold is the first false one now depends on
   the sample, through N, the number of held-out rows above the point at which the precision first
   falls below p. Given N, the rows above that point are valid with a chance of p, and those between
   it and the threshold with less on average. So 2 holds given N, as long as the precision above a
   threshold, once below p, stays below it as the threshold loosens. A critic so bent that this
   fails can break the guarantee more often. Tied scores are taken together; few and large ties make
   nearly the same thresholds in every sample, which is case 2; between the two extremes the
   argument is not exact, and simulation stands for it.
4. *Thresholds from rows elsewhere* (`ThresholdPlan.from_labels`) need no such condition, and reach
   a higher yield: labelled rows that are not among the held-out ones, such as the training part
   cross-fitted, say where to start. If they mislead, the yield suffers and the guarantee does not.
5. *A corpus instead of the population* (``decided``): the accepted part of the rows that are
   decided is itself a draw, and its own precision may fall short of the population's. `corpus_p`
   counts that in.
6. *Labels that were not drawn uniformly* carry weights: see `betting_p`; a uniform sample thinned
   from the rows where that has more power, and the plain binomial where all weights are equal.

7. *Both plans at once* (`ThresholdPlan.joined`): the thresholds of both in one order, a tenth of
   the error entering by ranks. Let t be where the precision first falls below p, N rows lie above
   it and M between it and the first fixed threshold f beyond. N and M say whether f or a rank comes
   first. Given them, f has N and M draws with at most p on average; a rank that comes before f
   takes the best of the M, of which 3 holds. So the first false test errs with at most what has
   entered before it, and each later start with its own share: together alpha at most, as in 2. The
   leftover of a sequence that has failed may not be given to the other: only what passes hands on
   (Bretz et al. 2009). Testing each threshold as a risk to be controlled, in a fixed order, is
   Learn-then-Test (Angelopoulos et al. 2021, arXiv 2110.01052).
8. *Clustered rows* (``groups``): the design effect makes fewer rows of them (`clusters`). An
   approximation, for which simulation stands (`benchmarks/critics/guarantee_simulation.py`).

What breaks the guarantee: rows that the critic was trained on, clustered rows without groups, a
shift between the held-out rows and what is decided (`critics.shift`).
"""

from synthkd.critics.calibration.bounds import clopper_pearson_lower, clopper_pearson_upper
from synthkd.critics.calibration.curve import Curve
from synthkd.critics.calibration.evidence import Evidence
from synthkd.critics.calibration.groups import GroupThresholds, choose_by_group
from synthkd.critics.calibration.plan import ThresholdPlan
from synthkd.critics.calibration.results import Threshold, Unreachable

__all__ = [
    "Curve",
    "Evidence",
    "GroupThresholds",
    "Threshold",
    "ThresholdPlan",
    "Unreachable",
    "choose_by_group",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
]
