"""Weights of labelled rows, from the label sheet, over one or several rounds of labelling.

In round r, rows of earlier rounds are certain and row i of the round was labelled with probability
π, so T_r = Σ_earlier y + Σ_round y / π is unbiased for the total, given the labels of earlier
rounds. The rounds are combined by their shares of the rows, c_r = n_r / Σ n, so a row of round r
has the weight c_r / π + Σ c of the later rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from synthkd.keys import content_hash
from synthkd.labels.candidates import CandidatePool
from synthkd.labels.sampling_design import SamplingDesign
from synthkd.labels.sheet import Record, Sheet


def round_name(
    pool: CandidatePool, strategy: str, share: float, threshold: float | None, seed: int
) -> str:
    """Return the name of a labelling round; equal names mean equal probabilities of being drawn."""
    scores = pool.scores
    rows = sorted(
        [
            name,
            None if scores is None else round(float(scores[i]), 6),
            pool.strata[i] if pool.strata else "",
        ]
        for i, name in enumerate(pool.ids)
    )
    return content_hash([strategy, round(share, 6), threshold, seed, rows], size=4)


def next_design(
    pool: CandidatePool,
    sheet: Sheet,
    name: str,
    *,
    strategy: str,
    share: float,
    threshold: float | None,
    seed: int,
) -> SamplingDesign:
    """Return the design of the round ``name``, which continues after the sheet's earlier rounds."""
    first = sheet.first_records()
    before = [
        pool.positions[key]
        for key, row in first.items()
        if key in pool.positions and row["design"] != name
    ]
    options: dict[str, Any] = {
        "strata": pool.strata,
        "texts": pool.texts,
        "threshold": threshold,
        "strategy": strategy,
        "share": share,
        "seed": seed,
        "scale": pool.scale,
    }
    start = 0
    if before:
        # The uniform list is equal in all rounds: continue after its last row that was labelled.
        order = SamplingDesign.of(pool.ids, pool.scores, **options).uniform.tolist()
        uniform = {row for row in before if first[pool.ids[row]]["chosen"] == "uniform"}
        start = max((place + 1 for place, row in enumerate(order) if row in uniform), default=0)
    return SamplingDesign.of(pool.ids, pool.scores, before=before, start=start, **options)


def write_weights(sheet: Sheet, pool: CandidatePool, design: SamplingDesign, name: str) -> int:
    """Write strategy, probability and weight of each row, given the labels so far.

    Rows that were skipped before the last labelled row count as missing at random: the weights of
    the other rows of the round are raised to stand for them.

    Returns:
        The number of rows that were skipped.
    """
    first = sheet.first_records()
    here = [
        pool.positions[key]
        for key, row in first.items()
        if row["design"] == name and key in pool.positions
    ]
    turns = design.turns(here)
    reached = int(((design.first < turns) & (design.unit >= 0)).sum())
    probability = design.probability(turns) * (len(here) / reached if reached else 1.0)
    uniform = {pool.ids[row] for row in design.in_uniform(turns).tolist()}
    for row in here:
        first[pool.ids[row]]["probability"] = f"{probability[row]:.9g}"
        first[pool.ids[row]]["chosen"] = design.strategy
    for key in uniform & set(first):
        first[key]["chosen"] = "uniform"
    _set_weights([row for key, row in first.items() if key in pool.positions], pool.scale)
    _copy_to_all(sheet.records, first)
    sheet.rewrite()
    return reached - len(here)


def _set_weights(rows: Sequence[Record], scale: float) -> None:
    names = list(dict.fromkeys(row["design"] for row in rows if row["probability"]))
    counts = [
        sum(row["design"] == name and bool(row["probability"]) for row in rows) for name in names
    ]
    shares = [count / sum(counts) for count in counts]
    for row in rows:
        place = names.index(row["design"]) if row["probability"] else -1
        weight = shares[place] / float(row["probability"]) if place >= 0 else 0.0
        row["weight"] = f"{scale * (weight + sum(shares[place + 1 :])):.9g}"


def _copy_to_all(records: Iterable[Record], first: dict[str, Record]) -> None:
    """Copy the numbers of a row's first record to its other records, of other annotators."""
    for record in records:
        for column in ("chosen", "probability", "weight", "design"):
            record[column] = first[record["id"]][column]
