"""Near-duplicates among short texts: speed, memory and recall, beside other tools.

The rows are distinct: 370,000 real sentences and triples of the folder of real rows, spliced ones,
and changed copies (three of five; letters, words, case, punctuation). Timed is the rule
`near_duplicate` at a threshold of 0.8, from reading the Parquet file to the last reason, on two
cores; the median of three runs. Recall is measured on all pairs of 3,000 rows with any row: a pair
is found if its rows share a band, and resolved if not both stay. The exact pairs come from strings
and prefix filtering, which share no code with the search.

Peers run on the same file in environments of their own (`--envs`), each once and in turn, and are
measured as processes. rensa gets the same shingles; datatrove and text-dedup have word n-grams
(pairs here). All have 32 bands of 8 hashes. None of them compares texts exactly.

`memory` compares the peaks of `critic train`, `critic score`, `student train` (linear) and `student
predict` with those at a tenth of the rows; both trainings take 10,000 rows of either file.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark, at_least, at_most


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, help="texts (default: 1,000,000; --quick: 20,000)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the files of texts for the next run"
    )
    parser.add_argument(
        "--envs", type=Path, metavar="DIR", help="folder of the peers' environments"
    )
    parser.add_argument(
        "--install", action="store_true", help="make the environments before peers run"
    )
    parser.add_argument(
        "--peers", nargs="+", metavar="NAME", help="rensa, datatrove, text-dedup (default: all)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs (default: 3)")
    parser.add_argument(
        "--timeout", type=float, default=1800.0, help="seconds until a peer is ended"
    )


BENCHMARK = Benchmark(
    name="near_duplicates",
    description=__doc__,
    parts={
        "speed": "benchmarks.near_duplicates.speed:figures",
        "recall": "benchmarks.near_duplicates.recall:figures",
        "profile": "benchmarks.near_duplicates.profile:figures",
        "memory": "benchmarks.near_duplicates.memory:figures",
        "peers": "benchmarks.near_duplicates.peers:figures",
        "large": "benchmarks.near_duplicates.speed:large",
    },
    wanted={
        "rows_per_second": at_least(20_000),
        "megabytes": at_most(2000),
        "rows_per_second_10m": at_least(20_000),
        "megabytes_10m": at_most(2000),
        "recall": at_least(0.99),
        "recall_at_threshold": at_least(0.99),
        "equal_on_one_core": at_least(1),
        "ratio_best_peer": at_least(1),
        "student_train_memory_ratio": at_most(1.2),
        "student_predict_memory_ratio": at_most(1.2),
        "critic_train_memory_ratio": at_most(1.2),
        "critic_score_memory_ratio": at_most(1.2),
    },
    named_only=("peers", "large"),
    quick_parts=("speed", "recall", "profile"),
    add_options=_add_options,
)
