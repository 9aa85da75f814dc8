"""Labels that a target precision of 0.9 costs, chosen and uniform ones.

CSKB-Population, the linear critic's scores cross-fitted by head. After a number of labels a
threshold is calibrated (precision 0.9, confidence 0.9); its yield is the share of all rows above
it, 0 if none exists. Chosen rows are drawn around the score 0.9, which needs no label to be known.
Means over draws; all verdicts are known, so the oracle's yield is too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.critics import guarantee_scores
from synthkd.critics.calibration import Curve, Threshold
from synthkd.labels import SamplingDesign

ASKED, CONFIDENCE = 0.9, 0.9
COUNTS = (300, 600, 900, 1200, 1800, 2400, 3600)
WAYS: dict[str, dict[str, Any]] = {
    "uniform": {"strategy": "uniform"},
    "chosen": {"threshold": ASKED},
}


def curves(data: Path, draws: int, seed: int = 0) -> dict[str, dict[int, float]]:
    """Mean yield as a share of the oracle's, by way and number of labels."""
    scores, labels, _ = guarantee_scores.cskb(data, seed)
    oracle = Curve.of(scores, labels).oracle_yield(ASKED)
    ids = [str(number) for number in range(len(scores))]
    by_way: dict[str, dict[int, float]] = {}
    for way, chosen in WAYS.items():
        designs = [
            SamplingDesign.of(ids, scores, seed=seed + draw, **chosen) for draw in range(draws)
        ]
        by_way[way] = {
            count: float(np.mean([_yield(design, count, scores, labels) for design in designs]))
            / oracle
            for count in COUNTS
        }
    return by_way


def _yield(design: SamplingDesign, count: int, scores: Any, labels: Any) -> float:
    taken = design.sample(count)
    curve = Curve.of(scores[taken.rows], labels[taken.rows], taken.weights)
    chosen = curve.threshold(ASKED, CONFIDENCE)
    return float((scores >= chosen.threshold).mean()) if isinstance(chosen, Threshold) else 0.0


def labels_for(curve: dict[int, float], share: float) -> float | None:
    """Interpolate the number of labels at which a curve reaches a share of the oracle's yield."""
    before: tuple[int, float] | None = None
    for count, value in curve.items():
        if value >= share:
            if before is None:
                return float(count)
            least, low = before
            return least + (share - low) / (value - low) * (count - least)
        before = (count, value)
    return None


def figures(options: Options) -> Figures:
    """Measure the yields of both ways, and the factor of their labels.

    The factor is that of the labels for half of the oracle's yield.
    """
    by_way = curves(options.data_folder, 5 if options.quick else 40)
    need = {way: labels_for(curve, 0.5) for way, curve in by_way.items()}
    uniform, chosen = need["uniform"], need["chosen"]
    yields = {
        f"labelling_{way}_{count}_yield_of_oracle": value
        for way, curve in by_way.items()
        for count, value in curve.items()
    }
    return yields | {
        "labelling_uniform_labels_for_half": uniform,
        "labelling_chosen_labels_for_half": chosen,
        "labelling_factor": uniform / chosen if uniform and chosen else None,
    }
