"""One worker process of `filter_processes`: steps come on stdin, what they came to goes to stdout."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from synthkd.errors import SynthKDError
from synthkd.filters.dawid_skene import Reliability
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import guard_streams
from synthkd.stages.filter_steps import Steps
from synthkd.stages.generate_worker import say
from synthkd.stages.plan import plan_run
from synthkd.stages.votes import Ballot
from synthkd.storage import storage_errors


class Reporter(Progress):
    """Tells the parent of rows that were read."""

    def __init__(self) -> None:
        super().__init__("filter", quiet=True)

    def more(self, rows: int) -> None:
        say({"more": rows})


class Worker:
    """The steps by name."""

    def __init__(self, job: dict[str, Any]) -> None:
        recipe = Recipe.from_dict(job["recipe"], job["folder"])
        self.plan = plan_run(recipe, job["identity"])
        self.steps = Steps(self.plan, Path(job["shared"]))

    def do(self, message: dict[str, Any]) -> Any:
        step = message["step"]
        if step == "parse":
            with Journal(self.plan.recipe.journal_path, must_exist=True) as journal:
                shard = (message["shard"][0], message["shard"][1])
                came = self.steps.parse(journal, message["partitions"], Reporter(), shard)
            return {"came": came.as_dict(), "states": self.steps.observed()}
        if step == "observe":
            return self.steps.observe(message["states"])
        part = self.plan.recipe.votes
        keep = Ballot.of(part, self.plan.kind).keep
        ballot = Ballot(part, keep, Reliability(message["sure"], message["answers"]))
        number = int(message["number"])
        if step == "survey":
            return list(self.steps.survey(number, ballot).items())
        outcomes, held = self.steps.count(number, ballot)
        if step == "count":
            self.steps.lay_down(number, outcomes)
            return {"held": held}
        return {"held": held, "outcomes": self.steps.finish(number, outcomes)}


def listen(steps: queue.SimpleQueue[str]) -> None:
    """Pass on what comes. When stdin ends there is nothing more to do, or nobody left to do it for."""
    for line in sys.stdin:
        steps.put(line)
    os._exit(0)


def main() -> None:
    """Do what comes until stdin ends."""
    guard_streams("stderr")
    steps: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(steps,), daemon=True).start()
    worker: Worker | None = None
    while True:
        try:
            message = json.loads(steps.get())
            if worker is None:
                worker = Worker(message)
                continue
            with storage_errors(worker.steps.folder):
                did = worker.do(message)
            say({"did": did})
        except SynthKDError as error:
            say({"error": type(error).__name__, "detail": str(error)})
            break
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
