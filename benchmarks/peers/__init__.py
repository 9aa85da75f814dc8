"""Other tools that generate completions, beside synthkd.

    python -m benchmarks peers --envs DIR --install     # once: an environment for each peer
    python -m benchmarks peers --envs DIR --core 2 --server-core 3
    python -m benchmarks peers --only bare synthkd      # needs no environments

The job is the same for all: short prompts, one completion each, the same latency and the same
number of requests in flight. Timed is a whole process, from its start to its end, imports and the
writing of rows included. CPU is user and system time of that process and of the children that it
waited for; memory is that of its largest process. Every run has a new server and a new folder.
Before the first round each client answers a few prompts, so that no figure has a first start in it.
Rounds interleave the clients; figures are medians, least and most. A run that did not complete
every prompt makes its client's figures invalid.

A peer without an environment in `DIR/NAME` is skipped. Telemetry of the peers is off, and they stay
offline; only loopback is used.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--envs", type=Path, metavar="DIR", help="folder of the peers' environments"
    )
    parser.add_argument(
        "--install", action="store_true", help="make the environments, and do no more"
    )
    parser.add_argument("--rows", type=int, help="prompts (default: 20,000; with --quick 1,000)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument(
        "--in-flight", type=int, default=256, help="requests in flight (default: 256)"
    )
    parser.add_argument(
        "--latency", type=float, default=0.05, help="of the server, in seconds (default: 0.05)"
    )
    parser.add_argument("--core", type=int, help="pin the clients to this core")
    parser.add_argument("--server-core", type=int, help="pin the server to this core")
    parser.add_argument("--base-url", metavar="URL", help="a running server, up to and with /v1")
    parser.add_argument(
        "--timeout",
        type=float,
        default=900.0,
        help="seconds until a client is ended (default: 900)",
    )


_CLIENTS = (
    "bare", "synthkd", "datatrove-local", "datatrove-checkpoints", "datatrove-remote", "distilabel",
    "curator",
    "sdg-hub", "data-designer",
)  # fmt: skip

BENCHMARK = Benchmark(
    name="peers",
    description=__doc__,
    parts=dict.fromkeys(_CLIENTS, "benchmarks.peers.rounds:figures"),
    add_options=_add_options,
)
