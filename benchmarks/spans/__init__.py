"""Taggers on real entities: few rows, wrong labels, and rows by type.

CrossNER (AI, music, science): the student `tagger` beside a plain token-classification fine-tune of
the same encoder, written with transformers alone, and beside spaCy's own trainer; trained on all
rows of a domain (`full`, 100 or 200 sentences) or on 30 of them (`few_shot`), measured on dev. BOND
(Wikigold): distant labels, with self-training and without it, measured on the 280 gold sentences of
dev; the number of epochs is chosen by distant labels that were held out, and no gold label of train
is read. Retrieval: the rows of an entity type, by its name, among those of a domain.

The encoder is the first three layers of all-MiniLM-L6-v2, so that a training takes a minute of a
core; `--layers 6` takes it whole.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark, at_least
from benchmarks.encoders import add_encoder_option


def _add_options(parser: ArgumentParser) -> None:
    add_encoder_option(parser)
    parser.add_argument(
        "--layers", type=int, default=3, metavar="N", help="layers of the encoder that are kept"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="folder in which finished trainings are kept for another run",
    )
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="trainings of each setting"
    )


BENCHMARK = Benchmark(
    name="spans",
    description=__doc__,
    parts={
        "full": "benchmarks.spans.crossner:full",
        "few_shot": "benchmarks.spans.crossner:few_shot",
        "plain_rates": "benchmarks.spans.crossner:plain_rates",
        "distant": "benchmarks.spans.distant:figures",
        "prototypes": "benchmarks.spans.distant:figures",
        "retrieval": "benchmarks.spans.retrieval:figures",
    },
    named_only=("prototypes", "plain_rates"),
    wanted={
        "full_over_plain_high": at_least(0),
        "full_over_spacy_low": at_least(0),
        "few_shot_over_plain_high": at_least(0),
        "few_shot_over_spacy_low": at_least(0),
        "distant_f1_gain_low": at_least(0),
    },
    add_options=_add_options,
)
