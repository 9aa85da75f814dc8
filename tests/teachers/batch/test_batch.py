"""The Batch API backend against a real server on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")

from support.batch_api import (
    RUN,
    Server,
    aiter_of,
    all_collected,
    ask,
    completed,
    part,
    quick,
    requests_of,
    run_stage,
)

from synthkd.errors import (
    JournalError,
    RecipeError,
    TeacherError,
)
from synthkd.journal import Journal
from synthkd.journal.batches import BatchRow, BatchStore
from synthkd.recipe import Recipe
from synthkd.requests import Failure, Request
from synthkd.teachers.base import Teacher
from synthkd.teachers.batch import BatchTeacher
from synthkd.teachers.openai import OpenAITeacher
from synthkd.testing import two_words
from synthkd.testing.batches import FakeBatches


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


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
    at_once = made.model_copy(update={"options": {}})
    assert BatchTeacher(made).identity == OpenAITeacher(at_once).identity


def test_a_model_must_be_named() -> None:
    with pytest.raises(RecipeError, match="model"):
        BatchTeacher(part("http://localhost/v1", model=None))


def test_several_addresses_are_refused() -> None:
    with pytest.raises(RecipeError, match="one address"):
        BatchTeacher(
            part(None, identity="mine").model_copy(
                update={"base_url": ["http://a/v1", "http://b/v1"]}
            )
        )


def test_without_a_journal_nothing_is_sent() -> None:
    async def go() -> None:
        async for _ in BatchTeacher(part("http://localhost/v1")).stream(aiter_of([])):
            pass

    with pytest.raises(TeacherError, match="attach"):
        asyncio.run(go())


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
    assert texts == {one.request_id: two_words(one.prompt, 0, 0) for one in asked}


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
    (known,) = BatchStore(journal).batches(RUN)
    assert batch["metadata"] == {"synthkd": known.token, "run": RUN}
    assert (known.batch_id, known.file_id) == (batch["id"], batch["input_file_id"])


def test_batches_are_cut_at_the_number_of_requests(journal: Journal) -> None:
    fake = FakeBatches(limit=4)
    with Server(fake) as server:
        completed(ask(server, journal, 10, options={"requests": 4}))
    assert [batch["request_counts"]["total"] for batch in fake.batches.values()] == [4, 4, 2]


@pytest.mark.slow
def test_batches_are_cut_at_the_size_of_a_file(journal: Journal) -> None:
    fake = FakeBatches()
    with Server(fake) as server:
        completed(ask(server, journal, 10, options={"megabytes": 0.001}))
    assert len(fake.batches) > 2
    sizes = [len(fake.files[batch["input_file_id"]]) for batch in fake.batches.values()]
    assert max(sizes) <= 1000


def test_a_request_that_is_larger_than_a_file_fails_and_the_others_go_on(journal: Journal) -> None:
    with Server(FakeBatches()) as server:
        who = BatchTeacher(part(server.url, options={"megabytes": 0.001}))
        asked = requests_of(who, 3)
        large = Request(
            who.identity, ({"role": "user", "content": "x" * 2000},), asked[0].sampling, (0,), "x"
        )
        answers = run_stage(who, journal, [*asked, large])
    (refused,) = [answer for answer in answers if isinstance(answer, Failure)]
    assert (refused.request_id, refused.reason, refused.permanent) == (
        large.request_id,
        "too_large",
        False,
    )
    assert len(answers) == 4


def test_more_requests_in_a_file_than_the_provider_takes_end_the_run_with_its_words(
    journal: Journal,
) -> None:
    with (
        Server(FakeBatches(limit=4)) as server,
        pytest.raises(TeacherError, match="more than 4 requests"),
    ):
        ask(server, journal, 10)


@pytest.mark.slow
def test_a_source_that_waits_for_answers_does_not_wait_for_ever(journal: Journal) -> None:
    # Under a cap the stage gives no more requests until some have been answered.
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
        journal.reserve(asked, RUN)
        assert asyncio.run(asyncio.wait_for(go(who, asked), 10)) == 2


def test_the_providers_share_of_the_price_is_what_an_answer_costs(journal: Journal) -> None:
    price = {"input": 2e6, "output": 4e6, "cached": 1e6}
    with Server(FakeBatches()) as server:
        (answer,) = completed(ask(server, journal, 1, price=price))
        who = BatchTeacher(part(server.url, price=price))
    assert (answer.prompt_tokens, answer.completion_tokens, answer.price) == (
        2,
        2,
        2 * 1.0 + 2 * 2.0,
    )
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


@pytest.mark.slow
def test_batches_are_looked_at_only_as_often_as_asked(journal: Journal) -> None:
    fake = FakeBatches(takes=3)
    with Server(fake) as server:
        start = asyncio.new_event_loop().time()
        completed(ask(server, journal, 1, options={"poll": 0.1}))
        assert asyncio.new_event_loop().time() - start >= 0.3
    assert fake.looks == 3


# The journal


def test_a_row_tells_its_try_and_its_samples(journal: Journal) -> None:
    batches = BatchStore(journal)
    request = requests_of(BatchTeacher(part(None)), 1, (2, 3))[0]
    journal.reserve([request])
    token = batches.record_intent(RUN, [BatchRow.of(request, 4)])
    (row,) = batches.rows(token)
    assert (row.attempt, row.request_id, row.sample_indexes) == (4, request.request_id, (2, 3))
    (back,) = batches.requests([row])
    assert (back.request_id, back.messages, back.sampling.key_parameters()) == (
        request.request_id, request.messages, request.sampling.key_parameters(),
    )  # fmt: skip


def test_a_batch_that_another_process_dropped_is_not_submitted(journal: Journal) -> None:
    batches = BatchStore(journal)
    token = batches.record_intent(RUN, [])
    batches.drop(token)
    with pytest.raises(JournalError, match="another process"):
        batches.record_upload(token, "file-1")


def test_a_dropped_intent_leaves_nothing(journal: Journal) -> None:
    batches = BatchStore(journal)
    token = batches.record_intent(RUN, [BatchRow("a-0-1", "a", (0,))])
    batches.drop(token)
    assert (batches.batches(), batches.rows(token)) == ([], [])
