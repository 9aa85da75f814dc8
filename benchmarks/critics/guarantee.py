"""Kept target precisions on real rows: random divisions into calibration and test groups.

Scores are cross-fitted by group: of the linear critic for CSKB, of the knowledge-base critic for
CN-100K, of the text critic for the explanations. In each division a threshold for a target
precision is calibrated on half of the groups, and its precision is counted on the other half. The
guarantee is broken in a division if that precision is below the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.critics import guarantee_scores
from benchmarks.text_table import table
from synthkd.critics.calibration import (
    Curve,
    Threshold,
    clopper_pearson_lower,
    clopper_pearson_upper,
)

Floats = np.ndarray[Any, np.dtype[np.float64]]
#: Ends the name of ways that calibrate as if rows were independent.
_FORGOTTEN = "groups forgotten"
#: Least chance of a row in draws by uncertainty.
_FLOOR = 0.2


def divisions(
    scores: Any,
    labels: Any,
    groups: Sequence[str],
    targets: Sequence[float] = (0.8, 0.9, 0.95),
    delta: float = 0.1,
    divisions: int = 200,
    seed: int = 0,
    *,
    uniform: bool = True,
    for_corpus: bool = True,
    grouped: bool = True,
) -> dict[float, dict[str, Any]]:
    """Measure each target: share of divisions broken, share of the oracle's yield.

    Args:
        uniform: False draws calibration rows with a chance that falls from 1 at an uncertain score
            to a fifth at a
            certain one, and weights them.
        for_corpus: True guarantees the precision of the very rows of the other half; False that of
            the population of
            which that half is a draw.
        grouped: False calibrates as if rows were independent.
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    names, places = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    results: dict[float, list[tuple[bool, bool, float, float]]] = {target: [] for target in targets}
    for number in range(divisions):
        rng = np.random.default_rng([seed, number])
        calibration = (rng.permutation(len(names)) < len(names) / 2)[places]
        test = Curve.of(scores[~calibration], labels[~calibration])
        drawn, weights = calibration, None
        if not uniform:
            chance = _FLOOR + (1 - _FLOOR) * (1 - np.abs(2 * _ranks(scores) - 1))
            drawn = calibration & (rng.random(len(scores)) < chance)
            weights = 1 / chance[drawn]
        together = [str(place) for place in places[drawn]] if grouped else None
        curve = Curve.of(scores[drawn], labels[drawn], weights, together)
        for target in targets:
            results[target].append(_one(curve, test, target, delta, for_corpus))
    return {target: _summary(rows, int(calibration.sum())) for target, rows in results.items()}


def _one(
    curve: Curve, test: Curve, target: float, delta: float, for_corpus: bool
) -> tuple[bool, bool, float, float]:
    """Return (reached, broken, share kept, share that an oracle would keep) of one division."""
    answer = curve.threshold(target, 1 - delta, decided=len(test.scores) if for_corpus else None)
    oracle = test.oracle_yield(target)
    if not isinstance(answer, Threshold):
        return False, False, 0.0, oracle
    precision, kept, _ = test.evidence().rate(answer.threshold)
    return True, kept > 0 and precision < target, kept, oracle


def _summary(rows: list[tuple[bool, bool, float, float]], calibration_rows: int) -> dict[str, Any]:
    reached, broken, kept, oracle = (np.array(column) for column in zip(*rows, strict=True))
    bad, n = int(broken.sum()), len(rows)
    return {
        "reached_share": float(reached.mean()),
        "broken_share": bad / n,
        "broken_low": clopper_pearson_lower(bad, n, 0.025),
        "broken_high": clopper_pearson_upper(bad, n, 0.025),
        "kept_mean": float(kept.mean()),
        "oracle_kept_mean": float(oracle.mean()),
        "yield_of_oracle": float(kept.mean() / oracle.mean()) if oracle.any() else 0.0,
        "calibration_rows": calibration_rows,
        "divisions": n,
    }


def _ranks(scores: Floats) -> Floats:
    """Return ranks over the number of rows, which do not depend on the scale of the scores."""
    ranks: Floats = np.argsort(np.argsort(scores)) / max(len(scores) - 1, 1)
    return ranks


def worst(figures: dict[str, dict[float, dict[str, Any]]]) -> float:
    """Return the largest share over sets, ways and targets: `promise_broken_share_max`.

    Ways that ignore the groups are left out.
    """
    return max(
        row["broken_share"]
        for name, by_target in figures.items()
        for row in by_target.values()
        if not name.endswith(_FORGOTTEN)
    )


def sets(
    data: Path, seed: int = 0, *, quick: bool = False
) -> dict[str, tuple[Floats, Any, list[str]]]:
    """Return scores, labels and groups of the sets."""
    makers = {"cskb_population": guarantee_scores.cskb}
    if not quick:
        makers |= {
            "conceptnet_cn100k": guarantee_scores.conceptnet,
            "gpt3_explanations csqa": partial(guarantee_scores.explanations, part="csqa"),
            "gpt3_explanations snli": partial(guarantee_scores.explanations, part="snli"),
        }
    return {name: make(data, seed) for name, make in makers.items()}


def by_set(
    data: Path, seed: int = 0, *, quick: bool = False
) -> dict[str, dict[float, dict[str, Any]]]:
    """Return figures of the divisions by set and way of labelling, then by target precision."""
    return {
        f"{name}, {way}": divisions(
            scores, labels, groups, divisions=20 if quick else 200, seed=seed, **chosen
        )
        for name, (scores, labels, groups) in sets(data, seed, quick=quick).items()
        for way, chosen in _WAYS.items()
    }


def figures(options: Options) -> Figures:
    """Measure the largest share of broken guarantees, and each set's share of the best yield."""
    results = by_set(options.data_folder, options.seed, quick=options.quick)
    keys = ("reached_share", "broken_share", "broken_low", "broken_high")
    keys += ("kept_mean", "oracle_kept_mean", "yield_of_oracle")
    rows = {f"{name}, {target}": row for name, by in results.items() for target, row in by.items()}
    header = ("rows", "reached", "broken", "low", "high", "kept", "oracle", "of oracle")
    print(table([header, *((name, *(row[key] for key in keys)) for name, row in rows.items())]))
    guaranteed = [name for name in rows if _FORGOTTEN not in name]
    named = max(guaranteed, key=lambda name: rows[name]["broken_share"])
    yields = {
        f"promise_yield_of_oracle: {name}": row["yield_of_oracle"] for name, row in rows.items()
    }
    return yields | {
        "promise_broken_share_max": rows[named]["broken_share"],
        "promise_broken_share_low": rows[named]["broken_low"],
        "promise_broken_share_high": rows[named]["broken_high"],
        "promise_broken_most": named,
    }


_WAYS: dict[str, dict[str, bool]] = {
    "uniform": {"uniform": True, "for_corpus": True},
    "by uncertainty": {"uniform": False, "for_corpus": True},
    f"uniform, {_FORGOTTEN}": {"uniform": True, "for_corpus": True, "grouped": False},
    "uniform, population": {"uniform": True, "for_corpus": False},
    f"uniform, population, {_FORGOTTEN}": {"uniform": True, "for_corpus": False, "grouped": False},
    "by uncertainty, population": {"uniform": False, "for_corpus": False},
}
