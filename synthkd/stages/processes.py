"""Work in several processes: a worker does one step after another and reports its progress.

    parent ──► the job, then one step after another (JSON lines on stdin) ──► worker
           ◄── reports, then the result of the step or its error (JSON lines on stdout) ──

A worker whose stdin ends has lost its parent, or has nothing left to do, and ends too. A module of
a worker calls `serve`; its parent starts it as a `WorkerProcess`.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from synthkd import errors, plugins
from synthkd.errors import RecipeError, SynthKDError, TeacherError
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import guard_streams
from synthkd.stages.interrupt import SIGNALS

Message = dict[str, Any]
#: Does a step and returns its result, as JSON holds it.
Step = Callable[[Message], Any]
#: Seconds between reports.
_REPORT_EVERY = 0.2


class WorkerProcess:
    """A process that does one step after another.

    Args:
        module: The worker's module, which calls `serve`.
        number: What messages call the worker.
        job: What `serve` hands to its function.
        if_lost: What a user should know if the process ends without a result.
        descriptors: Files that the process keeps open, such as locks.
    """

    def __init__(
        self,
        module: str,
        number: int,
        job: Message,
        if_lost: str,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.number, self.is_lost, self._if_lost = number, False, if_lost
        # Held back until the worker can handle them: a signal during its imports would end in a
        # traceback.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self.process = subprocess.Popen(  # noqa: S603 (a module of this package)
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
                pass_fds=tuple(descriptors), start_new_session=True,
            )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._send(job)

    def do(self, step: Message, on_report: Callable[[Message], None]) -> Any:
        """Have a step done, and wait for its result.

        Raises:
            SynthKDError: The error of the step.
            TeacherError: The process ended without a result; `is_lost` is set.
        """
        self._send(step)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if "result" in message:
                return message["result"]
            if "error" in message:
                raise errors.of_name(message["error"], message["detail"])
            on_report(message)
        self.is_lost = True
        raise TeacherError(f"worker {self.number} ended without a word {self._if_lost}")

    def interrupt(self) -> None:
        """Ask the process to stop, as Ctrl-C does."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGINT)

    def end(self, at_once: bool = False) -> None:
        """End its stdin and wait for it; ``at_once`` kills it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if at_once:
            self.process.kill()
        with suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _send(self, message: Message) -> None:
        assert self.process.stdin is not None
        # A process that has ended is noticed when its result is read.
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()


def recipe_message(recipe: Recipe) -> Message:
    """Return a recipe as a worker reads it with `recipe_of`."""
    return {"recipe": recipe.for_worker(), "folder": str(recipe.folder)}


def recipe_of(job: Message) -> Recipe:
    """Return the recipe of a job that was made with `recipe_message`."""
    return Recipe.from_dict(job["recipe"], job["folder"])


def add_report(progress: Progress, report: Message, cost: float | None = None) -> None:
    """Add a worker's report to the progress of its parent.

    Args:
        progress: What the parent shows.
        report: The report.
        cost: Dollars of all workers so far.
    """
    progress.more(report["more"])
    progress.skip(report["skipped"])
    if report["rows"]:
        progress.advance(report["rows"], tokens=report["tokens"], cost=cost)


class ReportedProgress(Progress):
    """Progress that is reported to the parent instead of a terminal."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage, quiet=True)
        self._clear()

    def _clear(self) -> None:
        self._more = self._skipped = self._rows = self._tokens = 0
        self._reported = time.monotonic()

    def more(self, rows: int) -> None:
        self._more += rows
        self._report_now_and_then()

    def skip(self, rows: int) -> None:
        self._skipped += rows

    def advance(self, rows: int, tokens: int = 0, cost: float | None = None) -> None:
        self._rows += rows
        self._tokens += tokens
        self.cost = cost
        self._report_now_and_then()

    def report(self) -> None:
        """Send what was counted since the last report, if anything was."""
        if not (self._more or self._skipped or self._rows):
            return
        _write(
            {
                "more": self._more,
                "skipped": self._skipped,
                "rows": self._rows,
                "tokens": self._tokens,
                "cost": self.cost,
            }
        )
        self._clear()

    def _report_now_and_then(self) -> None:
        if time.monotonic() - self._reported >= _REPORT_EVERY:
            self.report()


def serve(stage: str, start: Callable[[Message, Progress], Step]) -> None:
    """Work as a worker process: start with the job, do the steps that come, until stdin ends.

    Args:
        stage: The stage whose progress is reported.
        start: Makes of the job what does the steps.
    """
    guard_streams("stderr")
    # Before a step there is nothing to wait for.
    for number in SIGNALS:
        signal.signal(number, lambda number, _: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    progress = ReportedProgress(stage)
    try:
        step = start(json.loads(lines.get()), progress)
        while True:
            result = step(json.loads(lines.get()))
            progress.report()
            _write({"result": result})
    except SynthKDError as error:
        progress.report()
        _write({"error": type(error).__name__, "detail": str(error)})
    except Exception as error:
        if (fault := plugins.fault_of_plugin(error)) is None:
            raise
        progress.report()
        _write({"error": RecipeError.__name__, "detail": fault})
    # The thread on stdin would hold up an ordinary end.
    os._exit(0)


def _listen(lines: queue.SimpleQueue[str]) -> None:
    """Pass on what comes, and end the process with stdin: what is committed is kept."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _write(message: Message) -> None:
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The parent is gone.
        os._exit(0)
