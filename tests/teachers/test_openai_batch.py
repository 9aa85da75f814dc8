"""The Batch API backend against a real server on loopback, killed between any two of its steps."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")

from synthkd.errors import (
    AuthenticationError,
    JournalError,
    QuotaError,
    RecipeError,
    SynthKDError,
    TeacherError,
    UnreachableError,
)
from synthkd.journal import Journal
from synthkd.journal.batches import Batches, Row
from synthkd.recipe import Recipe, TeacherPart
from synthkd.requests import Answer, Completion, Failure, Request, Sampling
from synthkd.teachers.base import Teacher
from synthkd.teachers.openai import OpenAITeacher
from synthkd.teachers.openai import batch as module
from synthkd.teachers.openai.batch import BatchTeacher, cancel_all, states
from synthkd.teachers.openai.batch_files import Provider
from synthkd.testing import words
from synthkd.testing.batches import FakeBatches
from synthkd.testing.http import Connection, Incoming
from synthkd.testing.texts import completion

KEY = "sk-do-not-show-3f9a"
RUN = "run"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own key and proxy have no part in these tests."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "_SILENCE", 0.2)
    monkeypatch.setattr(module, "_PAUSE", (0.01, 0.02))


class Server:
    """`FakeBatches` over HTTP. ``faults`` are statuses that requests are answered with in turn, 0 for none."""

    def __init__(
        self, fake: FakeBatches, faults: list[int] | None = None, key: str | None = None, choices: int | None = None
    ) -> None:
        self.fake, self.faults, self.key, self.choices = fake, faults or [], key, choices
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        open_: set[Connection] = set()
        server = await self._loop.create_server(lambda: Connection(self._handle, open_), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in list(open_):
            connection.abort()

    def _handle(self, request: Incoming) -> None:
        self.headers.append(request.headers)
        self.paths.append(f"{request.method} {request.path}")
        sent = request.headers.get("authorization", "") or request.headers.get("api-key", "")
        status = self.faults.pop(0) if self.faults else 0
        if self.key and sent.removeprefix("Bearer ") != self.key:
            status = 401
        if status:
            request.answer(status, {"error": {"message": f"planted {status} for {sent}"}})
            return
        found = self.fake.handle(request.method, request.path, request.headers, request.body, self._complete)
        status, body = found or (404, {"error": {"message": "nothing here"}})
        request.answer(status, body)

    def _complete(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        chat = path.endswith("/chat/completions")
        prompt = "\n".join(m["content"] for m in body["messages"]) if chat else body["prompt"]
        made = completion(chat, prompt, body, "", words)
        made["choices"] = made["choices"][: self.choices]
        return 200, made


def part(url: str | None, batch: dict[str, Any] | None = None, **more: Any) -> TeacherPart:
    raw = {"backend": "openai-batch", "model": "fake", "base_url": url, "batch": {"poll": 0.01} | (batch or {})}
    return TeacherPart.model_validate(raw | {"max_attempts": 3} | more)


def requests_of(who: BatchTeacher, count: int, indexes: tuple[int, ...] = (0,), **sampling: Any) -> list[Request]:
    made = Sampling(n=len(indexes), **sampling)
    return [
        Request(who.identity, ({"role": "user", "content": f"thing {i}"},), made, indexes, str(i))
        for i in range(count)
    ]


def run_stage(who: BatchTeacher, journal: Journal, asked: list[Request], group: int = 4) -> list[Answer]:
    """What the stage does: what is missing departs, in groups; what comes is committed."""
    journal.give_up_flights(RUN)
    came: list[Answer] = []

    async def departed() -> AsyncIterator[Request]:
        for start in range(0, len(asked), group):
            few = asked[start : start + group]
            held = journal.held([one.request_id for one in few])
            failed = journal.failures([one.request_id for one in few])
            missing = [one.only(_missing(one, held, failed)) for one in few]
            missing = [one for one in missing if one.sample_indexes]
            journal.depart(missing, RUN)
            for one in missing:
                yield one

    async def go() -> None:
        who.attach(journal, RUN)
        try:
            async with aclosing(who.stream(departed())) as groups:
                async for answers in groups:
                    journal.arrive(answers, RUN)
                    came.extend(answers)
        finally:
            await who.close()

    asyncio.run(asyncio.wait_for(go(), 30))
    return came


def _missing(
    one: Request, held: dict[str, set[int]], failed: dict[str, dict[int, Failure]]
) -> tuple[int, ...]:
    refused = {index for index, found in failed.get(one.request_id, {}).items() if found.permanent}
    return tuple(i for i in one.sample_indexes if i not in held.get(one.request_id, set()) | refused)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def ask(
    server: Server, journal: Journal, count: int, indexes: tuple[int, ...] = (0,), **more: Any
) -> list[Answer]:
    sampling = more.pop("sampling", {})
    who = BatchTeacher(part(server.url, **more), patience=0.5)
    return run_stage(who, journal, requests_of(who, count, indexes, **sampling))


def completed(answers: list[Answer]) -> list[Completion]:
    assert all(isinstance(answer, Completion) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Completion)]


def failed(answers: list[Answer]) -> list[Failure]:
    assert all(isinstance(answer, Failure) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Failure)]


def all_collected(journal: Journal) -> bool:
    return {batch.state for batch in Batches(journal).all()} == {"collected"}


# What it is


def test_it_is_a_teacher() -> None:
    assert isinstance(BatchTeacher(part("http://localhost/v1")), Teacher)


def test_a_recipe_makes_one(tmp_path: Path) -> None:
    raw = {
        "name": "test", "inputs": {"count": 3}, "limits": {"patience": 7},
        "teacher": {"backend": "openai-batch", "model": "fake"}, "corpus": {"path": "corpus"},
    }  # fmt: skip
    assert BatchTeacher.from_recipe(Recipe.from_dict(raw)).patience == 7


@pytest.mark.parametrize("more", [{}, {"identity": "mine"}])
def test_what_is_bought_one_way_is_found_the_other_way(more: dict[str, Any]) -> None:
    made = part("http://me:secret@localhost/v1/", **more)
    assert BatchTeacher(made).identity == OpenAITeacher(made).identity


def test_a_model_must_be_named() -> None:
    with pytest.raises(RecipeError, match="model"):
        BatchTeacher(part("http://localhost/v1", model=None))


def test_several_addresses_are_refused() -> None:
    with pytest.raises(RecipeError, match="one address"):
        BatchTeacher(part(None, identity="mine") .model_copy(update={"base_url": ["http://a/v1", "http://b/v1"]}))


def test_without_a_journal_nothing_is_sent() -> None:
    async def go() -> None:
        async for _ in BatchTeacher(part("http://localhost/v1")).stream(aiter_of([])):
            pass

    with pytest.raises(TeacherError, match="attach"):
        asyncio.run(go())


async def aiter_of(requests: list[Request]) -> AsyncIterator[Request]:
    for one in requests:
        yield one


# The plain way


def test_every_sample_of_every_request_is_answered_once(journal: Journal) -> None:
    with Server(FakeBatches()) as server:
        answers = completed(ask(server, journal, 10, (0, 1, 2)))
    assert len({answer.key for answer in answers}) == len(answers) == 30
    assert all_collected(journal)


def test_results_in_another_order_are_joined_by_their_key(journal: Journal) -> None:
    with Server(FakeBatches(shuffled=True)) as server:
        who = BatchTeacher(part(server.url))
        asked = requests_of(who, 30)
        answers = completed(run_stage(who, journal, asked))
    texts = {answer.request_id: answer.text for answer in answers}
    assert texts == {one.request_id: words(one.prompt, 0, 0) for one in asked}


@pytest.mark.parametrize("chat", [True, False])
def test_rows_go_to_the_endpoint_that_the_prompt_is_for(journal: Journal, chat: bool) -> None:
    fake = FakeBatches()
    with Server(fake) as server:
        completed(ask(server, journal, 2, chat=chat))
    (batch,) = fake.batches.values()
    assert batch["endpoint"] == ("/v1/chat/completions" if chat else "/v1/completions")


def test_a_batch_bears_its_token_and_its_run(journal: Journal) -> None:
    fake = FakeBatches()
    with Server(fake) as server:
        ask(server, journal, 1)
    (batch,) = fake.batches.values()
    (known,) = Batches(journal).all(RUN)
    assert batch["metadata"] == {"synthkd": known.token, "run": RUN}
    assert (known.batch_id, known.file_id) == (batch["id"], batch["input_file_id"])


def test_batches_are_cut_at_the_number_of_requests(journal: Journal) -> None:
    fake = FakeBatches(limit=4)
    with Server(fake) as server:
        completed(ask(server, journal, 10, batch={"requests": 4}))
    assert [batch["request_counts"]["total"] for batch in fake.batches.values()] == [4, 4, 2]


def test_batches_are_cut_at_the_size_of_a_file(journal: Journal) -> None:
    fake = FakeBatches()
    with Server(fake) as server:
        completed(ask(server, journal, 10, batch={"megabytes": 0.001}))
    assert len(fake.batches) > 2
    sizes = [len(fake.files[batch["input_file_id"]]) for batch in fake.batches.values()]
    assert max(sizes) <= 1000


def test_a_request_that_is_larger_than_a_file_fails_and_the_others_go_on(journal: Journal) -> None:
    with Server(FakeBatches()) as server:
        who = BatchTeacher(part(server.url, batch={"megabytes": 0.001}))
        asked = requests_of(who, 3)
        large = Request(who.identity, ({"role": "user", "content": "x" * 2000},), asked[0].sampling, (0,), "x")
        answers = run_stage(who, journal, [*asked, large])
    (refused,) = [answer for answer in answers if isinstance(answer, Failure)]
    assert (refused.request_id, refused.reason, refused.permanent) == (large.request_id, "too_large", False)
    assert len(answers) == 4


def test_more_requests_in_a_file_than_the_provider_takes_end_the_run_with_its_words(journal: Journal) -> None:
    with Server(FakeBatches(limit=4)) as server, pytest.raises(TeacherError, match="more than 4 requests"):
        ask(server, journal, 10)


def test_a_source_that_waits_for_answers_does_not_wait_for_ever(journal: Journal) -> None:
    """Under a cap the stage gives no more requests until some have been answered."""
    came = asyncio.Event

    async def go(who: BatchTeacher, asked: list[Request]) -> int:
        arrived = came()

        async def source() -> AsyncIterator[Request]:
            yield asked[0]
            await arrived.wait()
            yield asked[1]

        who.attach(journal, RUN)
        found = 0
        async with aclosing(who.stream(source())) as groups:
            async for group in groups:
                found += len(group)
                arrived.set()
        await who.close()
        return found

    with Server(FakeBatches()) as server:
        who = BatchTeacher(part(server.url))
        asked = requests_of(who, 2)
        journal.depart(asked, RUN)
        assert asyncio.run(asyncio.wait_for(go(who, asked), 10)) == 2


def test_the_providers_share_of_the_price_is_what_an_answer_costs(journal: Journal) -> None:
    price = {"input": 2e6, "output": 4e6, "cached": 1e6}
    with Server(FakeBatches()) as server:
        (answer,) = completed(ask(server, journal, 1, price=price))
        who = BatchTeacher(part(server.url, price=price))
    assert (answer.prompt_tokens, answer.completion_tokens, answer.price) == (2, 2, 2 * 1.0 + 2 * 2.0)
    assert who.price is not None
    assert (who.price.input, who.price.output, who.price.cached) == (1e6, 2e6, 0.5e6)
    assert journal.spending(RUN).dollars == pytest.approx(6.0)


def test_without_prices_the_price_is_unknown(journal: Journal) -> None:
    with Server(FakeBatches()) as server:
        (answer,) = completed(ask(server, journal, 1))
        assert BatchTeacher(part(server.url)).price is None
    assert answer.price is None


def test_with_a_seed_a_gap_in_the_samples_is_not_bridged_by_one_row(journal: Journal) -> None:
    fake = FakeBatches()
    with Server(fake) as server:
        answers = completed(ask(server, journal, 1, (0, 5, 6), sampling={"seed": 7}))
    sent = [json.loads(body) for body in fake.bodies]
    assert sorted((body["seed"], body["n"]) for body in sent) == [(7, 1), (12, 2)]
    assert sorted(answer.sample_index for answer in answers) == [0, 5, 6]


def test_batches_are_looked_at_only_as_often_as_asked(journal: Journal) -> None:
    fake = FakeBatches(takes=3)
    with Server(fake) as server:
        start = asyncio.new_event_loop().time()
        completed(ask(server, journal, 1, batch={"poll": 0.1}))
        assert asyncio.new_event_loop().time() - start >= 0.3
    assert fake.looks == 3


# What does not come


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_an_unfinished_batch_has_answered_is_kept(journal: Journal, end: str) -> None:
    with Server(FakeBatches(ends=end, answered=0.5)) as server:
        answers = ask(server, journal, 10, max_attempts=1)
    assert sum(isinstance(answer, Completion) for answer in answers) == 5
    rest = failed([answer for answer in answers if isinstance(answer, Failure)])
    assert {(one.reason, one.permanent, one.attempts) for one in rest} == {(f"batch_{end}", False, 1)}
    assert len(rest) == 5
    assert all_collected(journal)


def test_what_expired_is_asked_again_in_a_further_batch(journal: Journal) -> None:
    fake = FakeBatches(script=["expired"])
    with Server(fake) as server:
        completed(ask(server, journal, 10))
    assert [batch["request_counts"]["total"] for batch in fake.batches.values()] == [10, 5]
    assert all_collected(journal)


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
    with Server(FakeBatches(errors=0.5, row_error=(429, error))) as server, pytest.raises(QuotaError):
        ask(server, journal, 20)
    assert journal.counts().completions > 0
    assert journal.counts().in_flight == 0


def test_a_server_that_gives_fewer_choices_is_asked_for_the_rest_one_by_one(journal: Journal) -> None:
    fake = FakeBatches()
    with Server(fake, choices=1) as server:
        answers = completed(ask(server, journal, 2, (0, 1, 2, 3)))
    assert len({answer.key for answer in answers}) == len(answers) == 8
    assert [batch["request_counts"]["total"] for batch in fake.batches.values()] == [2, 6]


def test_a_body_without_choices_is_asked_again_only_where_there_is_money_for_it(journal: Journal) -> None:
    fake = FakeBatches()
    asked: list[Request] = []

    async def again(request: Request) -> bool:
        asked.append(request)
        return False

    with Server(fake, choices=0) as server:
        who = BatchTeacher(part(server.url))
        who.again = again
        (found,) = failed(run_stage(who, journal, requests_of(who, 1)))
    assert (found.reason, len(asked), len(fake.batches)) == ("bad_response", 1, 1)


def test_a_batch_that_was_not_valid_ends_the_run_with_the_providers_words(journal: Journal) -> None:
    with Server(FakeBatches(ends="failed")) as server, pytest.raises(TeacherError, match="not parseable in line 1"):
        ask(server, journal, 3)
    assert journal.counts().in_flight == 0
    assert all_collected(journal)


def test_after_a_batch_that_was_not_valid_the_next_run_submits_anew(journal: Journal) -> None:
    with Server(FakeBatches(script=["failed"])) as server:
        with pytest.raises(TeacherError):
            ask(server, journal, 3)
        assert len(completed(ask(server, journal, 3))) == 3


def test_a_batch_for_which_the_provider_has_no_room_waits_for_another_to_end(journal: Journal) -> None:
    fake = FakeBatches(script=["completed", "full", "full"])
    with Server(fake) as server:
        assert len(completed(ask(server, journal, 9, batch={"requests": 3}))) == 9
    assert all_collected(journal)


def test_no_room_for_the_only_batch_ends_the_run_with_the_providers_words(journal: Journal) -> None:
    with Server(FakeBatches(ends="full")) as server, pytest.raises(TeacherError, match="token limit"):
        ask(server, journal, 3)


# The provider in trouble


def test_a_provider_in_trouble_for_a_moment_does_not_end_the_run(journal: Journal) -> None:
    with Server(FakeBatches(), faults=[500, 0, 500, 0, 503, 0, 500]) as server:
        completed(ask(server, journal, 2))


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
    with Server(FakeBatches(), faults=[404]) as server, pytest.raises(TeacherError, match="Batch API"):
        ask(server, journal, 1)


def test_a_batch_that_another_address_has_is_not_forgotten(journal: Journal) -> None:
    with Server(FakeBatches(takes=99)) as server, pytest.raises(TimeoutError):
        who = BatchTeacher(part(server.url))
        run_some(who, journal, requests_of(who, 2))
    with Server(FakeBatches()) as other, pytest.raises(TeacherError, match="address and key"):
        ask(other, journal, 2)
    assert len(Batches(journal).open(RUN)) == 1


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
    """An error and all that it was raised from."""
    return "" if error is None else f"{error!r} {error} {shown(error.__cause__)}"


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_the_key_is_in_no_error_even_where_the_server_repeats_it(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, status: int, place: int
) -> None:
    """The fault comes at the upload, the creation, the look, and the first and second file."""
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
    with Server(FakeBatches(), key="another") as server, pytest.raises(AuthenticationError, match="MY_KEY"):
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


# Another run


def run_some(who: BatchTeacher, journal: Journal, asked: list[Request], seconds: float = 0.5) -> None:
    """A run that is left after some time, as after Ctrl-C. Raises `TimeoutError`."""

    async def go() -> None:
        who.attach(journal, RUN)
        try:
            async with aclosing(who.stream(aiter_of(asked))) as groups:
                async for answers in groups:
                    journal.arrive(answers, RUN)
        finally:
            await who.close()

    journal.depart(asked, RUN)
    asyncio.run(asyncio.wait_for(go(), seconds))


def test_a_batch_that_was_left_with_the_provider_is_picked_up_by_the_next_run(journal: Journal) -> None:
    fake = FakeBatches(takes=10**6)
    with Server(fake) as server:
        who = BatchTeacher(part(server.url))
        asked = requests_of(who, 5)
        with pytest.raises(TimeoutError):
            run_some(who, journal, asked)
        fake._left = dict.fromkeys(fake._left, 1)
        assert len(completed(run_stage(BatchTeacher(part(server.url)), journal, asked))) == 5
    assert len(fake.batches) == 1


def test_a_batch_that_is_still_under_way_is_not_submitted_again_beside_new_requests(journal: Journal) -> None:
    fake = FakeBatches(takes=10**6)
    with Server(fake) as server:
        who = BatchTeacher(part(server.url))
        with pytest.raises(TimeoutError):
            run_some(who, journal, requests_of(who, 5))
        fake._left, fake.takes = dict.fromkeys(fake._left, 4), 1
        assert len(completed(ask(server, journal, 8))) == 8
    assert [batch["request_counts"]["total"] for batch in fake.batches.values()] == [5, 3]
    assert journal.counts().in_flight == 0


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
                journal.arrive(group, RUN)
                answers.extend(group)
        await who.close()

    with Server(fake) as server:
        who = BatchTeacher(part(server.url, batch={"requests": 4, "poll": 60}))
        asked = requests_of(who, 6)
        journal.depart(asked, RUN)
        asyncio.run(asyncio.wait_for(go(who, asked), 5))
        assert {(one.request_id, one.reason) for one in failed(answers)} == {
            (one.request_id, "stopped") for one in asked[4:]
        }
        assert (len(fake.batches), journal.counts().in_flight) == (1, 4)


def test_cancelling_a_run_keeps_what_is_done_and_submits_nothing(journal: Journal) -> None:
    fake = FakeBatches(takes=10**6)
    with Server(fake) as server:
        made = part(server.url)
        who = BatchTeacher(made)
        with pytest.raises(TimeoutError):
            run_some(who, journal, requests_of(who, 4))
        (found,) = asyncio.run(states(made, journal, RUN))
        assert (found.status, found.total) == ("in_progress", 4)
        (found,) = asyncio.run(cancel_all(made, journal, RUN))
        assert found.status == "cancelling"
        answers = ask(server, journal, 4)
    assert [type(answer) for answer in answers].count(Completion) == 2
    assert {one.reason for one in answers if isinstance(one, Failure)} == {"batch_cancelled"}
    assert len(fake.batches) == 1


def test_cancelling_forgets_a_batch_that_the_provider_does_not_know(journal: Journal) -> None:
    batches = Batches(journal)
    gone, never = batches.intent(RUN, []), batches.intent(RUN, [])
    batches.submitted(gone, "batch-nowhere")
    with Server(FakeBatches()) as server:
        found = asyncio.run(cancel_all(part(server.url), journal, RUN))
    assert {one.batch.token: one.status for one in found} == {gone: "unknown", never: "not submitted"}
    assert batches.open(RUN) == []


def test_what_another_model_left_open_is_collected_and_not_asked_of_this_one(journal: Journal) -> None:
    fake = FakeBatches(takes=10**6, ends="expired")
    with Server(fake) as server:
        who = BatchTeacher(part(server.url))
        with pytest.raises(TimeoutError):
            run_some(who, journal, requests_of(who, 4))
        fake._left = dict.fromkeys(fake._left, 1)
        answers = run_stage(BatchTeacher(part(server.url, model="other")), journal, [])
    assert sorted(type(answer).__name__ for answer in answers) == ["Completion"] * 2 + ["Failure"] * 2
    assert len(fake.batches) == 1


def test_log_probabilities_are_asked_for_in_later_tries_too(journal: Journal) -> None:
    fake = FakeBatches(script=["expired"], answered=0.0)
    with Server(fake) as server:
        sampling = {"logprobs": True}
        (answer,) = completed(
            ask(server, journal, 1, sampling=sampling, **{"chat": True}) if False else
            run_stage(
                who := BatchTeacher(part(server.url) .model_copy(update={"sampling": part(server.url).sampling.model_copy(update=sampling)})),
                journal, requests_of(who, 1, **sampling),
            )
        )
    assert answer.logprob is not None
    assert len(fake.bodies) == 1


# The journal


def test_a_row_tells_its_try_and_its_samples(journal: Journal) -> None:
    batches = Batches(journal)
    request = requests_of(BatchTeacher(part(None)), 1, (2, 3))[0]
    journal.depart([request])
    token = batches.intent(RUN, [Row.of(request, 4)])
    (row,) = batches.rows(token)
    assert (row.attempt, row.request_id, row.sample_indexes) == (4, request.request_id, (2, 3))
    (back,) = batches.requests([row])
    assert (back.request_id, back.messages, back.sampling.keyed()) == (
        request.request_id, request.messages, request.sampling.keyed(),
    )  # fmt: skip


def test_a_batch_that_another_process_dropped_is_not_submitted(journal: Journal) -> None:
    batches = Batches(journal)
    token = batches.intent(RUN, [])
    batches.dropped(token)
    with pytest.raises(JournalError, match="another process"):
        batches.uploaded(token, "file-1")


def test_a_dropped_intent_leaves_nothing(journal: Journal) -> None:
    batches = Batches(journal)
    token = batches.intent(RUN, [Row("a-0-1", "a", (0,))])
    batches.dropped(token)
    assert (batches.all(), batches.rows(token)) == ([], [])


# Killed

#: Where a process may die: a method, and whether before or after it has done its work.
STEPS = [
    (owner, name, when)
    for owner, name in (
        (Batches, "intent"), (Provider, "upload"), (Batches, "uploaded"), (Provider, "create"),
        (Batches, "submitted"), (Provider, "state"), (Provider, "download"), (Journal, "arrive"),
        (Batches, "collected"),
    )
    for when in ("before", "after")
]  # fmt: skip
IDS = [f"{when}-{name}" for _, name, when in STEPS]


class Died(BaseException):
    """Stands for the end of a process."""


def dying(owner: type, name: str, when: str, die: Callable[[], None], nth: int = 1) -> Callable[..., Any]:
    """A method that ends the process the nth time."""
    work, calls = getattr(owner, name), [0]

    def at(place: str) -> None:
        if place == "before":
            calls[0] += 1
        if place == when and calls[0] == nth:
            die()

    async def later(*args: Any) -> Any:
        at("before")
        found = await work(*args)
        at("after")
        return found

    def now(*args: Any) -> Any:
        at("before")
        found = work(*args)
        at("after")
        return found

    return later if asyncio.iscoroutinefunction(work) else now


def raise_died() -> None:
    raise Died


COUNT = 10


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("marks", [True, False], ids=["marks", "no-marks"])
@pytest.mark.parametrize(("owner", "name", "when"), STEPS, ids=IDS)
def test_killed_at_any_step_it_neither_submits_twice_nor_forgets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, owner: type, name: str, when: str, marks: bool, nth: int
) -> None:
    """Three batches, the first of which expires half done; with and without the provider keeping metadata."""
    fake = FakeBatches(script=["expired"], marks=marks)
    with Server(fake) as server:
        with monkeypatch.context() as patch, Journal(tmp_path / "journal.sqlite") as journal:
            patch.setattr(owner, name, dying(owner, name, when, raise_died, nth))
            with pytest.raises(Died):
                ask(server, journal, COUNT, (0, 1), batch={"requests": 4})
        with Journal(tmp_path / "journal.sqlite") as journal:
            ask(server, journal, COUNT, (0, 1), batch={"requests": 4})
            assert_all_there_and_nothing_twice(journal, fake)


def assert_all_there_and_nothing_twice(journal: Journal, fake: FakeBatches) -> None:
    counts = journal.counts()
    assert (counts.completions, counts.failures, counts.in_flight) == (2 * COUNT, 0, 0)
    assert all_collected(journal)
    # The two rows that expired are the only ones that were submitted again.
    again = {body: times for body, times in fake.bodies.items() if times > 1}
    assert (len(again), set(again.values()), fake.bodies.total()) == (2, {2}, COUNT + 2)
    spent = journal.spending(RUN)
    assert (spent.lost_tokens, spent.tokens) == (0, 6 * COUNT)


WORKER = """
import os, signal, sys
sys.path.insert(0, sys.argv[4])
import test_openai_batch as t
from synthkd.journal import Journal
if sys.argv[3]:
    owner, name, when = t.STEPS[int(sys.argv[3])]
    die = lambda: os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, name, t.dying(owner, name, when, die))
class At:
    url = sys.argv[1]
with Journal(sys.argv[2]) as journal:
    t.ask(At, journal, t.COUNT, (0, 1), batch={"requests": 4})
"""


def work(url: str, path: Path, step: str) -> subprocess.CompletedProcess[bytes]:
    """A run in a process of its own, which kills itself at a step."""
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        [sys.executable, "-c", WORKER, url, str(path), step, str(Path(__file__).parent)],
        env=environment, capture_output=True, timeout=60,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("step", ["after-intent", "after-upload", "after-create", "before-arrive", "before-collected"])
def test_a_process_that_is_really_killed_goes_on_the_next_time(tmp_path: Path, step: str) -> None:
    fake = FakeBatches(script=["expired"])
    path = tmp_path / "journal.sqlite"
    with Server(fake) as server:
        assert work(server.url, path, str(IDS.index(step))).returncode == -signal.SIGKILL
        ended = work(server.url, path, "")
        assert ended.returncode == 0, ended.stderr.decode()
    with Journal(path) as journal:
        assert_all_there_and_nothing_twice(journal, fake)
