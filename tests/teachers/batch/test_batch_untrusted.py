"""Tests of untrusted batch providers: endless results, odd rows, ids, redirects, full disks."""

from __future__ import annotations

import asyncio
import json
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")

from support.ask_teacher import KEY
from support.batch_api import (
    RUN,
    Server,
    all_collected,
    ask,
    completed,
    part,
    quick,
    requests_of,
    run_stage,
)
from support.hostile_server import Hostile, Peer

from synthkd.errors import DiskFullError, QuotaError, SynthKDError, TeacherError
from synthkd.journal import Journal
from synthkd.journal.batches import Batch, BatchRow
from synthkd.requests import Completion, Failure
from synthkd.teachers.batch import BatchTeacher, openai_batches, temporary_files
from synthkd.teachers.batch.openai_batches import OpenAIBatches
from synthkd.teachers.batch.results import max_result_bytes, result_lines
from synthkd.teachers.batch.row_outcomes import row_outcome
from synthkd.teachers.dispatch import TransientError
from synthkd.testing.batches import FakeBatches


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def answering(**bodies: Any) -> Callable[[Peer], None]:
    """Return a provider whose batch has ended at once.

    Its bodies are given by name, and are as they should be by default.
    """
    batch = {
        "id": "b1", "object": "batch", "status": "completed", "output_file_id": "f2",
        "created_at": 1,
        "endpoint": "/v1/chat/completions", "input_file_id": "f1", "completion_window": "24h",
    }  # fmt: skip
    file = {
        "id": "f1",
        "object": "file",
        "bytes": 1,
        "created_at": 1,
        "filename": "x",
        "purpose": "batch",
    }

    def answer(peer: Peer) -> None:
        path = peer.line.split(" ")[1].partition("?")[0]
        name = "content" if path.endswith("/content") else "file" if "/files" in path else "batch"
        said = bodies.get(name, {"batch": batch, "file": file, "content": b""}[name])
        if callable(said):
            said(peer)
        elif name == "batch" and isinstance(said, dict):
            peer.reply(batch | said)
        else:
            peer.reply(said)

    return answer


def ended(server: Hostile, journal: Journal, count: int = 1, **more: Any) -> BaseException | None:
    """Return the error that ends a run."""
    who = BatchTeacher(part(server.url, max_attempts=1, **more), patience=0.2)
    try:
        run_stage(who, journal, requests_of(who, count))
    except SynthKDError as error:
        return error
    return None


