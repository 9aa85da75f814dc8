"""The tasks of a partition: count its votes, or finish it; with the scores of a critic."""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthkd.cluster.shard import outcome_of, plan_of
from synthkd.cluster.shared_folder import SharedFolder
from synthkd.filters.votes import Numbers
from synthkd.kinds.factory import kind_of_recipe
from synthkd.recipe import Recipe
from synthkd.stages.critic_options import critic_options
from synthkd.stages.filter_steps import Steps
from synthkd.stages.outcomes import Outcomes
from synthkd.stages.partitions import partition_name
from synthkd.stages.processes import Message

if TYPE_CHECKING:
    from synthkd.critics.trained_critic import TrainedCritic

#: The steps that a task can do.
OBSERVE_VOTES, COUNT, FINISH = "observe_votes", "count", "finish"


def do_partition(
    job: Message,
    step: str,
    number: int,
    names: list[str],
    states: list[list[Any]],
    vote_states: list[Any],
) -> Message:
    """Do a step for a partition.

    Args:
        job: The run, as `RayEngine` describes it.
        step: `OBSERVE_VOTES`, `COUNT` or `FINISH`.
        number: Number of the partition.
        names: Its files in the shared folder, of all shards.
        states: What the global rules have observed in each shard.
        vote_states: What the weight of votes has observed in each partition, if it looks ahead.

    Returns:
        What the step found: the state of the votes, their counts and the critic's scores of the
        rows that are open after them, or the outcomes.
    """
    return outcome_of(lambda: _do(job, step, number, names, states, vote_states))


def _do(
    job: Message,
    step: str,
    number: int,
    names: list[str],
    states: list[list[Any]],
    vote_states: list[Any],
) -> Message:
    shared = SharedFolder(job["shared"])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fetch(shared, job, names, folder)
        steps = Steps(plan_of(job), folder)
        if steps.globals:
            steps.observe(states)
        if vote_states:
            steps.ballot.weight.merge(vote_states)
        if step == OBSERVE_VOTES:
            steps.observe_votes(number)
            return {"state": steps.ballot.weight.state()}
        rows, votes = steps.count(number)
        if step == FINISH:
            outcomes = steps.finish(number, rows)
            name = f"part-{number:04d}.parquet"
            shared.put(folder / name, f"{job['filtering']}/{name}")
            return {"votes": dict(votes), "outcomes": outcomes}
        scores = _scores(job, rows) if job["scores"] else None
        steps.hand_over(number, rows)
        name = f"counted/{partition_name(number)}"
        shared.put(folder / name, f"{job['filtering']}/{name}")
        return {"votes": dict(votes), "scores": scores}


def fetch(shared: SharedFolder, job: Message, names: list[str], folder: Path) -> None:
    """Copy the files of a partition into a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shared.get(f"{job['filtering']}/{name}", folder / name)


def _scores(job: Message, outcomes: Outcomes) -> Numbers:
    """Return the critic's scores of the open rows."""
    rows = outcomes.open_rows()
    if not rows.num_rows:
        return np.empty(0)
    trained = _critic_of(job["scores"], json.dumps(job["recipe"], sort_keys=True), job["folder"])
    return np.asarray(trained.score(rows), dtype=np.float64)


@lru_cache(1)
def _critic_of(folder: str, recipe_text: str, recipe_folder: str) -> TrainedCritic:
    """Load a critic once for all tasks that one worker process does."""
    from synthkd.critics.folder import load_critic

    recipe = Recipe.from_dict(json.loads(recipe_text), recipe_folder)
    return load_critic(folder, kind_of_recipe(recipe), critic_options(recipe), recipe.folder)
