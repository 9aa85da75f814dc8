"""The sampling design of labelling: the order of rows to label, and their inclusion probabilities.

Two lists of the same N rows take turns in a fixed proportion (``share``):

- The *uniform* list has the rows by the hash of their id. Its first k rows are a simple random
  sample of all rows, independent of the other list: p = k / N. Calibration may count them without
  weights.
- In the *chosen* list near-identical rows form a unit, represented by one of its c rows (by hash).
  Units are ordered by v / s, with v a hash in (0, 1) and s the unit's size (`unit_sizes`): priority
  sampling (Duffield, Lund and Thorup, J. ACM 2007). Given all other units, a unit is among the
  first m exactly if v < s·t, where t is the m-th smallest v / s of the others, so q = min(1, s·t) /
  c for each of its rows.

The lists are independent, so a row is labelled with probability π = 1 - (1 - p)(1 - q), and its
weight is 1 / π: the Horvitz-Thompson total Σ y / π over the labelled rows is unbiased for the total
over all rows. A row that both lists reach is labelled once and counts in both. Neither list depends
on the order of the rows, nor on labels.

Other scores begin a new *round*. Rows labelled before are certain in it, the uniform list
continues, and the chosen list is drawn anew; `weights.py` combines the rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from synthkd.errors import InputError, nearest
from synthkd.keys import fraction
from synthkd.text.near_duplicates import word_key

Floats = np.ndarray[Any, np.dtype[np.float64]]

STRATEGIES = ("uniform", "uncertain", "stratified")
#: Width of the band below the threshold in which sizes decrease, as a share of all rows.
BAND = 0.1
#: Size of rows far below the threshold, relative to 1 above; positive, so that each row can be
#: drawn.
FLOOR = 0.05
#: Bins of the score from which `stratified` draws equally.
BINS = 10


def unit_sizes(
    strategy: str,
    scores: Floats | None,
    strata: Sequence[str] | None,
    threshold: float | None,
    count: int,
) -> Floats:
    """Return (count,) sizes for a strategy. Without scores all rows are equally uncertain."""
    if strategy not in STRATEGIES:
        raise InputError(f"unknown strategy {strategy!r}{nearest(strategy, list(STRATEGIES))}")
    if strategy == "uniform":
        return np.ones(count)
    groups = _codes(strata, count)
    if strategy == "stratified":
        return _stratified(scores, groups, count)
    near = np.ones(count) if scores is None else _nearness(scores, threshold)
    # Power allocation (Bankier 1988), exponent one half: a rare stratum gets more than its share.
    return np.asarray(near / np.sqrt(np.bincount(groups)[groups]), dtype=np.float64)


def _stratified(scores: Floats | None, groups: np.ndarray[Any, Any], count: int) -> Floats:
    bins = (
        np.zeros(count, dtype=int)
        if scores is None
        else np.floor(_ranks(scores) * BINS).astype(int)
    )
    _, cells = np.unique(groups * BINS + np.minimum(bins, BINS - 1), return_inverse=True)
    return np.asarray(1 / np.bincount(cells)[cells], dtype=np.float64)


def _nearness(scores: Floats, threshold: float | None) -> Floats:
    """Return (count,) sizes from the ranks of the scores, so that their scale does not matter.

    With a threshold, all rows above it have size 1, since precision is measured on these and equal
    sizes give equal weights; below it the sizes decrease as a bell. Without one, the bell is
    centred at 0.5, or at the median if nearly all scores are on one side of 0.5.
    """
    point = 0.5 if threshold is None else threshold
    place = (float(np.mean(scores < point)) + float(np.mean(scores <= point))) / 2
    if threshold is None and (place < BAND or place > 1 - BAND):
        place = 0.5
    away = (_ranks(scores) - place) / BAND
    if threshold is not None:
        # The plateau begins half a band early, as retraining the critic moves the threshold.
        away = np.minimum(2 * away + 1, 0.0)
    return np.asarray(FLOOR + (1 - FLOOR) * np.exp(-0.5 * away**2), dtype=np.float64)


def _ranks(scores: Floats) -> Floats:
    """Return the mean rank of each score in [0, 1); equal scores have equal ranks."""
    ordered = np.sort(scores)
    low, high = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    return np.asarray((low + high) / 2 / max(len(scores), 1), dtype=np.float64)


def _codes(strata: Sequence[str] | None, count: int) -> np.ndarray[Any, Any]:
    if strata is None:
        return np.zeros(count, dtype=int)
    return np.asarray(
        np.unique(np.asarray(strata, dtype=object).astype(str), return_inverse=True)[1]
    )


Ints = np.ndarray[Any, np.dtype[np.int64]]
SHARE = 1 / 3


@dataclass(frozen=True)
class LabelSample:
    """Rows to label, in order, with the strategy, probability and weight of each."""

    rows: Ints
    strategies: list[str]
    probability: Floats
    weights: Floats

    @property
    def uniform(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Mask of the rows that are a simple random sample."""
        return np.array([strategy == "uniform" for strategy in self.strategies], dtype=bool)