def bomb(peer: Peer) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (
        packer.compress(b" " * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    peer.reply(first + again * 400, content_encoding="gzip")


def endless(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        peer.send(b"100000\r\n" + b"a" * (1 << 20) + b"\r\n")


@pytest.mark.slow
@pytest.mark.parametrize("content", [bomb, endless])
def test_a_result_larger_than_its_batch_can_come_to_ends_the_run_with_its_setting(
    journal: Journal, content: Callable[[Peer], None]
) -> None:
    with Hostile(answering(content=content)) as server:
        error = ended(server, journal, options={"result_megabytes": 3})
    assert isinstance(error, TeacherError)
    assert "f2 is larger than 3 MB" in str(error)
    assert "teacher.options.result_megabytes" in str(error)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_a_result_is_one_line_and_the_batch_stays(
    monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    monkeypatch.setattr(
        temporary_files.tempfile,
        "TemporaryFile",
        lambda: Path("/dev/full").open("w+b"),  # noqa: SIM115
    )
    with Hostile(answering(content=b"x" * 100)) as server:
        error = ended(server, journal)
    assert isinstance(error, DiskFullError)
    assert "TMPDIR" in str(error)
    assert not all_collected(journal)


@pytest.mark.slow
@pytest.mark.parametrize(
    "state",
    [{"id": 7}, {"status": None}, {"status": ["x"]}, {"output_file_id": {"a": 1}},
    {"output_file_id": "a b\n"}, {"id": "x" * 999},
     {"errors": 7, "status": 1.5}],
)  # fmt: skip
def test_a_batch_that_is_described_in_no_sense_is_waited_for_and_then_told(
    journal: Journal, state: Any
) -> None:
    with Hostile(answering(batch=state)) as server:
        error = ended(server, journal)
    assert isinstance(error, TeacherError)
    assert "bad_response" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"[1]",
        b"7",
        b"[" * 3000,
        {"errors": {"data": [7, {"line": "x"}]}, "request_counts": 3},
    ],
)
def test_an_odd_answer_about_a_batch_is_no_traceback(journal: Journal, body: Any) -> None:
    with Hostile(answering(batch=body)) as server:
        error = ended(server, journal)
    assert error is None or isinstance(error, TeacherError)


@pytest.mark.slow
def test_a_body_about_a_batch_is_bounded(journal: Journal) -> None:
    with Hostile(answering(batch=bomb)) as server:
        error = ended(server, journal, max_answer_megabytes=1)
    assert isinstance(error, TeacherError)
    assert "larger than" in str(error)


@pytest.mark.parametrize("where", ["file", "batch", "content"])
@pytest.mark.parametrize("status", [302, 307, 308])
def test_no_redirect_is_followed(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, where: str, status: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Hostile(answering()) as elsewhere:
        address = elsewhere.url.removesuffix("/v1")

        def redirect(peer: Peer) -> None:
            peer.reply(b"", status, location=elsewhere.url)

        with Hostile(answering(**{where: redirect})) as server:
            error = ended(server, journal, api_version="2024-10-21", headers={"X-Team": "mine"})
        assert elsewhere.seen == []
    assert isinstance(error, TeacherError)
    assert f"http_{status}" in str(error)
    assert address in str(error)


def test_a_batch_that_fails_for_lack_of_credit_says_so(journal: Journal) -> None:
    errors = {"data": [{"code": "billing_hard_limit_reached", "message": "no more"}]}
    with Hostile(
        answering(batch={"status": "failed", "output_file_id": None, "errors": errors})
    ) as server:
        error = ended(server, journal)
    assert isinstance(error, QuotaError)
    assert "no more" in str(error)


#: A batch whose creation nobody has confirmed.
UNCONFIRMED = Batch("token", RUN, "uploaded", None, None, 0.0)


def provider(url: str = "http://h/v1", **more: Any) -> OpenAIBatches:
    who = BatchTeacher(part(url, **more))
    return OpenAIBatches(who.part, who.endpoint(), who.options, who.wire_format())


GOOD = {
    "choices": [{"index": 0, "message": {"content": "bread"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"response": {"status_code": 200, "body": None}}, "bad_response"),
        ({"response": {"status_code": 200, "body": [1]}}, "bad_response"),
        ({"response": {"status_code": "x", "body": 7}}, "bad_response"),
        ({"response": {"status_code": True, "body": {}}}, "bad_response"),
        ({"response": 7}, "batch_error"), ({"response": None, "error": {"code": {"a": 1}}},
        "batch_error"),
        ({"error": {"code": "x" * 999, "message": 7}}, "batch_error"), ({"error": [1]},
        "batch_error"),
        ({"error": {"code": "mended_elsewhere"}}, "mended_elsewhere"), ({}, "batch_error"),
        ({"response": {"status_code": 504, "body": None}}, "http_504"),
        ({"response": {"status_code": 500, "body": "x" * 10**6}}, "http_500"),
        ({"response": {"status_code": 200, "body": {"choices": [{"message": {"content": 7}}]}}},
        "bad_response"),
    ],
)  # fmt: skip
def test_an_odd_row_is_one_failure_with_its_reason(line: dict[str, Any], reason: str) -> None:
    who = BatchTeacher(part("http://h/v1"))
    found = row_outcome(provider(), requests_of(who, 1)[0], line, 1, None)
    assert found.fatal is None
    (reached,) = {answer.reason for answer in found.answers if isinstance(answer, Failure)} | {
        found.reason
    } - {"", "too_few_choices"}
    assert reached == reason
    assert len(found.detail) <= 500


def test_a_gateway_that_gave_up_on_a_row_leaves_its_bill_open() -> None:
    who = BatchTeacher(part("http://h/v1"))
    for status, unseen in ((504, True), (500, False)):
        line = {"response": {"status_code": status, "body": {}}}
        assert row_outcome(provider(), requests_of(who, 1)[0], line, 1, None).unknown_cost is unseen


def test_a_key_in_a_row_is_masked_before_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-7Qz9Lm2Xv8Rt4Wp6")
    said = "x" * 490 + "sk-7Qz9Lm2Xv8Rt4Wp6"
    who = BatchTeacher(part("http://h/v1"))
    for line in (
        {"error": {"message": said}},
        {"response": {"status_code": 500, "body": {"error": said}}},
    ):
        found = row_outcome(provider(), requests_of(who, 1)[0], line, 1, None)
        assert "sk-7Qz" not in found.detail


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD | {"choices": [{"index": 0, "message": {"content": "\ud83d"}}]}),
        json.dumps(GOOD).replace("3,", "Infinity,"),
    ],
)
def test_a_row_that_only_the_standard_library_reads_is_an_answer(text: str) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(
            b'{"custom_id": "a", "response": {"status_code": 200, "body": '
            + text.encode()
            + b"}}\n"
        )
        (line,) = result_lines(file, 10**6)
    who = BatchTeacher(part("http://h/v1"))
    (answer,) = completed(row_outcome(provider(), requests_of(who, 1)[0], line, 1, None).answers)
    assert isinstance(answer, Completion)


