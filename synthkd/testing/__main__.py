"""Run the test server until the process is ended, or for a number of seconds."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from synthkd.testing.faults import FAULTS
from synthkd.testing.server import PROTOCOLS, FakeServer
from synthkd.testing.texts import two_words


def structured_answer(prompt: str, index: int, seed: int) -> str:
    """Return the default answer as JSON."""
    return json.dumps({"tail": two_words(prompt, index, seed)})


def fault_share(text: str) -> tuple[str, float]:
    """Parse ``FAULT=SHARE``."""
    name, _, number = text.partition("=")
    try:
        share = float(number)
    except ValueError:
        share = -1.0
    if name not in FAULTS or not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write FAULT=SHARE, such as 429=0.05; faults: {', '.join(FAULTS)}"
        )
    return name, share


def serve_until_ended() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m synthkd.testing",
        description="A fake server of a provider's protocol on loopback.",
    )
    parser.add_argument("--protocol", choices=sorted(PROTOCOLS), default="openai")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, help="file that gets a JSON line for each request")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument(
        "--rate",
        action="append",
        default=[],
        type=fault_share,
        metavar="FAULT=SHARE",
        help=", ".join(FAULTS),
    )
    parser.add_argument(
        "--structured",
        action="store_true",
        help='answer with JSON of the kind `triple`: {"tail": …}',
    )
    parser.add_argument(
        "--seconds", type=float, default=3600.0, help="seconds until the server stops"
    )
    args = parser.parse_args()
    server = FakeServer(
        answer=structured_answer if args.structured else two_words,
        latency=args.latency, log=args.log, port=args.port, rates=dict(args.rate), keep=False,
        protocol=args.protocol,
    )  # fmt: skip
    try:
        with server:
            print(server.url, flush=True)
            time.sleep(args.seconds)
    except OSError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    serve_until_ended()
