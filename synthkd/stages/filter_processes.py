"""Filter in several processes, for more rows than one core can read.

    parent ──► recipe, folder; then one step at a time (JSON lines on stdin) ──► worker
           ◄── what it does, what it came to, or its error (JSON lines on stdout) ──

Shards of the inputs go to the workers by hash, partitions to whoever is free. All that a worker writes stands in a
folder that the parent throws away unless every step ends well, so a worker that is killed loses no outcome: filtering fails,
says so, and what was filtered before stays. A worker whose stdin ends has lost its parent, and ends too.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from synthkd import errors
from synthkd.errors import SynthKDError, TeacherError
from synthkd.filters.base import GlobalFilter
from synthkd.filters.dawid_skene import Pattern
from synthkd.progress import Progress
from synthkd.stages.filter_report import ParseCounts
from synthkd.stages.filter_steps import Steps
from synthkd.stages.outcomes import Outcomes
from synthkd.stages.plan import RunPlan
from synthkd.stages.votes import Ballot


def why_alone(plan: RunPlan) -> str | None:
    """Why a plan cannot be filtered by several processes, or None."""
    if plan.inputs.only is not None:
        return "only some inputs are filtered"
    for rule in plan.components.rules:
        if isinstance(rule, GlobalFilter) and type(rule).merge is GlobalFilter.merge:
            return f"the rule {rule.name} cannot put together what several processes saw"
    return None


class Team:
    """So many workers. Use as a context manager."""

    def __init__(self, workers: int, steps: Steps, progress: Progress) -> None:
        self.workers, self.steps, self.progress = workers, steps, progress
        self._pool = ThreadPoolExecutor(workers)
        self._all: list[_Worker] = []
        self._free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()

    def __enter__(self) -> Team:
        self._all = [_Worker(number, self.steps, self.progress) for number in range(self.workers)]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self._all:
            worker.end(now=kind is not None)
        self._pool.shutdown(cancel_futures=True)

    def parse(self, partitions: int) -> ParseCounts:
        jobs = [
            self._pool.submit(worker.ask, {"step": "parse", "shard": [i, self.workers], "partitions": partitions})
            for i, worker in enumerate(self._all)
        ]  # fmt: skip
        found = [job.result() for job in jobs]
        came = ParseCounts()
        for one in found:
            came.add(one["came"])
        if self.steps.globals:
            states = [one["states"] for one in found]
            self.steps.observe(states)
            told = [self._pool.submit(w.ask, {"step": "observe", "states": states}) for w in self._all]
            for job in told:
                job.result()
        for worker in self._all:
            self._free.put(worker)
        return came

    def survey(self, ballot: Ballot) -> Counter[Pattern]:
        found: Counter[Pattern] = Counter()
        for _, answer in self._each("survey", ballot):
            for pattern, times in answer:
                found[tuple(tuple((name, n) for name, n in votes) for votes in pattern)] += times
        return found

    def count(self, ballot: Ballot) -> Iterator[tuple[int, Outcomes, Counter[str]]]:
        for number, answer in self._each("count", ballot):
            yield number, self.steps.take_up(number), Counter(answer["held"])

    def finish(self, ballot: Ballot) -> Iterator[tuple[dict[str, int], Counter[str]]]:
        for _, answer in self._each("finish", ballot):
            yield answer["outcomes"], Counter(answer["held"])

    def _each(self, step: str, ballot: Ballot) -> Iterator[tuple[int, Any]]:
        """A step for every partition, by whoever is free; answers in the order of the partitions."""
        message = {"step": step, "sure": ballot.teachers.sure, "answers": ballot.teachers.answers}
        jobs: list[tuple[int, Future[Any]]] = [
            (number, self._pool.submit(self._by_any, message | {"number": number}))
            for number in self.steps.partitions()
        ]
        for number, job in jobs:
            yield number, job.result()

    def _by_any(self, message: dict[str, Any]) -> Any:
        worker = self._free.get()
        try:
            return worker.ask(message)
        finally:
            self._free.put(worker)


class _Worker:
    """A process that does one step after another."""

    def __init__(self, number: int, steps: Steps, progress: Progress) -> None:
        self.number, self.progress = number, progress
        recipe = steps.plan.recipe
        self.process = subprocess.Popen(
            [sys.executable, "-m", "synthkd.stages.filter_worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True,
        )  # fmt: skip
        with suppress(BrokenPipeError):
            self._say(
                {
                    "recipe": recipe.for_worker(), "folder": str(recipe.folder),
                    "shared": str(steps.folder), "identity": steps.plan.requests.identity,
                }
            )  # fmt: skip

    def ask(self, message: dict[str, Any]) -> Any:
        """Have a step done; returns what it came to."""
        with suppress(BrokenPipeError):
            self._say(message)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if "did" in said:
                return said["did"]
            if "error" in said:
                error = SynthKDError.__new__(getattr(errors, said["error"], SynthKDError))
                Exception.__init__(error, said["detail"])
                raise error
            self.progress.more(said["more"])
        raise TeacherError(
            f"filter worker {self.number} ended without a word (killed, out of memory, or by the error above); nothing that was filtered"
            " before is changed, and the same command begins again"
        )

    def _say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def end(self, now: bool) -> None:
        """Its stdin ends; if filtering failed, it is not waited for."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if now:
            self.process.kill()
        with suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
