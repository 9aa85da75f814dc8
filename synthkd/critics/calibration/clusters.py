"""Rows that hang together (one head, one document, one item): how many independent rows they are worth.

The design effect is the variance of the precision between groups over what independent rows would have; rows over
design effect go into the exact binomial, with a correction for few groups (Korn & Graubard 1998). This is an
approximation, not an exact bound. The exact way, one row drawn of each group, answers another question where groups
differ in size (each group would count once), and throws most labels away where they are large.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthkd.critics.calibration.bounds import Bools, Ints

#: With few invalid rows a design effect cannot be seen. So many invalid rows of groups that are wholly of one
#: verdict are supposed beside those seen.
_SUPPOSED = 2.0


def numbered(groups: Any) -> Ints | None:
    """A number for each group; None where no group has two rows."""
    names, places = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return None if len(names) == len(places) else places.astype(np.int64)


def largest_effect(groups: Ints | None) -> float:
    """The design effect where each group is wholly of one verdict. Looks at no label."""
    if groups is None or not len(groups):
        return 1.0
    sizes = np.bincount(groups).astype(np.float64)
    return float((sizes**2).sum() / sizes.sum())


def design_effect(labels: Bools, groups: Ints | None) -> float:
    """At least 1: of the precision of these accepted rows."""
    most = largest_effect(groups)
    if groups is None or most == 1.0:
        return 1.0
    rows, share = len(labels), float(labels.mean())
    count = int(np.count_nonzero(np.bincount(groups)))
    if count < 2:
        return float(rows)
    within = np.bincount(groups, labels - share)
    variance = max(rows * share * (1 - share), 1e-12)
    seen = count / (count - 1) * float((within**2).sum()) / variance if 0 < share < 1 else most
    rarer = min(int(labels.sum()), rows - int(labels.sum()))
    return max((rarer * seen + _SUPPOSED * most) / (rarer + _SUPPOSED), 1.0)


def effective_rows(labels: Bools, groups: Ints | None, level: float) -> float:
    """Independent rows that tell as much as these, for a test at ``level``."""
    from scipy.stats import norm, t

    effect = design_effect(labels, groups)
    if groups is None or effect == 1.0:
        return float(len(labels))
    count = int(np.count_nonzero(np.bincount(groups)))
    few = (norm.isf(level) / t.isf(level, count - 1)) ** 2 if count > 1 and level < 0.5 else 1.0
    return len(labels) / effect * float(few)
