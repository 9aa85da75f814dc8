#!/usr/bin/env python3
"""How many labels a promise of 0.9 costs: rows that `synthkd label` chooses against uniform ones.

    python -m benchmarks.critics.labelling --data DIR [--quick] [--json FILE]

CSKB-Population, the linear critic's scores cross-fitted by head. So many rows are labelled, a threshold is asked for
(precision 0.9, confidence 0.9), and the share of all rows above it is the yield; 0 where none can be had. Chosen rows
are drawn around the score 0.9, which needs no label to be known. Medians and means over draws; all verdicts are known,
so the oracle's yield is too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import data_folder, options, table, write
from synthkd.critics.calibration import Curve, Threshold
from synthkd.labels import SamplingDesign

ASKED, CONFIDENCE = 0.9, 0.9
COUNTS = (300, 600, 900, 1200, 1800, 2400, 3600)
WAYS: dict[str, dict[str, Any]] = {"uniform": {"strategy": "uniform"}, "chosen": {"threshold": ASKED}}


def curves(data: Path, draws: int, seed: int = 0) -> dict[str, dict[int, float]]:
    """Way -> labels -> mean yield as a share of the oracle's."""
    from benchmarks.critics import guarantee_scores

    scores, labels, _ = guarantee_scores.cskb(data, seed)
    oracle = Curve.of(scores, labels).oracle_yield(ASKED)
    ids = [str(number) for number in range(len(scores))]
    found: dict[str, dict[int, float]] = {}
    for way, chosen in WAYS.items():
        designs = [SamplingDesign.of(ids, scores, seed=seed + draw, **chosen) for draw in range(draws)]
        found[way] = {
            count: float(np.mean([_yield(design, count, scores, labels) for design in designs])) / oracle
            for count in COUNTS
        }
    return found


def _yield(design: SamplingDesign, count: int, scores: Any, labels: Any) -> float:
    taken = design.sample(count)
    curve = Curve.of(scores[taken.rows], labels[taken.rows], taken.weights)
    chosen = curve.threshold(ASKED, CONFIDENCE)
    return float((scores >= chosen.threshold).mean()) if isinstance(chosen, Threshold) else 0.0


def labels_for(curve: dict[int, float], share: float) -> float | None:
    """Labels at which a curve reaches a share of the oracle's yield, on a line between its points."""
    before: tuple[int, float] | None = None
    for count, value in curve.items():
        if value >= share:
            if before is None:
                return float(count)
            least, low = before
            return least + (share - low) / (value - low) * (count - least)
        before = (count, value)
    return None


def figures(data: Path, quick: bool = False) -> dict[str, Any]:
    """Both curves, and how many times more labels uniform rows need for half of the oracle's yield."""
    found = curves(data, 5 if quick else 40)
    need = {way: labels_for(curve, 0.5) for way, curve in found.items()}
    uniform, chosen = need["uniform"], need["chosen"]
    flat: dict[str, Any] = {
        f"labelling_{way}_{count}_yield_of_oracle": value
        for way, curve in found.items()
        for count, value in curve.items()
    }
    return flat | {
        "labelling_uniform_labels_for_half": uniform,
        "labelling_chosen_labels_for_half": chosen,
        "labelling_factor": uniform / chosen if uniform and chosen else None,
    }


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, help="folder of real rows (default: SYNTHKD_DATA)")
    args = parser.parse_args()
    found = figures(data_folder(args.data), args.quick)
    print(table([("figure", "value"), *found.items()]))
    write(found, args.json)


if __name__ == "__main__":
    main()
