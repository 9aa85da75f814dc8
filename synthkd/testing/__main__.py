"""Run a server until the process is ended, or for so many seconds."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from synthkd.testing.faults import FAULTS
from synthkd.testing.server import FakeServer
from synthkd.testing.texts import words


def tails(prompt: str, index: int, seed: int) -> str:
    """The default answer as a structured one."""
    return json.dumps({"tail": words(prompt, index, seed)})


def rate(text: str) -> tuple[str, float]:
    """``FAULT=SHARE`` as a pair."""
    name, _, share = text.partition("=")
    try:
        found = float(share)
    except ValueError:
        found = -1.0
    if name not in FAULTS or not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write FAULT=SHARE, such as 429=0.05; faults: {', '.join(FAULTS)}"
        )
    return name, found


def main() -> None:
    """Parse the command line, serve, and end by itself."""
    parser = argparse.ArgumentParser(
        prog="python -m synthkd.testing", description="A fake OpenAI-compatible server on loopback."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, help="file that gets a JSON line for each request")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument(
        "--rate", action="append", default=[], type=rate, metavar="FAULT=SHARE", help=", ".join(FAULTS)
    )
    parser.add_argument(
        "--structured",
        action="store_true",
        help='answer with JSON: {"tail": …} as the kind `triple` wants it',
    )
    parser.add_argument("--seconds", type=float, default=3600.0, help="stops by itself after this long")
    args = parser.parse_args()
    server = FakeServer(
        answer=tails if args.structured else words,
        latency=args.latency, log=args.log, port=args.port, rates=dict(args.rate), keep=False,
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
    main()
