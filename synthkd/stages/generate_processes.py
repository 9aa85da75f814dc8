"""Generate in several processes that share one journal, for more rows than one core can ask for.

    parent ──► recipe, shard k of n (JSON on stdin) ──► worker k
           ◄── what it does, what it did, or its error (JSON lines on stdout) ──

Each worker asks for the inputs whose id falls to it by hash. A worker whose stdin ends has lost its parent, and
ends too.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

from synthkd import errors
from synthkd.errors import Interrupted, SynthKDError, TeacherError
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.stages.generate import GenerateReport
from synthkd.stages.interrupt import SIGNALS, Stopping, stopped_by_signals


def generate_in(workers: int, recipe: Recipe, progress: Progress, locks: Sequence[int]) -> GenerateReport:
    """Run the stage in ``workers`` processes. ``locks`` are descriptors of the run's locks, which they hold on to."""
    team = _Team(progress)
    with stopped_by_signals(team.stopping, progress, team.stop, recipe.limits.grace):
        try:
            for number in range(workers):
                team.start(_share(recipe, workers), (number, workers), locks)
            return team.wait()
        finally:
            team.end()


def _share(recipe: Recipe, workers: int) -> Recipe:
    """The recipe of one worker: its part of what is in flight and of what a minute allows."""
    limits = recipe.limits
    teacher = recipe.teacher.model_copy(update={"concurrency": max(1, recipe.teacher.concurrency // workers)})
    shared = limits.model_copy(
        update={
            name: value / workers
            for name in ("requests_per_minute", "tokens_per_minute")
            if (value := getattr(limits, name)) is not None
        }
    )
    return recipe.with_parts(teacher=teacher, limits=shared)


class _Team:
    """The workers of one run."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.stopping = Stopping()
        self.done = GenerateReport()
        self.failed: SynthKDError | None = None
        self._costs: dict[int, float] = {}
        self._processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self, recipe: Recipe, shard: tuple[int, int], locks: Sequence[int]) -> None:
        if self._over():
            return
        # Held back in the worker until it can take it: a signal during its imports would end in a traceback.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "synthkd.stages.generate_worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
                pass_fds=tuple(locks), start_new_session=True,
            )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._processes.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        job = {"recipe": recipe.for_worker(), "folder": str(recipe.folder), "shard": shard}
        # The pipe stays open: its end would tell the worker that we are gone.
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        if self._over():
            # Said to all while this one was not yet among them.
            process.send_signal(signal.SIGINT)
        reader = threading.Thread(target=self._read, args=(shard[0], process.stdout), daemon=True)
        reader.start()
        self._readers.append(reader)

    def _over(self) -> bool:
        return self.stopping.is_set() or self.failed is not None

    def _read(self, number: int, lines: IO[str]) -> None:
        ended = False
        for line in lines:
            ended = self._take(number, json.loads(line)) or ended
        if not ended and not self.stopping.is_set():
            self._fail(
                TeacherError(
                    f"worker {number} ended without a word (killed, or out of memory?); what it had committed is kept,"
                    " and the same command goes on from there"
                )
            )

    def _take(self, number: int, message: dict[str, Any]) -> bool:
        """One line of a worker; whether it was its last."""
        with self._lock:
            if "did" in message:
                self.done.add(message["did"])
                return True
            if "error" in message:
                kind = getattr(errors, message["error"], SynthKDError)
                error = SynthKDError.__new__(kind)
                Exception.__init__(error, message["detail"])
                self._fail(error)
                return True
            self.progress.more(message["more"])
            self.progress.skip(message["skipped"])
            self._costs[number] = message["cost"] or 0.0
            cost = sum(self._costs.values()) or None
            self.progress.advance(message["rows"], tokens=message["tokens"], cost=cost)
            return False

    def _fail(self, error: SynthKDError) -> None:
        if self.failed is None and not isinstance(error, Interrupted):
            self.failed = error
            self.stop()

    def stop(self) -> None:
        """Ask all to end when what they have in flight has come."""
        for process in self._processes:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)

    def wait(self) -> GenerateReport:
        for reader in self._readers:
            reader.join()
        if self.failed is not None:
            raise self.failed
        if self.stopping.is_set():
            raise self.stopping.interrupted(
                "stopped: what came is in the journal; the same command goes on from there"
            )
        self.progress.expect(None)
        return self.done

    def end(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
