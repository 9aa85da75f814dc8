"""Critics on real rows: discrimination, kept target precisions, agreement of scores, speed.

Test splits are not used to choose anything. The full run takes about an hour on two cores, a quick
one minutes.
"""

from __future__ import annotations

from argparse import ArgumentParser

from benchmarks.base import Benchmark, at_least, at_most
from benchmarks.encoders import add_encoder_option


def _add_options(parser: ArgumentParser) -> None:
    add_encoder_option(parser)
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the guarantee parts (default: 0)"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="folds of cskb that run at a time (default: 1)"
    )
    parser.add_argument(
        "--split", default="dev2", help="split that conceptnet reports on (default: dev2)"
    )
    parser.add_argument(
        "--baselines", action="store_true", help="conceptnet: TF-IDF with logistic regression too"
    )
    parser.add_argument(
        "--draws", type=int, help="draws of labelling_error (60) and labelling_training (6)"
    )
    parser.add_argument("--core", type=int, help="core that linear_speed runs on")


_PARTS = (
    "default_rules", "linear_speed", "encoder_speed", "stack_speed", "agreement", "cskb_linear",
    "cskb", "explanations",
    "conceptnet", "judges", "guarantee", "labelling", "guarantee_simulation", "threshold_plans",
)  # fmt: skip

BENCHMARK = Benchmark(
    name="critics",
    description=__doc__,
    parts={part: f"benchmarks.critics.{part}:figures" for part in _PARTS}
    | {
        "labelling_error": "benchmarks.critics.labelling_error:figures",
        "labelling_training": "benchmarks.critics.labelling_error:training_figures",
    },
    named_only=("threshold_plans", "labelling_error", "labelling_training"),
    wanted={
        "default_rules_costly_count": at_most(0),
        "linear_speed_ratio_sklearn": at_least(0.7),
        "encoder_speed_ratio": at_least(0.9),
        "cn100k_dev2_accuracy": at_least(0.925),
        "run_score_max_difference": at_most(0.0),
        "cskb_linear_minus_tfidf_auc": at_least(0.0),
        "cskb_dev_auc": at_least(0.90),
        "gpt3_explanations_auc": at_least(0.76),
        "promise_broken_share_max": at_most(0.1),
        "guarantee_broken_share_max": at_most(0.12),
        "perfect_critic_pass_share": at_least(0.9),
    },
    add_options=_add_options,
)
