"""One worker process of `workers`: a shard of the inputs, told on stdin, reported on stdout."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any

from synthkd.errors import SynthKDError
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import guard_streams
from synthkd.stages.generate import generate_completions
from synthkd.stages.interrupt import SIGNALS
from synthkd.stages.plan import plan_run

#: Seconds between reports.
_EVERY = 0.2


class Reporter(Progress):
    """Tells the parent instead of a terminal."""

    def __init__(self) -> None:
        super().__init__("generate", quiet=True)
        self._more = self._skipped = self._rows = self._tokens = 0
        self._told = time.monotonic()

    def more(self, rows: int) -> None:
        self._more += rows

    def skip(self, rows: int) -> None:
        self._skipped += rows

    def advance(self, rows: int, tokens: int = 0, cost: float | None = None) -> None:
        self._rows += rows
        self._tokens += tokens
        self.cost = cost
        if time.monotonic() - self._told >= _EVERY:
            self.tell()

    def tell(self) -> None:
        say(
            {
                "more": self._more,
                "skipped": self._skipped,
                "rows": self._rows,
                "tokens": self._tokens,
                "cost": self.cost,
            }
        )
        self._more = self._skipped = self._rows = self._tokens = 0
        self._told = time.monotonic()


def say(message: dict[str, Any]) -> None:
    """One line to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def leave_with_parent() -> None:
    """End when stdin ends: the parent is gone, and what is committed is kept."""
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Read the job, do it, report."""
    guard_streams("stderr")
    # Before `generate` there is nothing to wait for, and after it nothing to stop.
    for number in SIGNALS:
        signal.signal(number, lambda number, _: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=leave_with_parent, daemon=True).start()
    progress = Reporter()
    try:
        recipe = Recipe.from_dict(job["recipe"], job["folder"])
        with Journal(recipe.journal_path) as journal:
            done = generate_completions(plan_run(recipe), journal, progress, tuple(job["shard"]))
        progress.tell()
        say({"did": done.as_dict()})
    except SynthKDError as error:
        progress.tell()
        say({"error": type(error).__name__, "detail": str(error)})
    # The thread on stdin would hold up an ordinary end.
    os._exit(0)


if __name__ == "__main__":
    main()
