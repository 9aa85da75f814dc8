"""Students on real rows: beside common tools, beside their teacher, and how fast they answer.

Test splits are only measured; nothing is chosen on them. `--keep DIR` keeps the predictions of the
slowest methods, so that an interrupted run goes on.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark, at_least, at_most
from benchmarks.encoders import add_encoder_option


def _add_options(parser: ArgumentParser) -> None:
    add_encoder_option(parser)
    parser.add_argument(
        "--seeds", type=int, default=3, help="trainings of each student (default: 3)"
    )
    parser.add_argument(
        "--shots", type=int, default=5, help="rows a class of the part setfit (default: 5)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the predictions of the slowest methods"
    )
    parser.add_argument(
        "--kept-only",
        action="store_true",
        help="of methods that train for minutes, use only kept predictions",
    )


_PARTS = ("classifiers", "speed", "generators", "everyday", "rationales", "propositions", "setfit")

BENCHMARK = Benchmark(
    name="students",
    description=__doc__,
    parts={part: f"benchmarks.students.{part}:figures" for part in _PARTS},
    named_only=("setfit",),
    wanted={
        "everyday_student_minus_teacher_low": at_least(0.0),
        "setfit_minus_ours_5shot_low": at_most(0.0),
        "setfit_minus_ours_10shot_low": at_most(0.0),
        "sklearn_minus_ours_5shot_low": at_most(0.0),
        "sklearn_minus_ours_10shot_low": at_most(0.0),
        "sklearn_embeddings_minus_ours_5shot_low": at_most(0.0),
        "sklearn_embeddings_minus_ours_10shot_low": at_most(0.0),
        "onnx_ratio_bare": at_least(0.9),
    },
    add_options=_add_options,
)
