"""Tests of `anthropic-batch` and `gemini-batch` against the batches of the test server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.ask_teacher import BACKENDS, KEY
from support.batch_api import (
    RUN,
    all_collected,
    completed,
    failed,
    quick,
    requests_of,
    run_some,
    run_stage,
)
from support.dying import Died, dying, raise_died

from synthkd.errors import AuthenticationError, SynthKDError, TeacherError
from synthkd.journal import Journal
from synthkd.journal.batches import BatchStore
from synthkd.recipe import TeacherPart
from synthkd.requests import Completion, Failure
from synthkd.teachers.batch.anthropic_batches import AnthropicBatches
from synthkd.teachers.batch.batched_model import BatchedModel
from synthkd.teachers.batch.gemini_batches import GeminiBatches
from synthkd.teachers.batch.open_batches import cancel_open_batches, open_batch_states
from synthkd.teachers.batch.teacher import AnthropicBatchTeacher, GeminiBatchTeacher
from synthkd.testing import FakeServer
from synthkd.testing.batches import FakeBatches

TEACHERS: dict[str, type[BatchedModel]] = {
    "anthropic": AnthropicBatchTeacher, "gemini": GeminiBatchTeacher,
}  # fmt: skip
PROVIDERS = {"anthropic": AnthropicBatches, "gemini": GeminiBatches}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.fixture(params=list(TEACHERS))
def protocol(request: pytest.FixtureRequest) -> str:
    """Return the protocol of the server."""
    return str(request.param)


@pytest.fixture
def served(protocol: str) -> Iterator[FakeServer]:
    with serving(protocol) as server:
        yield server


def serving(protocol: str, **batches: Any) -> FakeServer:
    return FakeServer(protocol=protocol, batches=FakeBatches(**batches))


def teacher(server: FakeServer, options: dict[str, Any] | None = None, **more: Any) -> BatchedModel:
    raw = {
        "backend": f"{server.protocol}-batch", "model": "fake", "base_url": server.url,
        "options": {"poll": 0.01} | (options or {}), "max_attempts": 3,
    }  # fmt: skip
    return TEACHERS[str(server.protocol)](TeacherPart.model_validate(raw | more), 0.5)


def ask(
    server: FakeServer, journal: Journal, count: int, indexes: tuple[int, ...] = (0,), **more: Any
) -> list[Completion | Failure]:
    who = teacher(server, **more)
    return run_stage(who, journal, requests_of(who, count, indexes))


def test_every_row_comes_back_in_batches_within_the_limit(
    served: FakeServer, journal: Journal
) -> None:
    answers = completed(ask(served, journal, 10, (0, 1), options={"requests": 4}))
    assert len(answers) == 20
    assert all_collected(journal)
    assert all(len(rows) <= 4 for rows in served.batches.rows.values())
    assert served.batches.bodies.total() == (20 if served.protocol == "anthropic" else 10)
    assert served.requests == 0, "nothing is asked at once"


def test_what_is_bought_one_way_is_found_the_other_way(served: FakeServer) -> None:
    who = teacher(served)
    at_once = BACKENDS[str(served.protocol)](who.part.model_copy(update={"options": {}}))
    assert who.identity == at_once.identity


def test_a_batch_costs_half_the_price(served: FakeServer, journal: Journal) -> None:
    price = {"input": 10.0, "output": 20.0}
    (found,) = completed(ask(served, journal, 1, price=price))
    # "thing 0" is two tokens, and so is the answer.
    assert found.price == pytest.approx((2 * 10 + 2 * 20) / 2e6)


def test_a_batch_is_no_larger_than_its_limit_of_bytes(served: FakeServer, journal: Journal) -> None:
    completed(ask(served, journal, 10, options={"megabytes": 0.0005}))
    assert len(served.batches.rows) > 3


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_an_unfinished_batch_has_answered_is_kept(
    protocol: str, journal: Journal, end: str
) -> None:
    with serving(protocol, script=[end]) as server:
        answers = ask(server, journal, 6)
        again = ask(server, journal, 6)
    kept = [answer for answer in answers if isinstance(answer, Completion)]
    if end == "expired":
        # The others went into a further batch.
        assert (len(kept), len(server.batches.rows), again) == (6, 2, [])
    else:
        # The others wait for the next run.
        assert (len(kept), len(completed(again)), len(server.batches.rows)) == (3, 3, 2)


@pytest.mark.parametrize(
    ("status", "permanent", "rows"), [(400, True, 4), (500, False, 12), (429, False, 12)]
)
def test_rows_that_are_refused_are_tried_again_if_that_may_help(
    protocol: str, journal: Journal, status: int, permanent: bool, rows: int
) -> None:
    error = (status, {"error": {"message": "planted row error"}})
    with serving(protocol, errors=1.0, row_error=error) as server:
        answers = failed(ask(server, journal, 4))
    assert {(one.reason, one.permanent) for one in answers} == {(f"http_{status}", permanent)}
    assert server.batches.bodies.total() == rows


def test_a_batch_that_was_made_though_an_error_came_is_not_made_again(
    protocol: str, journal: Journal
) -> None:
    with serving(protocol, lost=2) as server:
        completed(ask(server, journal, 10, options={"requests": 4}))
    assert set(server.batches.bodies.values()) == {1}


def test_a_batch_of_others_is_not_taken_for_a_lost_one(
    protocol: str, journal: Journal, tmp_path: Path
) -> None:
    """Anthropic's batches carry no name: one of another size is none of ours."""
    with serving(protocol) as server:
        with Journal(tmp_path / "other.sqlite") as other:
            completed(ask(server, other, 3))
        server.batches.lost = 1
        completed(ask(server, journal, 4))
    assert len(server.batches.rows) == 2


