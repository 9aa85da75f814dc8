"""The loop's policies on BANKING77 with a teacher made of rows, by `synthkd distill`.

5 and 10 rows a class at the start and 5 for validation, all cut from train; the other training rows
are the pool. Ten rounds of 77 rows. The test rows draw the curve and decide nothing. Compared is
the area under the curve of test accuracy (its mean over the rounds), paired by seed, with the 95 %
interval of Student's t.

    headline    PGKD against random rows, equally many of each class; also with the same pool rows
    ablations   without hard negatives, other allocations, without the report; each thing alone
    skewed      a start of 1 to 16 rows a class, which the allocation can even out
    noise       a teacher whose labels are wrong by 0, 10 and 20 %, with and without `label_noise`
    tfidf       the headline with a student on TF-IDF
    allocation  own against uniform allocation on BANKING77 and two other sets, in memory;
                intervals of a paired bootstrap over test rows and seeds
    triples     the loop for triples on the everyday world: by yield and need against random

About half an hour on two cores, the headline seven minutes. `--dev` measures on rows cut from
train: for choosing.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark, at_least
from benchmarks.encoders import add_encoder_option


def _add_options(parser: ArgumentParser) -> None:
    add_encoder_option(parser)
    parser.add_argument(
        "--seeds", type=int, help="draws of start, validation and pool (default: 5; with --quick 2)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="loops at a time (default: 2)")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="keep the outcome of each loop, and reuse those kept",
    )
    parser.add_argument("--dev", action="store_true", help="rows of train replace the test rows")


BENCHMARK = Benchmark(
    name="pgkd",
    description=__doc__,
    parts={
        part: f"benchmarks.pgkd.policies:{part}"
        for part in ("headline", "ablations", "skewed", "noise", "tfidf", "allocation", "triples")
    },
    wanted={"banking77_area_gain_low": at_least(0.0)},
    quick_parts=("headline",),
    add_options=_add_options,
)
