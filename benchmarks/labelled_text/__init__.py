"""Wrong labels planted in BANKING77 that are found, and test queries in train.

Errors are planted in train: a share of its labels is drawn anew from the other classes (`any`), or
from the three classes whose texts are nearest by TF-IDF centroid (`near`). Rows that were not
changed count as right, so real errors in BANKING77 count against the method. About 10 minutes on a
core; a quick run takes 12 classes and one seed.
"""

from __future__ import annotations

from argparse import ArgumentParser

from benchmarks.base import Benchmark
from benchmarks.encoders import add_encoder_option


def _add_options(parser: ArgumentParser) -> None:
    add_encoder_option(parser)
    parser.add_argument(
        "--show",
        type=int,
        default=0,
        metavar="N",
        help="print N pairs that count as nearly the same",
    )


BENCHMARK = Benchmark(
    name="labelled_text",
    description=__doc__,
    parts={
        "contamination": "benchmarks.labelled_text.contamination:figures",
        "label_noise": "benchmarks.labelled_text.label_noise:figures",
    },
    add_options=_add_options,
)