@dataclass(frozen=True)
class SamplingDesign:
    """The uniform and the chosen list over N rows and C units.

    Attributes:
        uniform: (N,) rows of the uniform list.
        start: Position in the uniform list at which the round begins.
        unit: (N,) unit of each row; -1 for rows labelled in earlier rounds.
        representative: (C,) row of each unit, by ascending v / s, as are the next three.
        rank: (C,) v / s.
        size: (C,) s.
        members: (C,) rows of each unit.
        share: Share of turns of the uniform list.
        scale: Rows of the whole data for each of the N rows.
    """

    uniform: Ints
    start: int
    unit: Ints
    representative: Ints
    rank: Floats
    size: Floats
    members: Ints
    share: float
    strategy: str
    scale: float = 1.0

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        scores: Floats | None = None,
        *,
        strata: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
        threshold: float | None = None,
        strategy: str = "uncertain",
        share: float = SHARE,
        seed: int = 0,
        before: Iterable[int] = (),
        start: int = 0,
        scale: float = 1.0,
    ) -> SamplingDesign:
        """Make the design of one round.

        Args:
            ids: Ids of the rows.
            scores: A critic's score of each row.
            strata: Stratum of each row, such as its relation; the chosen rows are spread over them.
            texts: Text of each row; rows of one stratum with equal `word_key` form a unit.
            threshold: The critic's threshold.
            strategy: `uncertain`, `stratified` or `uniform`.
            share: Share of turns of the uniform list.
            before: Rows labelled in earlier rounds.
            start: Position that the uniform list had reached in them.
            scale: Rows of the whole data for each row.
        """
        _check(ids, scores, share)
        count = len(ids)
        size = unit_sizes(strategy, scores, strata, threshold, count)
        if scores is None:
            strategy = "uniform" if strategy == "uniform" or strata is None else "stratified"
        uniform = np.argsort(_draws(seed, "uniform", ids), kind="stable")
        old = np.zeros(count, dtype=bool)
        old[list(before)] = True
        salt = f"chosen {start} {int(old.sum())}"
        unit, names = _units(ids, strata, texts, old)
        members = np.bincount(unit[~old], minlength=len(names))
        mean = np.bincount(unit[~old], size[~old], minlength=len(names)) / members
        rank = _draws(seed, salt, names) / mean
        order = np.argsort(rank, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        unit[~old] = place[unit[~old]]
        one = _one_of_each(unit, _draws(seed, salt + " one", ids), len(names))
        return cls(
            uniform=uniform, start=start, unit=unit, representative=one, rank=rank[order],
            size=mean[order], members=members[order], strategy=strategy, scale=scale,
            share=1.0 if strategy == "uniform" else share,
        )  # fmt: skip

    @cached_property
    def _turns(self) -> tuple[Ints, Ints]:
        """Turns of the positions of the uniform list (from ``start``), and of the chosen list."""
        left = len(self.uniform) - self.start
        steps = np.ceil(self.share * np.arange(int(np.ceil(left / self.share)) + 2) - 1e-9)
        uniform = np.flatnonzero(np.diff(steps) > 0)[:left]
        chosen = np.flatnonzero(np.diff(steps) == 0)
        return uniform, chosen[: len(self.rank)]

    @cached_property
    def first(self) -> Ints:
        """(N,) turn of each row; the largest integer for rows of earlier rounds."""
        never = np.iinfo(np.int64).max
        turn = np.full(len(self.uniform), never, dtype=np.int64)
        uniform, others = self._turns
        turn[self.uniform[self.start :]] = uniform
        chosen = self.representative[: len(others)]
        turn[chosen] = np.minimum(turn[chosen], others)
        turn[self.unit < 0] = never
        return turn

    @cached_property
    def order(self) -> Ints:
        """Rows in the order in which they are labelled."""
        order = np.argsort(self.first, kind="stable")
        return order[: int((self.unit >= 0).sum())]

    def turns(self, labelled: Iterable[int]) -> int:
        """Return the number of turns after which all these rows are labelled."""
        rows = [row for row in labelled if self.unit[row] >= 0]
        return int(self.first[rows].max()) + 1 if rows else 0

    def reached(self, turns: int) -> tuple[int, int]:
        """Return the rows of the uniform and of the chosen list reached in ``turns`` turns."""
        uniform, chosen = self._turns
        return int(np.searchsorted(uniform, turns)), int(np.searchsorted(chosen, turns))

    def in_uniform(self, turns: int) -> Ints:
        """Return the rows of the uniform list reached in ``turns`` turns."""
        return self.uniform[self.start : self.start + self.reached(turns)[0]]

    def probability(self, turns: int) -> Floats:
        """Return (N,) π after ``turns`` turns; 1 for rows of earlier rounds."""
        k, m = self.reached(turns)
        p = k / max(len(self.uniform) - self.start, 1)
        here = self.unit >= 0
        q = np.zeros(len(self.unit))
        if m:
            beyond = self.rank[m] if m < len(self.rank) else np.inf
            limit = np.where(np.arange(len(self.rank)) < m, beyond, self.rank[m - 1])
            unit = np.minimum(1.0, self.size * limit) / self.members
            q[here] = unit[self.unit[here]]
        return np.where(here, 1 - (1 - p) * (1 - q), 1.0)

    def sample(self, count: int) -> LabelSample:
        """Return the first ``count`` rows, with the weights that hold once all are labelled."""
        rows = self.order[:count]
        turns = self.turns(rows.tolist())
        probability = self.probability(turns)[rows]
        uniform = set(self.in_uniform(turns).tolist())
        strategies = ["uniform" if int(row) in uniform else self.strategy for row in rows]
        return LabelSample(rows, strategies, probability, self.scale / probability)


def sample_rows(
    ids: Sequence[str], scores: Floats | None = None, *, count: int, **options: Any
) -> LabelSample:
    """Return the first ``count`` rows to label. ``options`` are those of `Design.of`."""
    return SamplingDesign.of(ids, scores, **options).sample(count)


def simulate_labelling(
    ids: Sequence[str],
    scores: Floats | None,
    labels: np.ndarray[Any, Any],
    counts: Sequence[int],
    **options: Any,
) -> list[tuple[LabelSample, np.ndarray[Any, Any]]]:
    """Return, for each count, the rows that would be labelled, and their labels.

    Args:
        labels: The label of every row.
        options: Those of `SamplingDesign.of`.
    """
    design = SamplingDesign.of(ids, scores, **options)
    samples = [design.sample(count) for count in counts]
    return [(sample, np.asarray(labels)[sample.rows]) for sample in samples]


def _check(ids: Sequence[str], scores: Floats | None, share: float) -> None:
    if not 0 < share <= 1:
        raise InputError(f"a uniform share of {share} cannot be; it is above 0 and at most 1")
    if len(set(ids)) != len(ids):
        twice = next(name for i, name in enumerate(ids) if name in set(ids[:i]))
        raise InputError(f"two rows have the id {twice!r}; ids must differ")
    if scores is None:
        return
    if len(scores) != len(ids):
        raise InputError(f"{len(scores):,} scores for {len(ids):,} rows")
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise InputError(
            f"row {ids[bad[0]]!r}: the score is {scores[bad[0]]}; each row needs a number"
        )


def _draws(seed: int, salt: str, names: Sequence[str]) -> Floats:
    """Return a number in (0, 1) for each name, from its hash alone."""
    return np.array([max(fraction(f"{seed}:{salt}:{name}"), 1e-300) for name in names])


def _units(
    ids: Sequence[str],
    strata: Sequence[str] | None,
    texts: Sequence[str] | None,
    old: np.ndarray[Any, Any],
) -> tuple[Ints, list[str]]:
    """Return the unit of each row, -1 for old rows, and a name of each unit."""
    if texts is None:
        keys: list[tuple[str, ...]] = [(name,) for name in ids]
    else:
        parts = strata if strata is not None else [""] * len(ids)
        keys = [(str(part), word_key(text)) for part, text in zip(parts, texts, strict=True)]
    numbers: dict[tuple[str, ...], int] = {}
    unit = np.full(len(ids), -1, dtype=np.int64)
    for row, key in enumerate(keys):
        if not old[row]:
            unit[row] = numbers.setdefault(key, len(numbers))
    return unit, ["\0".join(key) for key in numbers]


def _one_of_each(unit: Ints, draws: Floats, count: int) -> Ints:
    """Return the row with the smallest draw in each unit."""
    one = np.zeros(count, dtype=np.int64)
    for row in np.argsort(-draws, kind="stable"):
        if unit[row] >= 0:
            one[unit[row]] = row
    return one
