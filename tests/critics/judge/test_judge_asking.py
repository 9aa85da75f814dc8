"""Asking a judge: once, within caps, in both orders, and on after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from support.files import write_csv
from support.judge_critic import KIND, LABELS, made, rows, spoken, sure, table

from synthkd import Journal
from synthkd.critics.judge.client import JudgeClient
from synthkd.critics.judge.critic import JudgeCritic
from synthkd.critics.judge.pairwise import judge_pairs
from synthkd.errors import CriticError, TeacherError
from synthkd.requests import Completion, Request, Sampling
from synthkd.testing import FakeServer


@pytest.mark.slow
def test_the_second_time_nothing_is_asked(tmp_path: Path) -> None:
    with FakeServer(answer=sure) as server:
        critic = made(server.url, tmp_path)
        critic.fit(table(), LABELS)
        first, sent = critic.score(table()), server.requests
        again = made(server.url, tmp_path)
        again.fit(table(), LABELS)
        assert (again.score(table()) == first).all()
        assert sent == server.requests == 100


def test_the_journal_keeps_the_first_tokens_and_exports_them(tmp_path: Path) -> None:
    from synthkd.journal.exchange import export_parquet, import_parquet

    with FakeServer(answer=sure) as server:
        made(server.url, tmp_path).verdicts(table(4))
    export_parquet(tmp_path / "judge.sqlite", tmp_path / "out.parquet")
    assert import_parquet(tmp_path / "other.sqlite", tmp_path / "out.parquet").new == 4
    with Journal(tmp_path / "other.sqlite") as journal:
        kept = [json.loads(row["first_tokens"]) for row in journal.rows()]
    assert all({token for token, _ in found} == {"Yes", " yes", "No"} for found in kept)


def test_a_plain_completion_asks_for_tokens_in_its_own_way(tmp_path: Path) -> None:
    with FakeServer(answer=sure) as server:
        critic = made(server.url, tmp_path, teacher={"chat": False})
        raws = [verdict.raw for verdict in critic.verdicts(table(4))]
        assert server.bodies[0]["logprobs"] == 5
        assert "prompt" in server.bodies[0]
    assert all(0.02 < value < 0.98 for value in raws if value is not None)


def test_more_samples_buy_only_what_is_missing(tmp_path: Path) -> None:
    with FakeServer(answer=spoken) as server:
        sampling = {"teacher": {"sampling": {"temperature": 1.0}}}
        made(server.url, tmp_path, samples=2, **sampling).verdicts(table(5))
        made(server.url, tmp_path, samples=5, **sampling).verdicts(table(5))
        assert [body["n"] for body in server.bodies] == [2] * 5 + [3] * 5


def test_a_row_that_the_judge_refuses_for_good_is_withheld(tmp_path: Path) -> None:
    with FakeServer(answer=sure, script=["", "400-context", ""]) as server:
        critic = made(server.url, tmp_path, teacher={"concurrency": 1})
        assert [verdict.outcome for verdict in critic.verdicts(table(3))] == [
            "read",
            "withheld",
            "read",
        ]
        assert critic.verdicts(table(3))[1].reason == "context_too_long"
        assert server.requests == 3


def test_verdicts_that_did_not_come_are_no_rejects_but_an_error_and_come_the_next_time(
    tmp_path: Path,
) -> None:
    with FakeServer(answer=sure, script=["500"]) as server:
        critic = made(server.url, tmp_path, teacher={"concurrency": 1, "max_attempts": 1})
        with pytest.raises(TeacherError, match=r"1 verdicts are missing \(http_500 1\)"):
            critic.verdicts(table(5))
        assert [verdict.outcome for verdict in critic.verdicts(table(5))] == ["read"] * 5
        assert server.requests == 6


@pytest.mark.slow
def test_a_judge_can_be_asked_through_batches(tmp_path: Path) -> None:
    with FakeServer(answer=sure) as server:
        critic = made(
            server.url, tmp_path, teacher={"backend": "openai-batch", "options": {"poll": 0.05}}
        )
        raws = [verdict.raw for verdict in critic.verdicts(table(10))]
        assert server.requests == 0
        assert sorted({round(raw, 3) for raw in raws if raw is not None}) == [0.03, 0.97]
        critic.verdicts(table(10))


@pytest.mark.slow
def test_a_cap_holds_over_resumptions_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    with FakeServer(answer=sure) as server:
        capped = made(server.url, tmp_path, limits={"tokens": 2_000})
        for _ in range(2):
            with pytest.raises(TeacherError, match="the cap is reached"):
                capped.verdicts(table())
        with Journal(tmp_path / "judge.sqlite") as journal:
            assert 0 < journal.spending("judge").tokens <= 2_000
        bought = server.requests
        assert 0 < bought < 100
        assert len(made(server.url, tmp_path, limits={"tokens": 200_000}).verdicts(table())) == 100
        assert server.requests == 100


def test_dollars_without_a_price_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match="needs prices"):
        made("http://127.0.0.1:9/v1", tmp_path, limits={"dollars": 1})


JOB = """
import json, sys
import pyarrow as pa
from synthkd.critics.judge.critic import JudgeCritic
from synthkd.kinds.triple import TripleKind
teacher, journal, rows = map(json.loads, sys.argv[1:])
JudgeCritic(TripleKind(), teacher, journal=journal).verdicts(pa.Table.from_pylist(rows))
"""


@pytest.mark.slow
def test_a_judging_that_is_killed_goes_on_without_asking_again(tmp_path: Path) -> None:
    path = tmp_path / "judge.sqlite"
    with FakeServer(answer=sure, latency=0.05) as server:
        teacher = {"backend": "openai", "model": "fake", "base_url": server.url, "concurrency": 4}
        job = [sys.executable, "-c", JOB, *map(json.dumps, (teacher, str(path), rows(200)))]
        for _ in range(2):
            sent = server.requests
            process = subprocess.Popen(job)
            deadline = time.monotonic() + 30
            while server.requests < sent + 12 and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
        with Journal(path) as journal:
            lost = server.requests - journal.counts().completions
        # In flight, or answered and not yet committed: both are bounded together.
        assert 0 <= lost <= 2 * 2 * 4
        server.latency = 0
        critic = JudgeCritic(KIND, teacher, journal=path)
        assert [verdict.outcome for verdict in critic.verdicts(table(200))] == ["read"] * 200
        assert server.requests == 200 + lost


def test_recorded_replies_are_judged_like_any(tmp_path: Path) -> None:
    some = rows(3)
    replies = [
        {"input_id": KIND.identity(row), "text": text}
        for row, text in zip(some, ["Yes.", "No", "Norway"], strict=True)
    ]
    write_csv(tmp_path / "replies.csv", replies)
    teacher = {"backend": "recorded", "path": str(tmp_path / "replies.csv")}
    critic = JudgeCritic(KIND, teacher, journal=tmp_path / "judge.sqlite")
    assert [verdict.raw for verdict in critic.verdicts(pa.Table.from_pylist(some))] == [1, 0, None]


def longer(prompt: str, index: int, seed: int) -> str:
    """Judge for the longer text, and for the first place if the lengths are near."""
    first, second = (
        part.split("\n\n")[0] for part in prompt.split("Answer A:\n")[1].split("\n\nAnswer B:\n")
    )
    return "A" if len(first) >= len(second) - 3 else "B"


def test_pairs_are_asked_in_both_orders_and_averaged(tmp_path: Path) -> None:
    pairs = [
        {"task": "say it", "first": "long and winding", "second": "short"},
        {"task": "say it", "first": "short", "second": "long and winding"},
        {"task": "say it", "first": "even", "second": "eve"},
    ]
    with FakeServer(answer=longer) as server:
        client = JudgeClient(
            {"backend": "openai", "model": "m", "base_url": server.url}, tmp_path / "judge.sqlite"
        )
        verdicts, report = judge_pairs(client, pairs)
        assert server.requests == 4, (
            "the second pair is the first one turned: its questions are bought already"
        )
    assert [verdict.worth for verdict in verdicts] == [1, 0, 0.5]
    assert [verdict.winner for verdict in verdicts] == ["first", "second", "tie"]
    assert report.consistent == pytest.approx(2 / 3)
    assert report.position_bias == pytest.approx(1 / 3)


def test_a_pair_that_was_read_in_one_order_only_has_no_winner(tmp_path: Path) -> None:
    def half(prompt: str, index: int, seed: int) -> str:
        return "A" if "Answer A:\none" in prompt else "Both are good."

    with FakeServer(answer=half) as server:
        client = JudgeClient(
            {"backend": "openai", "model": "m", "base_url": server.url}, tmp_path / "judge.sqlite"
        )
        pairs = [
            {"task": "t", "first": "one", "second": "two"},
            {"task": "u", "first": "one", "second": "one"},
        ]
        verdicts, report = judge_pairs(client, pairs)
    assert [verdict.winner for verdict in verdicts] == [None, "tie"]
    assert (report.pairs, report.read) == (2, 1)


def test_a_completion_bears_first_tokens_through_the_journal(journal: Journal) -> None:
    request = Request("who", ({"role": "user", "content": "x"},), Sampling(), (0,), "i")
    answer = Completion(request.request_id, 0, "Yes", "stop", first_tokens='[["Yes",-0.1]]')
    journal.reserve([request])
    journal.store_answers([answer])
    assert journal.completions([request.request_id]) == {request.request_id: {0: answer}}
