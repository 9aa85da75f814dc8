"""Comparisons that people labelled, with planted errors: how many do votes and the order without cycles find?

    python -m benchmarks verbphysics [--quick] [--json FILE] [--part dev]

VerbPhysics: pairs of objects on five attributes (size, weight, strength, rigidness, speed), agreement of at least two
of three people, greater or less. Each comparison is a claim. Errors are planted by turning claims round:

- `one vote`: a share of the claims is turned round; only cycles can tell.
- `three votes`: each claim is voted on three times, each vote turned round with that chance; the votes' winner is the claim
  and its lead is its strength.

`cycles` rejects the weakest claims of cycles; `against` also those on a cycle that the ranks speak against by more than 0.5.
`no ranks`: ties are broken by chance, as a cycle breaker does that looks at strength alone. Intervals are 95 %
over the seeds (t). Settings were chosen on the train part of the 20 % split; the dev part was looked at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.base import data_folder, options, table, write
from synthkd.filters import order
from synthkd.filters.order import Numbers, Ordered, put_in_order
from synthkd.filters.votes import tally

SEEDS, VOTES = 5, 3
#: Student's t at 97.5 % by degrees of freedom, for so few seeds.
_T = {1: 12.71, 4: 2.776}
Claims = tuple[Numbers, Numbers, Numbers]


def claims_of(part: str) -> Claims:
    """What is more, what is less, and the attribute of each labelled comparison, as whole numbers."""
    rows = pq.read_table(data_folder() / "verbphysics" / "object_pairs.parquet")
    clear = pc.is_in(rows["relation"], value_set=pa.array(["greater", "less"]))
    wanted = pc.and_(pc.greater_equal(rows["agreement"], 2), clear)
    rows = rows.filter(pc.and_(wanted, pc.equal(rows["split_20"], part)))
    columns = [rows[name].to_pylist() for name in ("object_1", "object_2", "attribute", "relation")]
    names = {name: i for i, name in enumerate(sorted({*columns[0], *columns[1]}))}
    axes = {name: i for i, name in enumerate(sorted(set(columns[2])))}
    said = {}
    for one, other, attribute, relation in zip(*columns, strict=True):
        more, less = (one, other) if relation == "greater" else (other, one)
        said[names[more], names[less], axes[attribute]] = None
    more, less, axis = np.array(list(said)).T
    return more, less, axis


def plant(claims: Claims, share: float, seed: int, votes: int) -> tuple[Numbers, Numbers, Numbers]:
    """What is more, what is less as the votes have it, the lead, and which claims are wrong."""
    more, less, axis = claims
    rng = np.random.default_rng(seed)
    wrong_votes = rng.random((len(more), votes)) < share
    # The votes of a pair on an attribute are counted as in a run: each row votes for what it says is more.
    ask = np.repeat(np.arange(len(more)), votes)
    say = np.where(wrong_votes, less[:, None], more[:, None]).ravel()
    counted = tally(ask, say, np.arange(len(ask)))
    wins = counted.leads.reshape(-1, votes)
    row = wins.argmax(1)
    at = np.arange(len(more)) * votes + row
    wrong = say[at] == less
    lead = np.round(counted.margin[at] * counted.asked[at])
    return wrong, lead, axis


def measured(claims: Claims, wrong: Numbers, found: Ordered) -> dict[str, float]:
    """Shares of the wrong claims that lie on a cycle and that are rejected, of true ones lost, and of what remains wrong."""
    kept, on = ~found.rejected, found.tangle >= 0
    rejected = max(int(found.rejected.sum()), 1)
    return {
        "wrong": float(wrong.mean()),
        "wrong on a cycle": float(on[wrong].mean()),
        "wrong found": float(found.rejected[wrong].mean()),
        "true lost": float(found.rejected[~wrong].mean()),
        "right to reject": float(wrong[found.rejected].sum()) / rejected,
        "wrong after": float(wrong[kept].mean()),
    }


def without_ranks(more: Numbers, less: Numbers, weight: Numbers, axis: Numbers) -> Ordered:
    """The same cycle breaker with ties broken by chance: the numbers of things, which decide then, are drawn anew."""
    drawn = np.random.default_rng(0).permutation(int(max(more.max(), less.max())) + 1)
    more, less, real = drawn[more], drawn[less], order.ranks
    order.ranks = lambda tail, head, weight: np.zeros(int(max(tail.max(), head.max())) + 1)
    try:
        return put_in_order(more, less, weight, axis)
    finally:
        order.ranks = real


WAYS: dict[str, Callable[..., Ordered]] = {
    "no ranks": without_ranks,
    "cycles": put_in_order,
    "against": lambda *columns: put_in_order(*columns, against=0.5),
}


def run(claims: Claims, share: float, votes: int, seeds: int) -> dict[str, dict[str, list[float]]]:
    """By way and figure: the mean over the seeds and half of its interval."""
    values: dict[str, dict[str, list[float]]] = {way: {} for way in WAYS}
    for seed in range(seeds):
        wrong, lead, axis = plant(claims, share, seed, votes)
        more, less = np.where(wrong, claims[1], claims[0]), np.where(wrong, claims[0], claims[1])
        for way, decide in WAYS.items():
            for name, value in measured(claims, wrong, decide(more, less, lead, axis)).items():
                values[way].setdefault(name, []).append(value)
    return {
        way: {
            name: [float(np.mean(v)), _T.get(seeds - 1, 2.0) * float(np.std(v, ddof=1)) / seeds**0.5]
            for name, v in figures.items()
        }
        for way, figures in values.items()
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--part", choices=["train", "dev"], default="train")
    args = parser.parse_args()
    claims = claims_of(args.part)
    clean = put_in_order(*claims[:2], None, claims[2])
    print(f"{args.part}: {len(claims[0]):,} claims, nothing planted: {int((clean.tangle >= 0).sum())} on cycles,"
          f" {int(clean.rejected.sum())} rejected\n")  # fmt: skip
    figures: dict[str, Any] = {"claims": len(claims[0]), "clean_rejected": int(clean.rejected.sum())}
    lines: list[tuple[Any, ...]] = []
    for votes in (1, VOTES):
        for share in (0.1, 0.2):
            found = run(claims, share, votes, 2 if args.quick else SEEDS)
            name = f"{'one vote' if votes == 1 else 'three votes'}, {share:.0%} planted"
            figures[name] = found
            for way, of in found.items():
                lines.append((name, way, *(f"{mean:.3f} ± {half:.3f}" for mean, half in of.values())))
    print(table([("planted", "way", *next(iter(found.values()))), *lines]))
    write(figures, args.json)


if __name__ == "__main__":
    main()
