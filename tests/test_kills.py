"""Tests of each verb, killed and asked to end: the same command then reaches the same files."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("sklearn")


from benchmarks.kills.jobs import JOBS, Job
from benchmarks.kills.killing import Kill, Killing

VERBS = [
    "run",
    "run-steps",
    "filter",
    "publish",
    "critic-train",
    "critic-score",
    "student-train",
    "distill",
    "label",
    "journal-import",
]
CHOSEN = [job for job in JOBS if job.name in VERBS]

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks for processes in /proc"
)


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    with Killing(tmp_path_factory.mktemp("kills"), CHOSEN, seed=5) as begun:
        yield begun


def killed(killing: Killing, job: Job, name: str) -> Kill:
    """Return a kill that came before the job had ended."""
    for _ in range(5):
        kill = killing.kill(job, name)
        if not kill.ended_before:
            return kill
    pytest.fail(f"{job.name} ends before it can be killed")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("job", CHOSEN, ids=lambda job: job.name)
def test_a_verb_that_was_ended_in_the_middle_is_done_again_to_the_same_files(
    killing: Killing, job: Job, name: str
) -> None:
    kill = killed(killing, job, name)
    assert kill.differing == []
    assert kill.lost == 0
    assert kill.beyond_flight == 0, "more was bought again than was in flight"
    assert kill.left_over == []
    assert kill.wrong_ends == []


def test_every_verb_of_the_list_has_a_job() -> None:
    assert {job.name for job in CHOSEN} == set(VERBS)
