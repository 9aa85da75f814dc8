"""From what a sheet holds to the weight of each row, over one round of labelling or several.

In round r, rows of earlier rounds are certain and row i of the round was labelled with probability π, so
T_r = Σ_earlier y + Σ_round y / π is unbiased for the total, given what was labelled before. The rounds are joined
by their shares of the rows, c_r = n_r / Σ n, so a row of round r weighs c_r / π + Σ c of the later rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from synthkd.keys import content_hash
from synthkd.labels.candidates import CandidatePool
from synthkd.labels.sampling_design import SamplingDesign
from synthkd.labels.sheet import Record, Sheet


def round_name(pool: CandidatePool, strategy: str, share: float, threshold: float | None, seed: int) -> str:
    """Name of a round: rows that were drawn with equal probabilities bear the same."""
    scores = pool.scores
    rows = sorted(
        [name, None if scores is None else round(float(scores[i]), 6), pool.strata[i] if pool.strata else ""]
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
    """The design of a round: it begins where the sheet's earlier rounds ended."""
    first = sheet.first_records()
    before = [pool.place[key] for key, row in first.items() if key in pool.place and row["design"] != name]
    options: dict[str, Any] = {
        "strata": pool.strata, "texts": pool.texts, "threshold": threshold, "strategy": strategy, "share": share,
        "seed": seed, "scale": pool.scale,
    }  # fmt: skip
    start = 0
    if before:
        # The uniform list is the same in every round; it goes on after the last of its rows that was reached.
        order = SamplingDesign.of(pool.ids, pool.scores, **options).uniform.tolist()
        marked = {row for row in before if first[pool.ids[row]]["chosen"] == "uniform"}
        start = max((place + 1 for place, row in enumerate(order) if row in marked), default=0)
    return SamplingDesign.of(pool.ids, pool.scores, before=before, start=start, **options)


def write_weights(sheet: Sheet, pool: CandidatePool, design: SamplingDesign, name: str) -> int:
    """Write how each row was chosen, its probability and weight, as they are with the labels of now.

    Returns how many rows were passed over (skipped) before the last that was labelled. They count as missing at
    random: the weights of the round's other rows are raised to stand for them.
    """
    first = sheet.first_records()
    here = [pool.place[key] for key, row in first.items() if row["design"] == name and key in pool.place]
    turns = design.turns(here)
    reached = int(((design.first < turns) & (design.unit >= 0)).sum())
    probability = design.probability(turns) * (len(here) / reached if reached else 1.0)
    uniform = {pool.ids[row] for row in design.in_uniform(turns).tolist()}
    for row in here:
        first[pool.ids[row]]["probability"] = f"{probability[row]:.9g}"
        first[pool.ids[row]]["chosen"] = design.strategy
    for key in uniform & set(first):
        first[key]["chosen"] = "uniform"
    _weigh([row for key, row in first.items() if key in pool.place], pool.scale)
    _share_out(sheet.records, first)
    sheet.rewrite()
    return reached - len(here)


def _weigh(rows: Sequence[Record], scale: float) -> None:
    names = list(dict.fromkeys(row["design"] for row in rows if row["probability"]))
    counts = [sum(row["design"] == name and bool(row["probability"]) for row in rows) for name in names]
    shares = [count / sum(counts) for count in counts]
    for row in rows:
        place = names.index(row["design"]) if row["probability"] else -1
        own = shares[place] / float(row["probability"]) if place >= 0 else 0.0
        row["weight"] = f"{scale * (own + sum(shares[place + 1 :])):.9g}"


def _share_out(records: Iterable[Record], first: dict[str, Record]) -> None:
    """Rows of one id bear the same numbers, whoever labelled them."""
    for record in records:
        for column in ("chosen", "probability", "weight", "design"):
            record[column] = first[record["id"]][column]
