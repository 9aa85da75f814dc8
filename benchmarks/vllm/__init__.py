"""vLLM with the embedded teacher: in this process, and as a server of the run.

The `transformers` backend is measured beside it. Whole runs of `synthkd generate`'s stage with the
journal on; samples a second from the first request to the last answer, without the seconds in which
the engine starts. Needs an environment with vLLM: scripts/test-vllm makes one.
"""

from __future__ import annotations

from argparse import ArgumentParser

from benchmarks.base import Benchmark


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="synthkd/everyday", help="checkpoint (default: the embedded one)"
    )
    parser.add_argument(
        "--dtype", default="float32", help="precision of the weights (default: float32)"
    )
    parser.add_argument(
        "--in-flight", type=int, default=128, help="requests in flight (default: 128)"
    )
    parser.add_argument(
        "--args", default="{}", metavar="JSON", help="further arguments of the engine"
    )


BENCHMARK = Benchmark(
    name="vllm",
    description=__doc__,
    parts={"rates": "benchmarks.vllm.rates:figures"},
    add_options=_add_options,
)
