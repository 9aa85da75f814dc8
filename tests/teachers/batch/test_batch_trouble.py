"""Tests of samples that the Batch API does not give, of failing providers, and of keys."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

pytest.importorskip("openai")

from support.ask_teacher import KEY
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

from synthkd.errors import (
    AuthenticationError,
    QuotaError,
    SynthKDError,
    TeacherError,
    UnreachableError,
)
from synthkd.journal import Journal
from synthkd.journal.batches import BatchStore
from synthkd.requests import Completion, Failure, Request
from synthkd.teachers.batch import BatchTeacher
from synthkd.testing.batches import FakeBatches


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


# What does not come


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_an_unfinished_batch_has_answered_is_kept(journal: Journal, end: str) -> None:
    with Server(FakeBatches(ends=end, answered=0.5)) as server:
        answers = ask(server, journal, 10, max_attempts=1)
    assert sum(isinstance(answer, Completion) for answer in answers) == 5
    rest = failed([answer for answer in answers if isinstance(answer, Failure)])
    assert {(one.reason, one.permanent, one.attempts) for one in rest} == {
        (f"batch_{end}", False, 1)
    }
    assert len(rest) == 5
    assert all_collected(journal)


def test_what_expired_is_asked_again_in_a_further_batch(journal: Journal) -> None:
    fake = FakeBatches(script=["expired"])
    with Server(fake) as server:
        completed(ask(server, journal, 10))
    assert [batch["request_counts"]["total"] for batch in fake.batches.values()] == [10, 5]
    assert all_collected(journal)


@pytest.mark.slow
def test_what_was_cancelled_is_not_submitted_again_by_itself(journal: Journal) -> None:
    fake = FakeBatches(script=["cancelled"])
    with Server(fake) as server:
        first = ask(server, journal, 10)
        assert len(fake.batches) == 1
        second = completed(ask(server, journal, 10))
    assert (len(first), len(second)) == (10, 5)


def test_a_row_that_fails_in_passing_is_tried_up_to_the_last_time(journal: Journal) -> None:
    fake = FakeBatches(errors=1.0)
    with Server(fake) as server:
        (found,) = failed(ask(server, journal, 1))
    assert (found.reason, found.permanent, found.attempts) == ("http_500", False, 3)
    assert len(fake.batches) == 3


def test_some_rows_that_fail_are_asked_again_beside_those_in_hand(journal: Journal) -> None:
    fake = FakeBatches(errors=0.3)
    with Server(fake) as server:
        completed(ask(server, journal, 20, max_attempts=9))
    assert 20 < fake.submitted.total() < 40


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (404, {"message": "no such model"}, "http_404"),
        (400, {"message": "too long", "code": "context_length_exceeded"}, "context_too_long"),
        (400, {"message": "no", "code": "content_filter"}, "content_filter"),
    ],
)
def test_a_row_that_is_refused_for_good_is_not_asked_again(
    journal: Journal, status: int, error: dict[str, str], reason: str
) -> None:
    fake = FakeBatches(errors=1.0, row_error=(status, {"error": error}))
    with Server(fake) as server:
        (found,) = failed(ask(server, journal, 1))
        assert ask(server, journal, 1) == []
    assert (found.reason, found.permanent, len(fake.batches)) == (reason, True, 1)


def test_rows_that_say_the_credit_is_used_up_end_the_run_after_what_came(journal: Journal) -> None:
    error = {"error": {"message": "no credit", "code": "insufficient_quota"}}
    with (
        Server(FakeBatches(errors=0.5, row_error=(429, error))) as server,
        pytest.raises(QuotaError),
    ):
        ask(server, journal, 20)
    assert journal.counts().completions > 0
    assert journal.counts().in_flight == 0


def test_a_server_that_gives_fewer_choices_is_asked_for_the_rest_one_by_one(
    journal: Journal,
) -> None:
    fake = FakeBatches()
    with Server(fake, choices=1) as server:
        answers = completed(ask(server, journal, 2, (0, 1, 2, 3)))
    assert len({answer.key for answer in answers}) == len(answers) == 8
    assert [batch["request_counts"]["total"] for batch in fake.batches.values()] == [2, 6]


def test_a_body_without_choices_is_asked_again_only_where_there_is_money_for_it(
    journal: Journal,
) -> None:
    fake = FakeBatches()
    asked: list[Request] = []

    class Poor:
        """An account without money for another attempt."""

        def sent(self, requests: Sequence[Request]) -> None: ...

        def unbilled(self, request: Request) -> None: ...

        async def unknown(self, request: Request) -> bool:
            asked.append(request)
            return False

    with Server(fake, choices=0) as server:
        who = BatchTeacher(part(server.url))
        who.account = Poor()
        (found,) = failed(run_stage(who, journal, requests_of(who, 1)))
    assert (found.reason, len(asked), len(fake.batches)) == ("bad_response", 1, 1)


def test_a_batch_that_was_not_valid_ends_the_run_with_the_providers_words(journal: Journal) -> None:
    with (
        Server(FakeBatches(ends="failed")) as server,
        pytest.raises(TeacherError, match="not parseable in line 1"),
    ):
        ask(server, journal, 3)
    assert journal.counts().in_flight == 0
    assert all_collected(journal)


@pytest.mark.slow
def test_after_a_batch_that_was_not_valid_the_next_run_submits_anew(journal: Journal) -> None:
    with Server(FakeBatches(script=["failed"])) as server:
        with pytest.raises(TeacherError):
            ask(server, journal, 3)
        assert len(completed(ask(server, journal, 3))) == 3


@pytest.mark.slow
def test_a_batch_for_which_the_provider_has_no_room_waits_for_another_to_end(
    journal: Journal,
) -> None:
    fake = FakeBatches(script=["completed", "full", "full"], takes=20)
    with Server(fake) as server:
        assert len(completed(ask(server, journal, 9, options={"requests": 3}))) == 9
    assert all_collected(journal)


def test_no_room_for_the_only_batch_ends_the_run_with_the_providers_words(journal: Journal) -> None:
    with (
        Server(FakeBatches(ends="full")) as server,
        pytest.raises(TeacherError, match="token limit"),
    ):
        ask(server, journal, 3)


# The provider in trouble


@pytest.mark.slow
def test_a_provider_in_trouble_for_a_moment_does_not_end_the_run(journal: Journal) -> None:
    # Trouble comes at the upload, the creation (a look for the batch follows) or a look.
    with Server(FakeBatches(), faults=[500, 0, 500, 0, 0, 503, 0, 500]) as server:
        completed(ask(server, journal, 2))
        assert server.faults == []


def test_a_batch_that_was_made_though_an_error_came_is_not_made_again(journal: Journal) -> None:
    fake = FakeBatches(lost=1)
    with Server(fake) as server:
        completed(ask(server, journal, 2))
    assert len(fake.batches) == 1


def test_nothing_at_the_address_is_said_so_with_the_remedy(journal: Journal) -> None:
    who = BatchTeacher(part("http://127.0.0.1:9/v1", max_attempts=1))
    with pytest.raises(UnreachableError, match=r"teacher\.base_url"):
        run_stage(who, journal, requests_of(who, 1))


def test_a_server_without_a_batch_api_is_said_so(journal: Journal) -> None:
    with (
        Server(FakeBatches(), faults=[404]) as server,
        pytest.raises(TeacherError, match="Batch API"),
    ):
        ask(server, journal, 1)


@pytest.mark.slow
def test_a_batch_that_another_address_has_is_not_forgotten(journal: Journal) -> None:
    with Server(FakeBatches(takes=99)) as server:
        who = BatchTeacher(part(server.url))
        with pytest.raises(TimeoutError):
            run_some(who, journal, requests_of(who, 2))
    with Server(FakeBatches()) as other, pytest.raises(TeacherError, match="address and key"):
        ask(other, journal, 2)
    assert len(BatchStore(journal).uncollected(RUN)) == 1


# Keys


def test_the_key_is_sent(monkeypatch: pytest.MonkeyPatch, journal: Journal) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server(FakeBatches(), key=KEY) as server:
        assert completed(ask(server, journal, 1))


def test_where_the_key_has_a_header_of_its_own_no_other_is_sent(
    monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server(FakeBatches(), key=KEY) as server:
        completed(ask(server, journal, 1, api_version="2026-01-01", headers={"X-Team": "mine"}))
    assert all("authorization" not in headers for headers in server.headers)
    assert {headers["x-team"] for headers in server.headers} == {"mine"}
    assert all("api-version=2026-01-01" in path for path in server.paths)


def shown(error: BaseException | None) -> str:
    """Return an error and all that it was raised from, as text."""
    return "" if error is None else f"{error!r} {error} {shown(error.__cause__)}"


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_the_key_is_in_no_error_even_where_the_server_repeats_it(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, status: int, place: int
) -> None:
    # The fault comes at the upload, the creation, the look, and the first and second file.
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    fake = FakeBatches(ends="expired")
    text = ""
    with Server(fake, faults=[0] * place + [status] * 3) as server:
        who = BatchTeacher(part(server.url, max_attempts=1), patience=0)
        try:
            text = repr(run_stage(who, journal, requests_of(who, 2)))
        except SynthKDError as error:
            text = shown(error)
    assert text
    assert KEY not in text + repr(who) + who.identity


def test_a_wrong_key_ends_the_run_naming_the_variable(
    monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with (
        Server(FakeBatches(), key="another") as server,
        pytest.raises(AuthenticationError, match="MY_KEY"),
    ):
        ask(server, journal, 1, api_key_env="MY_KEY")


def test_a_key_in_a_rows_error_is_masked(monkeypatch: pytest.MonkeyPatch, journal: Journal) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    row_error = (404, {"error": {"message": f"nothing for {KEY}"}})
    with Server(FakeBatches(errors=1.0, row_error=row_error)) as server:
        (found,) = failed(ask(server, journal, 1))
    assert found.detail == "nothing for ***"


def test_a_key_in_the_query_of_the_address_reaches_no_log(
    caplog: pytest.LogCaptureFixture, journal: Journal
) -> None:
    caplog.set_level(logging.DEBUG)
    with Server(FakeBatches()) as server:
        who = BatchTeacher(part(f"{server.url}?key={KEY}"))
        completed(run_stage(who, journal, requests_of(who, 1)))
    assert any(KEY in path for path in server.paths)
    assert "HTTP Request" in caplog.text
    assert KEY not in caplog.text