def test_a_batch_that_was_refused_ends_the_run_with_the_providers_words(journal: Journal) -> None:
    with (
        serving("gemini", ends="failed") as server,
        pytest.raises(TeacherError, match="planted: failed"),
    ):
        ask(server, journal, 4)


def test_listing_and_cancelling(protocol: str, journal: Journal) -> None:
    with serving(protocol, takes=10**6) as server:
        who = teacher(server)
        with pytest.raises(TimeoutError):
            run_some(who, journal, requests_of(who, 4))
        (found,) = asyncio.run(open_batch_states(who, journal, RUN))
        assert (found.status, found.total) == ("in_progress", 4)
        (found,) = asyncio.run(cancel_open_batches(who, journal, RUN))
        answers = ask(server, journal, 4)
    assert [type(answer) for answer in answers].count(Completion) == 2
    assert {one.reason for one in answers if isinstance(one, Failure)} == {"batch_cancelled"}
    assert len(server.batches.rows) == 1


def test_cancelling_forgets_a_batch_that_the_provider_does_not_know(
    served: FakeServer, journal: Journal
) -> None:
    batches = BatchStore(journal)
    gone, never = batches.record_intent(RUN, []), batches.record_intent(RUN, [])
    batches.record_submission(gone, "batches/nowhere")
    found = asyncio.run(cancel_open_batches(teacher(served), journal, RUN))
    assert {one.batch.token: one.status for one in found} == {
        gone: "unknown", never: "not submitted",
    }  # fmt: skip
    assert batches.uncollected(RUN) == []


def test_a_wrong_key_ends_the_run_and_is_shown_nowhere(
    protocol: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = TEACHERS[protocol].api.key_variable
    monkeypatch.setenv(variable, KEY)
    with (
        FakeServer(protocol=protocol, key="another") as server,
        pytest.raises(AuthenticationError, match=variable) as caught,
    ):
        ask(server, journal, 1)
    assert KEY not in str(caught.value)


def test_nothing_at_the_address_is_said_so_with_the_remedy(protocol: str, journal: Journal) -> None:
    with serving(protocol) as server:
        who = teacher(server)
    with pytest.raises(SynthKDError, match=r"teacher\.base_url"):
        run_stage(who, journal, requests_of(who, 1))


COUNT = 10
STEPS = [
    (owner, name, when)
    for owner, name in (
        (BatchStore, "record_intent"), (None, "create"), (BatchStore, "record_submission"),
        (None, "look_up"), (None, "download"), (Journal, "store_answers"),
        (BatchStore, "record_collection"),
    )
    for when in ("before", "after")
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize(
    ("owner", "name", "when"), STEPS, ids=[f"{when}-{name}" for _, name, when in STEPS]
)
def test_killed_at_any_step_it_neither_submits_twice_nor_forgets(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    protocol: str,
    owner: type | None,
    name: str,
    when: str,
    nth: int,
) -> None:
    # Of the batches the first expires half done.
    owner = owner or PROVIDERS[protocol]
    with serving(protocol, script=["expired"]) as server:
        with monkeypatch.context() as patch, Journal(tmp_path / "journal.sqlite") as journal:
            patch.setattr(owner, name, dying(owner, name, when, raise_died, nth))
            with pytest.raises(Died):
                ask(server, journal, COUNT, options={"requests": 4})
        with Journal(tmp_path / "journal.sqlite") as journal:
            ask(server, journal, COUNT, options={"requests": 4})
            counts = journal.counts()
            assert (counts.completions, counts.failures, counts.in_flight) == (COUNT, 0, 0)
            assert all_collected(journal)
    # The two rows that expired are the only ones that were submitted again.
    again = {body: times for body, times in server.batches.bodies.items() if times > 1}
    assert (len(again), set(again.values())) == (2, {2})
    assert server.batches.bodies.total() == COUNT + 2
