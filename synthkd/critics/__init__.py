"""Critics: models trained on labelled rows that give a candidate a probability of being valid.

from synthkd.critics import read_labels, train_critic

trained = train_critic(kind, read_labels("labels.csv", kind))
print(trained.threshold(0.9).sentence())

module                              subject
----------------------------------  --------------------------------------------------------
`base`                              the contract
`linear`, `text/`, `triples/`,      the critics
`encoder/`, `judge/`, `stack`
`labels`, `splits`                  label sheets, and their split into training and held-out
`train`, `evaluate`, `score`        the verbs
`calibration/`                      thresholds with a guaranteed precision
`shift`, `shift_monitor`            rows that differ from the calibration rows
`folder`, `files`, `card`, `plots`  what a critic is saved as
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.critics.base import CriticModel, Missing
    from synthkd.critics.calibration import (
        Curve,
        Threshold,
        ThresholdPlan,
        Unreachable,
        choose_by_group,
    )
    from synthkd.critics.cross_fitting import crossfit
    from synthkd.critics.encoder.critic import EncoderCritic
    from synthkd.critics.evaluate import compare_critics, evaluate_critic, recalibrate
    from synthkd.critics.folder import load_critic, save_critic
    from synthkd.critics.judge.agreement import judge_agreement
    from synthkd.critics.judge.client import JudgeClient
    from synthkd.critics.judge.critic import JudgeCritic
    from synthkd.critics.judge.pairwise import judge_pairs
    from synthkd.critics.judge.preference import keep_by_margin, preference_margin, self_preference
    from synthkd.critics.judge.verdict import read_verdict
    from synthkd.critics.labels import LabelSheet, read_labels
    from synthkd.critics.linear import LinearCritic
    from synthkd.critics.score import score_file
    from synthkd.critics.shift import detect_shift, detect_shift_of_numbers
    from synthkd.critics.stack import StackCritic
    from synthkd.critics.text.critic import TextCritic
    from synthkd.critics.text.siblings import with_siblings
    from synthkd.critics.train import train_critic
    from synthkd.critics.trained_critic import TrainedCritic
    from synthkd.critics.triples.critic import KnowledgeBaseCritic
    from synthkd.critics.triples.negatives import Similar, TrueTriples, corrupt

#: Public name -> its module, imported on first use: numerical libraries are slow to import.
_HOMES = {
    "CriticModel": "base",
    "Curve": "calibration",
    "EncoderCritic": "encoder.critic",
    "JudgeClient": "judge.client",
    "JudgeCritic": "judge.critic",
    "KnowledgeBaseCritic": "triples.critic",
    "LabelSheet": "labels",
    "LinearCritic": "linear",
    "Missing": "base",
    "Similar": "triples.negatives",
    "StackCritic": "stack",
    "TextCritic": "text.critic",
    "Threshold": "calibration",
    "ThresholdPlan": "calibration",
    "TrainedCritic": "trained_critic",
    "TrueTriples": "triples.negatives",
    "Unreachable": "calibration",
    "choose_by_group": "calibration",
    "compare_critics": "evaluate",
    "corrupt": "triples.negatives",
    "crossfit": "cross_fitting",
    "detect_shift": "shift",
    "detect_shift_of_numbers": "shift",
    "evaluate_critic": "evaluate",
    "judge_agreement": "judge.agreement",
    "judge_pairs": "judge.pairwise",
    "keep_by_margin": "judge.preference",
    "load_critic": "folder",
    "preference_margin": "judge.preference",
    "read_labels": "labels",
    "read_verdict": "judge.verdict",
    "recalibrate": "evaluate",
    "save_critic": "folder",
    "score_file": "score",
    "self_preference": "judge.preference",
    "train_critic": "train",
    "with_siblings": "text.siblings",
}

__all__ = [
    "CriticModel",
    "Curve",
    "EncoderCritic",
    "JudgeClient",
    "JudgeCritic",
    "KnowledgeBaseCritic",
    "LabelSheet",
    "LinearCritic",
    "Missing",
    "Similar",
    "StackCritic",
    "TextCritic",
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
    "judge_agreement",
    "judge_pairs",
    "keep_by_margin",
    "load_critic",
    "preference_margin",
    "read_labels",
    "read_verdict",
    "recalibrate",
    "save_critic",
    "score_file",
    "self_preference",
    "train_critic",
    "with_siblings",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
