"""Batches that one run leaves to the next, also when it is killed between any two of its steps."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

pytest.importorskip("openai")

from support.batch_api import (
    RUN,
    Server,
    all_collected,
    ask,
    completed,
    failed,
    part,
    quick,
    requests_of,
    run_some,
    run_stage,
)
from support.dying import Died, dying, raise_died
from support.files import ROOT

from synthkd.journal import Journal
from synthkd.journal.batches import BatchStore
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.teachers.batch import BatchTeacher
from synthkd.teachers.batch.open_batches import cancel_open_batches, open_batch_states
from synthkd.teachers.batch.openai_batches import OpenAIBatches
from synthkd.testing.batches import FakeBatches


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


# Another run


@pytest.mark.slow
def test_a_batch_that_was_left_with_the_provider_is_picked_up_by_the_next_run(
    journal: Journal,
) -> None:
    fake = FakeBatches(takes=10**6)
    with Server(fake) as server:
        who = BatchTeacher(part(server.url))
        asked = requests_of(who, 5)
        with pytest.raises(TimeoutError):
            run_some(who, journal, asked)
        fake.looks_left = dict.fromkeys(fake.looks_left, 1)
        assert len(completed(run_stage(BatchTeacher(part(server.url)), journal, asked))) == 5
    assert len(fake.batches) == 1


@pytest.mark.slow
def test_a_batch_that_is_still_under_way_is_not_submitted_again_beside_new_requests(
    journal: Journal,
) -> None:
    fake = FakeBatches(takes=10**6)
    with Server(fake) as server:
        who = BatchTeacher(part(server.url))
        with pytest.raises(TimeoutError):
            run_some(who, journal, requests_of(who, 5))
        fake.looks_left, fake.takes = dict.fromkeys(fake.looks_left, 4), 1
        assert len(completed(ask(server, journal, 8))) == 8
    assert [batch["request_counts"]["total"] for batch in fake.batches.values()] == [5, 3]
    assert journal.counts().in_flight == 0


@pytest.mark.slow
def test_a_run_that_is_stopped_leaves_its_batches_and_gives_back_what_was_not_submitted(
    journal: Journal,
) -> None:
    fake = FakeBatches(takes=10**6)
    answers: list[Answer] = []

    async def go(who: BatchTeacher, asked: list[Request]) -> None:
        async def source() -> AsyncIterator[Request]:
            for one in asked:
                yield one
            await asyncio.sleep(0.1)
            threading.Thread(target=who.stop).start()
            await asyncio.sleep(30)

        who.attach(journal, RUN)
        async with aclosing(who.stream(source())) as groups:
            async for group in groups:
                journal.store_answers(group, RUN)
                answers.extend(group)
        await who.close()

    with Server(fake) as server:
        who = BatchTeacher(part(server.url, options={"requests": 4, "poll": 60}))
        asked = requests_of(who, 6)
        journal.reserve(asked, RUN)
        asyncio.run(asyncio.wait_for(go(who, asked), 5))
        assert {(one.request_id, one.reason) for one in failed(answers)} == {
            (one.request_id, "stopped") for one in asked[4:]
        }
        assert (len(fake.batches), journal.counts().in_flight) == (1, 4)


@pytest.mark.slow
def test_cancelling_a_run_keeps_what_is_done_and_submits_nothing(journal: Journal) -> None:
    fake = FakeBatches(takes=10**6)
    with Server(fake) as server:
        made = part(server.url)
        who = BatchTeacher(made)
        with pytest.raises(TimeoutError):
            run_some(who, journal, requests_of(who, 4))
        (found,) = asyncio.run(open_batch_states(who, journal, RUN))
        assert (found.status, found.total) == ("in_progress", 4)
        (found,) = asyncio.run(cancel_open_batches(who, journal, RUN))
        assert found.status == "cancelling"
        answers = ask(server, journal, 4)
    assert [type(answer) for answer in answers].count(Completion) == 2
    assert {one.reason for one in answers if isinstance(one, Failure)} == {"batch_cancelled"}
    assert len(fake.batches) == 1


def test_cancelling_forgets_a_batch_that_the_provider_does_not_know(journal: Journal) -> None:
    batches = BatchStore(journal)
    gone, never = batches.record_intent(RUN, []), batches.record_intent(RUN, [])
    batches.record_submission(gone, "batch-nowhere")
    with Server(FakeBatches()) as server:
        found = asyncio.run(cancel_open_batches(BatchTeacher(part(server.url)), journal, RUN))
    assert {one.batch.token: one.status for one in found} == {
        gone: "unknown",
        never: "not submitted",
    }
    assert batches.uncollected(RUN) == []


@pytest.mark.slow
def test_what_another_model_left_open_is_collected_and_not_asked_of_this_one(
    journal: Journal,
) -> None:
    fake = FakeBatches(takes=10**6, ends="expired")
    with Server(fake) as server:
        who = BatchTeacher(part(server.url))
        with pytest.raises(TimeoutError):
            run_some(who, journal, requests_of(who, 4))
        fake.looks_left = dict.fromkeys(fake.looks_left, 1)
        answers = run_stage(BatchTeacher(part(server.url, model="other")), journal, [])
    assert (
        sorted(type(answer).__name__ for answer in answers) == ["Completion"] * 2 + ["Failure"] * 2
    )
    assert len(fake.batches) == 1


def test_log_probabilities_are_asked_for_in_later_tries_too(journal: Journal) -> None:
    fake = FakeBatches(script=["expired"], answered=0.0)
    with Server(fake) as server:
        plain = part(server.url)
        sampling = plain.sampling.model_copy(update={"logprobs": True})
        who = BatchTeacher(plain.model_copy(update={"sampling": sampling}))
        (answer,) = completed(run_stage(who, journal, requests_of(who, 1, logprobs=True)))
    assert answer.logprob is not None
    assert len(fake.bodies) == 1


# Killed

#: Where a process may die: a method, and whether before or after it has done its work.
STEPS = [
    (owner, name, when)
    for owner, name in (
        (BatchStore, "record_intent"), (OpenAIBatches, "upload"), (BatchStore, "record_upload"),
        (OpenAIBatches, "create"),
        (BatchStore, "record_submission"), (OpenAIBatches, "state"), (OpenAIBatches, "download"),
        (Journal, "store_answers"),
        (BatchStore, "record_collection"),
    )
    for when in ("before", "after")
]  # fmt: skip
IDS = [f"{when}-{name}" for _, name, when in STEPS]


COUNT = 10


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("marks", [True, False], ids=["marks", "no-marks"])
@pytest.mark.parametrize(("owner", "name", "when"), STEPS, ids=IDS)
def test_killed_at_any_step_it_neither_submits_twice_nor_forgets(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    owner: type,
    name: str,
    when: str,
    marks: bool,
    nth: int,
) -> None:
    # Of three batches the first expires half done; the provider may not keep metadata.
    fake = FakeBatches(script=["expired"], marks=marks)
    with Server(fake) as server:
        with monkeypatch.context() as patch, Journal(tmp_path / "journal.sqlite") as journal:
            patch.setattr(owner, name, dying(owner, name, when, raise_died, nth))
            with pytest.raises(Died):
                ask(server, journal, COUNT, (0, 1), options={"requests": 4})
        with Journal(tmp_path / "journal.sqlite") as journal:
            ask(server, journal, COUNT, (0, 1), options={"requests": 4})
            assert_all_there_and_nothing_twice(journal, fake)


def assert_all_there_and_nothing_twice(journal: Journal, fake: FakeBatches) -> None:
    counts = journal.counts()
    assert (counts.completions, counts.failures, counts.in_flight) == (2 * COUNT, 0, 0)
    assert all_collected(journal)
    # The two rows that expired are the only ones that were submitted again.
    again = {body: times for body, times in fake.bodies.items() if times > 1}
    assert (len(again), set(again.values()), fake.bodies.total()) == (2, {2}, COUNT + 2)
    spent = journal.spending(RUN)
    assert (spent.unknown_tokens, spent.tokens) == (0, 6 * COUNT)


WORKER = """
import os, signal, sys
sys.path[:0] = sys.argv[4:6]
import test_batch_runs as t
from synthkd.journal import Journal
if sys.argv[3]:
    owner, name, when = t.STEPS[int(sys.argv[3])]
    die = lambda: os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, name, t.dying(owner, name, when, die))
class At:
    url = sys.argv[1]
with Journal(sys.argv[2]) as journal:
    t.ask(At, journal, t.COUNT, (0, 1), options={"requests": 4})
"""


def work(url: str, path: Path, step: str) -> subprocess.CompletedProcess[bytes]:
    """Run in a process of its own, which kills itself at a step."""
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    folders = [str(Path(__file__).parent), str(ROOT / "tests")]
    return subprocess.run(
        [sys.executable, "-c", WORKER, url, str(path), step, *folders],
        env=environment, capture_output=True, timeout=60,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [
        "after-record_intent",
        "after-upload",
        "after-create",
        "before-store_answers",
        "before-record_collection",
    ],
)
def test_a_process_that_is_really_killed_goes_on_the_next_time(tmp_path: Path, step: str) -> None:
    fake = FakeBatches(script=["expired"])
    path = tmp_path / "journal.sqlite"
    with Server(fake) as server:
        assert work(server.url, path, str(IDS.index(step))).returncode == -signal.SIGKILL
        ended = work(server.url, path, "")
        assert ended.returncode == 0, ended.stderr.decode()
    with Journal(path) as journal:
        assert_all_there_and_nothing_twice(journal, fake)
