"""Generate in several processes that share one journal, for more rows than one core can ask for.

Each worker asks for the inputs of a shard, by the hash of their ids (`processes` has the protocol),
and reads the journal itself. The parent writes it for all (`synthkd.journal.remote`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from synthkd.errors import Interrupted, SynthKDError
from synthkd.journal import Journal
from synthkd.journal.remote import RemoteCommits, WriterService
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.stages.generate import GenerateReport, generate_completions
from synthkd.stages.interrupt import StopEvent, stopped_by_signals
from synthkd.stages.plan import RunPlan, plan_run
from synthkd.stages.processes import (
    Message,
    Step,
    WorkerProcess,
    add_report,
    recipe_message,
    recipe_of,
    serve,
)
from synthkd.teachers.spending import SpendingBounds

_IF_LOST = (
    "(killed, or out of memory?); what it had committed is kept, and the same command goes"
    " on from there"
)


def generate_in_processes(
    workers: int,
    plan: RunPlan,
    journal: Journal,
    progress: Progress,
    locks: Sequence[int],
    further: bool = False,
) -> GenerateReport:
    """Run the stage in ``workers`` processes.

    Args:
        workers: Number of processes.
        plan: What is to be generated.
        journal: Where completions are committed.
        progress: What is shown.
        locks: Descriptors of the run's locks, which every process holds.
        further: Whether this run has asked in a round before.
    """
    recipe = plan.recipe
    caps = SpendingBounds.of(recipe, plan.components.teacher).caps
    job = recipe_message(_part_of(recipe, workers)) | plan.selection_message()
    with WriterService(journal, recipe.name, caps) as service:
        team = _Team(progress, service)
        with stopped_by_signals(team.stop_event, progress, team.stop, recipe.limits.grace):
            try:
                for number in range(workers):
                    team.start(job | {"further": further}, (number, workers), locks)
                return team.wait()
            finally:
                team.end()


def _part_of(recipe: Recipe, workers: int) -> Recipe:
    """Return the recipe of one worker, with its part of the concurrency and of the rate limits."""
    limits = recipe.limits
    concurrency = max(1, recipe.teacher.concurrency // workers)
    rates = {
        name: value / workers
        for name in ("requests_per_minute", "tokens_per_minute")
        if (value := getattr(limits, name)) is not None
    }
    return recipe.with_parts(
        teacher=recipe.teacher.model_copy(update={"concurrency": concurrency}),
        limits=limits.model_copy(update=rates),
    )


class _Team:
    """The workers of one run; each has a thread that reads its messages."""

    def __init__(self, progress: Progress, service: WriterService) -> None:
        self.progress, self.service = progress, service
        self.stop_event = StopEvent()
        self.report = GenerateReport()
        self.error: SynthKDError | None = None
        self._costs: dict[int, float] = {}
        self._workers: list[WorkerProcess] = []
        self._readers: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self, job: Message, shard: tuple[int, int], locks: Sequence[int]) -> None:
        if self._is_ending():
            return
        with self.service.connect() as connection:
            descriptor = connection.fileno()
            job = job | {"shard": shard, "journal": descriptor}
            worker = WorkerProcess(__name__, shard[0], job, _IF_LOST, [*locks, descriptor])
        self._workers.append(worker)
        if self._is_ending():
            # The others were interrupted when this one was not yet among them.
            worker.interrupt()
        reader = threading.Thread(target=self._work, args=(worker,), daemon=True)
        reader.start()
        self._readers.append(reader)

    def _is_ending(self) -> bool:
        return self.stop_event.is_set() or self.error is not None

    def _work(self, worker: WorkerProcess) -> None:
        try:
            report = worker.do({}, lambda report: self._add(worker.number, report))
        except SynthKDError as error:
            with self._lock:
                is_ended_by_signal = worker.is_lost and self.stop_event.is_set()
                if (
                    self.error is None
                    and not isinstance(error, Interrupted)
                    and not is_ended_by_signal
                ):
                    self.error = error
                    self.stop()
        else:
            with self._lock:
                self.report.add(report)

    def _add(self, number: int, report: Message) -> None:
        with self._lock:
            self._costs[number] = report["cost"] or 0.0
            add_report(self.progress, report, sum(self._costs.values()) or None)

    def stop(self) -> None:
        """Ask all to end when what they have in flight was received."""
        for worker in self._workers:
            worker.interrupt()

    def wait(self) -> GenerateReport:
        for reader in self._readers:
            reader.join()
        if self.error is not None:
            raise self.error
        if self.stop_event.is_set():
            raise self.stop_event.interrupted(
                "stopped: what came is in the journal; the same command goes on from there"
            )
        self.progress.expect(None)
        return self.report

    def end(self) -> None:
        for worker in self._workers:
            worker.end()


def _worker(job: Message, progress: Progress) -> Step:
    commits = RemoteCommits.of_descriptor(job["journal"])
    recipe, shard = recipe_of(job), tuple(job["shard"])

    def generate_shard(_: Message) -> Any:
        plan = plan_run(recipe).selected_by(job)
        with Journal(recipe.journal_path) as journal:
            return generate_completions(
                plan, journal, progress, shard, further=job["further"], commits=commits
            ).as_dict()

    return generate_shard


if __name__ == "__main__":
    serve("generate", _worker)
