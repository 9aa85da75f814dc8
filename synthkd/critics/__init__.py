"""Critics: models trained on labelled rows that give a candidate a probability of being valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkd.critics.base import Critic, Missing
    from synthkd.critics.calibration import Curve, Threshold, ThresholdPlan, Unreachable, choose_by_group
    from synthkd.critics.crossfit import crossfit
    from synthkd.critics.evaluate import compare_critics, evaluate_critic, recalibrate
    from synthkd.critics.folder import load_critic, save_critic
    from synthkd.critics.judge.verdict import read_verdict
    from synthkd.critics.labels import LabelSheet, read_labels
    from synthkd.critics.score import score_file
    from synthkd.critics.shift import detect_shift, detect_shift_of_numbers
    from synthkd.critics.text.siblings import with_siblings
    from synthkd.critics.train import train_critic
    from synthkd.critics.trained_critic import TrainedCritic
    from synthkd.critics.triples.negatives import Similar, TrueTriples, corrupt

#: Public name -> its module, imported on first use: the numerical libraries are slow to import.
_HOMES = {
    "Critic": "base",
    "Curve": "calibration",
    "LabelSheet": "labels",
    "Missing": "base",
    "Similar": "triples.negatives",
    "Threshold": "calibration",
    "ThresholdPlan": "calibration",
    "TrainedCritic": "trained_critic",
    "TrueTriples": "triples.negatives",
    "Unreachable": "calibration",
    "choose_by_group": "calibration",
    "compare_critics": "evaluate",
    "corrupt": "triples.negatives",
    "crossfit": "crossfit",
    "detect_shift": "shift",
    "detect_shift_of_numbers": "shift",
    "evaluate_critic": "evaluate",
    "load_critic": "folder",
    "read_labels": "labels",
    "read_verdict": "judge.verdict",
    "recalibrate": "evaluate",
    "save_critic": "folder",
    "score_file": "score",
    "train_critic": "train",
    "with_siblings": "text.siblings",
}

__all__ = [
    "Critic",
    "Curve",
    "LabelSheet",
    "Missing",
    "Similar",
    "Threshold",
    "ThresholdPlan",
    "TrainedCritic",
    "TrueTriples",
    "Unreachable",
    "choose_by_group",
    "compare_critics",
    "corrupt",
    "crossfit",
    "detect_shift",
    "detect_shift_of_numbers",
    "evaluate_critic",
    "load_critic",
    "read_labels",
    "read_verdict",
    "recalibrate",
    "save_critic",
    "score_file",
    "train_critic",
    "with_siblings",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
