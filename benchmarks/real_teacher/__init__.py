"""A real small model as teacher: what rules find in texts that were read by hand.

SmolLM2-135M-Instruct (135 million parameters, 4 bits) wrote texts for the classes of BANKING77 and
of CrossNER's domains, from five real rows each: by the chat template, and by continuing a list. The
developers read them against a rubric; sheets and rubric are in `results/real_teacher/`. Thresholds
were chosen on one half of BANKING77's classes. Reading CrossNER was done after that.

`triples` is the table of symbolic knowledge distillation for critics of its everyday triples, which
were read by hand in `critics/everyday-smollm2/`; it needs no encoder and no model. `student`
compares students of such triples with their teacher, on rows that were read by hand.

The other parts need the model and up to two hours each, and run only if they are named:
`likelihood`; `student_run`, which makes the rows of `student` anew; `rationales`, on SVAMP; and
`loops`, PGKD on BANKING77 and on names.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark, at_least
from benchmarks.encoders import add_encoder_option


def _add_options(parser: ArgumentParser) -> None:
    add_encoder_option(parser)
    parser.add_argument(
        "--model", type=Path, metavar="FILE.gguf", help="the model, for parts that ask it"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="work there, and go on with what is done"
    )
    parser.add_argument("--seeds", type=int, help="draws of `loops` (default: 3)")
    parser.add_argument(
        "--show",
        type=int,
        default=0,
        metavar="N",
        help="print N usable texts that were rejected, and N others that were accepted",
    )


BENCHMARK = Benchmark(
    name="real_teacher",
    description=__doc__,
    parts={
        "rules": "benchmarks.real_teacher.rules:figures",
        "texts": "benchmarks.real_teacher.texts:figures",
        "triples": "benchmarks.real_teacher.triples:figures",
        "student": "benchmarks.real_teacher.student:figures",
        "likelihood": "benchmarks.real_teacher.likelihood:figures",
        "student_run": "benchmarks.real_teacher.student_run:figures",
        "rationales": "benchmarks.real_teacher.rationales:figures",
        "loops": "benchmarks.real_teacher.loops:figures",
    },
    wanted={
        "real_text_precision_gain_low": at_least(0.2),
        "real_rows_gain_low": at_least(0.0),
        "real_triples_precision_at_90": at_least(0.9),
        "real_student_minus_teacher_low": at_least(0.0),
    },
    named_only=("likelihood", "student_run", "rationales", "loops"),
    add_options=_add_options,
)
