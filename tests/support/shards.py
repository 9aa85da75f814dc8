"""Shards of a run in this process, with the coordinator beside them and no cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthkd import Journal, Recipe
from synthkd.cluster.coordinator import Coordinator
from synthkd.cluster.shard import generate_shard
from synthkd.stages.plan import plan_run
from synthkd.stages.processes import Message, recipe_message


class OneAtATime:
    """Calls a coordinator as an actor is called: one call after the other."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator, self._lock = coordinator, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            with self._lock:
                return getattr(self._coordinator, name)(*arguments)

        return call


@contextmanager
def coordinated(recipe: Recipe) -> Iterator[OneAtATime]:
    """Open the coordinator of a recipe, with the run claimed as the driver has it."""
    limits = recipe.limits
    with Journal(recipe.journal_path) as journal, journal.claim(recipe.name):
        coordinator = Coordinator(
            str(recipe.journal_path),
            recipe.name,
            limits.dollars,
            limits.tokens,
            limits.requests_per_minute,
            limits.tokens_per_minute,
        )
        try:
            yield OneAtATime(coordinator)
        finally:
            coordinator.close()


def job_of(recipe: Recipe, shared: Path | str, shards: int, token: str = "test") -> Message:
    return recipe_message(recipe) | {
        "identity": plan_run(recipe).requests.identity,
        "shared": str(shared),
        "shards": shards,
        "token": token,
        "filtering": f"filtering/{token}",
        "scores": "",
        "selection": None,
    }


def generate_all(job: Message, coordinator: OneAtATime) -> list[Message]:
    """Generate all shards at the same time; their outcomes."""
    outcomes: dict[int, Message] = {}

    def work(number: int) -> None:
        outcomes[number] = generate_shard(job, number, coordinator)

    threads = [
        threading.Thread(target=work, args=(number,)) for number in range(int(job["shards"]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[number] for number in sorted(outcomes)]
