"""Neighbour features: true triples near the candidate, in its relation and others.

With unit vectors, a known triple (h', r', t') is as near as cos(h, h') + cos(t, t'). Sums of
exp(sharpness * (nearness - 2)) over the known triples of each relation are kernel densities: of the
pair, of the head alone and of the tail alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthkd.critics.logistic import row_products

Floats = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
#: Sharpness for pairs across relations, for one slot alone, and two more for pairs in the
#: candidate's relation.
_PAIR, _SLOT, _OWN = 10.0, 12.0, (8.0, 16.0)
#: Rows at a time, always so many: the last part is padded, so that a row's sums do not depend on
#: its batch.
ROWS = 256
_TINY = 1e-6


class Neighbours:
    """Vectors of a reference's heads and tails, by relation."""

    def __init__(self, head: Floats, relation: Ints, tail: Floats, relations: int) -> None:
        self.sides = [
            (
                np.ascontiguousarray(head[relation == r].T),
                np.ascontiguousarray(tail[relation == r].T),
            )
            for r in range(relations)
        ]
        self.sizes = np.array([heads.shape[1] + 1 for heads, _ in self.sides] + [1])

    def features(self, head: Floats, relation: Ints, tail: Floats) -> dict[str, Any]:
        """Return named features, (n,) each, of candidates (n, d), (n,), (n, d)."""
        parts = [
            self._part(
                *(_padded(values[start : start + ROWS]) for values in (head, relation, tail))
            )
            for start in range(0, max(len(head), 1), ROWS)
        ]
        names = list(parts[0])
        return {name: np.concatenate([part[name] for part in parts])[: len(head)] for name in names}

    def _part(self, head: Floats, relation: Ints, tail: Floats) -> dict[str, Any]:
        n, size = len(head), len(self.sides) + 1
        density = {name: np.zeros((n, size)) for name in ("pair", "head", "tail")}
        nearest = np.zeros((n, size))
        own = {
            name: np.zeros(n)
            for name in ("soft", "sharp", "both", "both5", "h_at", "t_at", "h", "t")
        }
        for r, (heads, tails) in enumerate(self.sides):
            if not heads.shape[1]:
                continue
            a, b = row_products(head, heads), row_products(tail, tails)
            density["head"][:, r] = np.exp(_SLOT * (a - 1)).sum(1)
            density["tail"][:, r] = np.exp(_SLOT * (b - 1)).sum(1)
            near = a + b
            nearest[:, r] = near.max(1)
            density["pair"][:, r] = np.exp(_PAIR * (near - 2)).sum(1)
            here = np.flatnonzero(relation == r)
            if len(here):
                _own(own, here, a[here], b[here], near[here])
        features = {"near": nearest[np.arange(n), relation], "near_any": nearest.max(1)}
        features["near_gap"] = features["near"] - features["near_any"]
        features |= self._densities(density, relation)
        features["cosine"] = (head * tail).sum(1, dtype=np.float64)
        features |= {name: np.log(own[name] + _TINY) for name in ("soft", "sharp")}
        return features | {name: own[name] for name in ("both", "both5", "h_at", "t_at", "h", "t")}

    def _densities(self, density: dict[str, Any], relation: Ints) -> dict[str, Any]:
        rows = np.arange(len(relation))
        features: dict[str, Any] = {}
        for name, values in density.items():
            logs = np.log(values + _TINY)
            own, total = logs[rows, relation], np.log(values.sum(1) + _TINY)
            lifted = logs - np.log(self.sizes)
            features |= {
                f"{name}_own": own,
                f"{name}_total": total,
                f"{name}_posterior": own - total,
                f"{name}_mean": lifted[rows, relation],
                f"{name}_rank": (logs > own[:, None]).sum(1).astype(np.float64),
                f"{name}_behind": lifted[rows, relation] - lifted.max(1),
            }
        features["together"] = (
            features["pair_total"] - features["head_total"] - features["tail_total"]
        )
        features["together_own"] = (
            features["pair_own"] - features["head_own"] - features["tail_own"]
        )
        return features


def _own(own: dict[str, Any], here: Ints, a: Floats, b: Floats, near: Floats) -> None:
    """Fill in the features of the candidate's own relation."""
    for name, sharpness in zip(("soft", "sharp"), _OWN, strict=True):
        own[name][here] = np.exp(sharpness * (near - 2)).sum(1)
    weaker = np.minimum(a, b)
    top = np.partition(weaker, max(0, weaker.shape[1] - 5), axis=1)[:, -5:]
    own["both"][here], own["both5"][here] = top.max(1), top.mean(1)
    best, rows = near.argmax(1), np.arange(len(here))
    own["h_at"][here], own["t_at"][here] = a[rows, best], b[rows, best]
    own["h"][here], own["t"][here] = a.max(1), b.max(1)


def _padded(values: Any) -> Any:
    missing = ROWS - len(values)
    if not missing:
        return values
    return np.concatenate([values, np.zeros((missing, *values.shape[1:]), dtype=values.dtype)])
