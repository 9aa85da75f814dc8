"""The order of comparatives: errors planted in comparisons that people labelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.intervals import students_t
from benchmarks.text_table import table
from synthkd.filters import order
from synthkd.filters.order import Numbers, Ordered, put_in_order
from synthkd.filters.votes import tally

SEEDS, VOTES = 5, 3

Claims = tuple[Numbers, Numbers, Numbers]


def claims_of(data: Path, split: str) -> Claims:
    """Return the greater and the lesser thing and the attribute of each comparison, as integers."""
    rows = pq.read_table(data / "verbphysics" / "object_pairs.parquet")
    clear = pc.is_in(rows["relation"], value_set=pa.array(["greater", "less"]))
    wanted = pc.and_(pc.greater_equal(rows["agreement"], 2), clear)
    rows = rows.filter(pc.and_(wanted, pc.equal(rows["split_20"], split)))
    columns = [rows[name].to_pylist() for name in ("object_1", "object_2", "attribute", "relation")]
    names = {name: i for i, name in enumerate(sorted({*columns[0], *columns[1]}))}
    axes = {name: i for i, name in enumerate(sorted(set(columns[2])))}
    directions = {}
    for one, other, attribute, relation in zip(*columns, strict=True):
        more, less = (one, other) if relation == "greater" else (other, one)
        directions[names[more], names[less], axes[attribute]] = None
    more, less, axis = np.array(list(directions)).T
    return more, less, axis


def plant(claims: Claims, share: float, seed: int, votes: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return the claims that are wrong after the votes, their lead, and the attribute."""
    more, less, axis = claims
    rng = np.random.default_rng(seed)
    wrong_votes = rng.random((len(more), votes)) < share
    # The votes of a pair on an attribute are counted as in a run: each row votes for what it says
    # is more.
    ask = np.repeat(np.arange(len(more)), votes)
    say = np.where(wrong_votes, less[:, None], more[:, None]).ravel()
    counted = tally(ask, say, np.arange(len(ask)))
    wins = counted.leads.reshape(-1, votes)
    row = wins.argmax(1)
    at = np.arange(len(more)) * votes + row
    wrong = say[at] == less
    lead = np.round(counted.margin[at] * counted.asked[at])
    return wrong, lead, axis


def shares(claims: Claims, wrong: Numbers, results: Ordered) -> dict[str, float]:
    """Return shares of wrong claims found and left, and of true ones lost."""
    kept, on = ~results.rejected, results.tangle >= 0
    rejected = max(int(results.rejected.sum()), 1)
    return {
        "wrong": float(wrong.mean()),
        "wrong on a cycle": float(on[wrong].mean()),
        "wrong found": float(results.rejected[wrong].mean()),
        "true lost": float(results.rejected[~wrong].mean()),
        "right to reject": float(wrong[results.rejected].sum()) / rejected,
        "wrong after": float(wrong[kept].mean()),
    }


def without_ranks(more: Numbers, less: Numbers, weight: Numbers, axis: Numbers) -> Ordered:
    """Break cycles in the same way with ties broken at random.

    Things, whose order decides then, are renumbered.
    """
    drawn = np.random.default_rng(0).permutation(int(max(more.max(), less.max())) + 1)
    more, less, real = drawn[more], drawn[less], order.ranks
    order.ranks = lambda tail, head, weight: np.zeros(int(max(tail.max(), head.max())) + 1)
    try:
        return put_in_order(more, less, weight, axis)
    finally:
        order.ranks = real


def figures(options: Options) -> Figures:
    """Measure every way with one vote and with three, at two shares of planted errors."""
    claims = claims_of(options.data_folder, options.split)
    clean = put_in_order(*claims[:2], None, claims[2])
    print(f"{options.split}: {len(claims[0]):,} claims, nothing planted:"
        f" {int((clean.tangle >= 0).sum())} on cycles,"
          f" {int(clean.rejected.sum())} rejected\n")  # fmt: skip
    results: Figures = {"claims": len(claims[0]), "clean_rejected": int(clean.rejected.sum())}
    lines: list[tuple[Any, ...]] = []
    for votes in (1, VOTES):
        for share in (0.1, 0.2):
            by_way = run(claims, share, votes, 2 if options.quick else SEEDS)
            name = f"{'one vote' if votes == 1 else 'three votes'}, {share:.0%} planted"
            results[name] = by_way
            for way, values in by_way.items():
                lines.append(
                    (name, way, *(f"{mean:.3f} ± {half:.3f}" for mean, half in values.values()))
                )
    print(table([("planted", "way", *next(iter(by_way.values()))), *lines]))
    return results


WAYS: dict[str, Callable[..., Ordered]] = {
    "no ranks": without_ranks,
    "cycles": put_in_order,
    "against": lambda *columns: put_in_order(*columns, against=0.5),
}


def run(claims: Claims, share: float, votes: int, seeds: int) -> dict[str, dict[str, list[float]]]:
    """Mean and half of its interval over the seeds, by way and figure."""
    by_way: dict[str, dict[str, list[float]]] = {way: {} for way in WAYS}
    for seed in range(seeds):
        wrong, lead, axis = plant(claims, share, seed, votes)
        more, less = np.where(wrong, claims[1], claims[0]), np.where(wrong, claims[0], claims[1])
        for way, decide in WAYS.items():
            for name, value in shares(claims, wrong, decide(more, less, lead, axis)).items():
                by_way[way].setdefault(name, []).append(value)
    return {
        way: {name: list(students_t(values)) for name, values in figures.items()}
        for way, figures in by_way.items()
    }