def test_a_row_longer_than_an_answer_may_be_is_passed_over() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b'{"a": "' + b"x" * 5000 + b'"}\n{"b": 1}\n[1]\nnul\n{"c": 2}')
        assert list(result_lines(file, 1000)) == [{"b": 1}, {"c": 2}]


def test_the_bound_of_a_result_grows_with_its_rows_and_what_each_may_hold() -> None:
    rows = [BatchRow("a", "r", (0, 1))] * 100
    small = max_result_bytes(part(None), None, rows[:1])
    assert (
        small
        < max_result_bytes(part(None), None, rows)
        < max_result_bytes(part(None, sampling={"logprobs": True}), None, rows)
    )
    assert max_result_bytes(part(None), 5, rows) == 5_000_000


def test_a_list_of_batches_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_batches, "MAX_LISTED", 250)

    def answer(peer: Peer) -> None:
        batch = {
            "object": "batch",
            "created_at": 10**12,
            "status": "completed",
            "metadata": 7,
            "input_file_id": None,
        }
        data = [{**batch, "id": f"b{peer.number}-{i}"} for i in range(100)]
        peer.reply({"object": "list", "data": data, "has_more": True})

    async def find(url: str) -> str | None:
        who = provider(url)
        try:
            return await who.find(UNCONFIRMED, [], [])
        finally:
            await who.close()

    with Hostile(answer) as server:
        assert asyncio.run(find(server.url)) is None
    assert len(server.seen) == 3


def test_an_odd_list_of_batches_is_a_bad_response() -> None:
    async def find(url: str) -> str | None:
        who = provider(url)
        try:
            return await who.find(UNCONFIRMED, [], [])
        finally:
            await who.close()

    odd = {"data": [{"id": "b", "created_at": "x"}]}
    with Hostile(lambda peer: peer.reply(odd)) as server, pytest.raises(TransientError) as caught:
        asyncio.run(find(server.url))
    assert caught.value.reason == "bad_response"


def test_odd_usage_in_a_result_keeps_the_completion(journal: Journal) -> None:
    class Odd(Server):
        def _complete(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            status, made = super()._complete(path, body)
            return status, made | {"usage": {"prompt_tokens": -5, "completion_tokens": 2**70}}

    with Odd(FakeBatches()) as server:
        answers = completed(ask(server, journal, 3))
    assert {(answer.prompt_tokens, answer.completion_tokens) for answer in answers} == {
        (None, None)
    }


@pytest.mark.parametrize("status", [307, 400, 401, 403, 404])
def test_what_was_never_submitted_is_not_reserved_any_more(journal: Journal, status: int) -> None:
    def refused(peer: Peer) -> None:
        peer.reply({"error": {"message": "no"}}, status=status)

    with Hostile(answering(file=refused)) as server:
        who = BatchTeacher(part(server.url))
        with pytest.raises(TeacherError):
            run_stage(who, journal, requests_of(who, 3))
    journal.settle_in_flight(RUN)
    assert journal.counts().in_flight == 0


def test_a_row_refused_for_the_name_of_its_limit_is_asked_again_with_the_other() -> None:
    who, asked = BatchTeacher(part("http://h/v1")), provider()
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    line = {
        "response": {
            "status_code": 400,
            "body": {"error": {"message": message, "param": "max_tokens"}},
        }
    }
    for request in requests_of(who, 3):
        found = row_outcome(asked, request, line, 1, None)
        assert (found.answers, found.left, found.unknown_cost) == ([], (0,), False)
    assert asked.support.token_limit == "max_completion_tokens"


def test_a_row_refused_for_its_choices_is_asked_again_for_each() -> None:
    who, asked = BatchTeacher(part("http://h/v1")), provider()
    line = {
        "response": {"status_code": 400, "body": {"error": {"message": "n > 1 is not supported"}}}
    }
    found = row_outcome(asked, requests_of(who, 1, (0, 1))[0], line, 1, None)
    assert (found.left, found.too_few, asked.support.single_choice) == ((0, 1), True, True)


def test_an_error_beside_the_choices_of_a_row_is_no_answer() -> None:
    who = BatchTeacher(part("http://h/v1"))
    line = {
        "response": {
            "status_code": 200,
            "body": GOOD | {"error": {"code": "cut", "message": "closed midway"}},
        }
    }
    found = row_outcome(provider(), requests_of(who, 1)[0], line, 1, None)
    assert (found.answers, found.unknown_cost) == ([], True)
    assert "cut: closed midway" in found.detail
