"""Filter in several processes, for more rows than one core can read.

Shards of the inputs go to the workers by hash, partitions to a free worker (`processes` has the
protocol). All that a worker writes is in a folder that the parent discards unless every step ends
well, so a worker that is killed loses no outcome: filtering fails with an error, and what was
filtered before is unchanged.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from synthkd.filters.base import GlobalFilter
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.stages.filter_report import ParseCounts
from synthkd.stages.filter_steps import Steps
from synthkd.stages.outcomes import Outcomes
from synthkd.stages.plan import RunPlan, plan_run
from synthkd.stages.processes import (
    Message,
    WorkerProcess,
    add_report,
    recipe_message,
    recipe_of,
    serve,
)
from synthkd.storage import storage_errors

_IF_LOST = (
    "(killed, out of memory, or by the error above); nothing that was filtered before is changed,"
    " and the"
    " same command begins again"
)


def why_one_process(plan: RunPlan) -> str | None:
    """Return why a plan cannot be filtered by several processes; None if it can."""
    if plan.inputs.only is not None:
        return "only some inputs are filtered"
    for rule in plan.components.rules:
        if isinstance(rule, GlobalFilter) and type(rule).merge is GlobalFilter.merge:
            return f"the rule {rule.name} cannot put together what several processes saw"
    return None


class WorkerTeam:
    """Several worker processes. Use as a context manager."""

    def __init__(self, workers: int, steps: Steps, progress: Progress) -> None:
        self.workers, self.steps, self.progress = workers, steps, progress
        self._pool = ThreadPoolExecutor(workers)
        self._all: list[WorkerProcess] = []
        self._free: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()

    def __enter__(self) -> WorkerTeam:
        plan = self.steps.plan
        job = recipe_message(plan.recipe) | {
            "shared": str(self.steps.folder), "identity": plan.requests.identity,
            **plan.selection_message(),
        }  # fmt: skip
        self._all = [
            WorkerProcess(__name__, number, job, _IF_LOST) for number in range(self.workers)
        ]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self._all:
            worker.end(at_once=kind is not None)
        self._pool.shutdown(cancel_futures=True)

    def parse(self, partitions: int) -> ParseCounts:
        jobs = [
            self._pool.submit(self._do, worker, {"step": "parse", "shard": [i, self.workers],
            "partitions": partitions})
            for i, worker in enumerate(self._all)
        ]  # fmt: skip
        found = [job.result() for job in jobs]
        counts = ParseCounts()
        for one in found:
            counts.add(one["counts"])
        if self.steps.globals:
            states = [one["states"] for one in found]
            self.steps.observe(states)
            self._by_all({"step": "observe", "states": states})
        for worker in self._all:
            self._free.put(worker)
        return counts

    def observe_votes(self) -> None:
        for _ in self._each("observe_votes"):
            pass
        states = self._by_all({"step": "vote_state"})
        self.steps.ballot.weight.merge(states)
        self._by_all({"step": "merge_votes", "states": states})

    def count(self) -> Iterator[tuple[int, Outcomes, Counter[str]]]:
        for number, answer in self._each("count"):
            yield number, self.steps.take_over(number), Counter(answer["votes"])

    def finish(self) -> Iterator[tuple[dict[str, int], Counter[str]]]:
        for _, answer in self._each("finish"):
            yield answer["outcomes"], Counter(answer["votes"])

    def _each(self, step: str) -> Iterator[tuple[int, Any]]:
        """Have a step done for every partition by free workers; yield results in their order."""
        jobs: list[tuple[int, Future[Any]]] = [
            (number, self._pool.submit(self._by_any, {"step": step, "number": number}))
            for number in self.steps.partitions()
        ]
        for number, job in jobs:
            yield number, job.result()

    def _by_all(self, message: dict[str, Any]) -> list[Any]:
        """Have a step done by every worker."""
        jobs = [self._pool.submit(self._do, worker, message) for worker in self._all]
        return [job.result() for job in jobs]

    def _do(self, worker: WorkerProcess, step: Message) -> Any:
        return worker.do(step, lambda report: add_report(self.progress, report))

    def _by_any(self, message: dict[str, Any]) -> Any:
        worker = self._free.get()
        try:
            return self._do(worker, message)
        finally:
            self._free.put(worker)


class _FilterWorker:
    """The steps by name, in a worker process."""

    def __init__(self, job: Message, progress: Progress) -> None:
        self.plan = plan_run(recipe_of(job), job["identity"]).selected_by(job)
        self.progress = progress
        self.steps = Steps(self.plan, Path(job["shared"]))

    def do(self, message: Message) -> Any:
        with storage_errors(self.steps.folder):
            return self._do(message)

    def _do(self, message: Message) -> Any:
        step = message["step"]
        if step == "parse":
            with Journal(self.plan.recipe.journal_path, must_exist=True) as journal:
                shard = (message["shard"][0], message["shard"][1])
                counts = self.steps.parse(journal, message["partitions"], self.progress, shard)
            return {"counts": counts.as_dict(), "states": self.steps.observed()}
        if step == "observe":
            return self.steps.observe(message["states"])
        if step == "vote_state":
            return self.steps.ballot.weight.state()
        if step == "merge_votes":
            return self.steps.ballot.weight.merge(message["states"])
        number = int(message["number"])
        if step == "observe_votes":
            return self.steps.observe_votes(number)
        rows, votes = self.steps.count(number)
        if step == "count":
            self.steps.hand_over(number, rows)
            return {"votes": votes}
        return {"votes": votes, "outcomes": self.steps.finish(number, rows)}


if __name__ == "__main__":
    serve("filter", lambda job, progress: _FilterWorker(job, progress).do)
