"""A probe asks a few and projects; a dry run asks nobody."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import command_line as program
from support.files import write_csv
from support.recipes import Make, write_triples_recipe

from synthkd import Journal, generate, run
from synthkd.commands.dry_run import dry_run
from synthkd.commands.probe import Interval
from synthkd.commands.probe_steps import probe
from synthkd.keys import seed_from
from synthkd.testing import FakeServer

HEADS = 60
PRICE = {"input": 1000.0, "output": 2000.0}


def teacher(url: str, **more: Any) -> dict[str, Any]:
    return {
        "backend": "openai", "model": "fake", "base_url": url, "concurrency": 4, "price": PRICE,
        "sampling": {"n": 2, "max_tokens": 8}, **more,
    }  # fmt: skip


def write_recipe(folder: Path, url: str) -> Path:
    return write_triples_recipe(folder, url, HEADS, teacher=teacher(url), name="probed")


def synthkd(*args: str) -> subprocess.CompletedProcess[str]:
    return program.synthkd("run", *args, "--quiet")


def on_a_terminal(answer: bytes, *args: str) -> tuple[int, str]:
    """Run with a terminal as stdin on which somebody types. Returns status and stdout."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "synthkd", "run", *args, "--quiet"]
    try:
        process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, text=True)
        os.write(ours, answer)
        out, _ = process.communicate(timeout=120)
    finally:
        os.close(theirs)
        os.close(ours)
    return process.returncode, out


@pytest.mark.slow
def test_a_probe_sends_so_many_requests_and_shows_what_the_whole_will_come_to(
    tmp_path: Path, server: FakeServer
) -> None:
    ended = synthkd(str(write_recipe(tmp_path, server.url)), "--probe", "5")
    assert ended.returncode == 0, ended.stderr
    assert server.requests == 5
    assert "60; asked 5 of them, 0 failed" in ended.stdout
    for line in ("tokens read", "tokens written", "cost", "time", "accepted rows", "95% intervals"):
        assert line in ended.stdout
    assert "add --yes to go on" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "requests"), [(b"n\n", 5), (b"\n", 5), (b"y\n", HEADS)])
def test_on_a_terminal_a_probe_asks_and_only_a_yes_goes_on(
    tmp_path: Path, server: FakeServer, typed: bytes, requests: int
) -> None:
    path = write_recipe(tmp_path, server.url)
    status, out = on_a_terminal(typed, str(path), "--probe", "5")
    assert status == 0
    assert "go on?" in out
    assert server.requests == requests
    assert (tmp_path / "corpus").exists() == (requests == HEADS)


@pytest.mark.slow
def test_yes_goes_on_and_asks_nothing_again(tmp_path: Path, server: FakeServer) -> None:
    ended = synthkd(str(write_recipe(tmp_path, server.url)), "--probe", "5", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert server.requests == HEADS
    assert set(server.sent.values()) == {1}


@pytest.mark.slow
def test_a_run_after_a_probe_comes_to_the_corpus_of_one_without(
    make_recipe: Make, server: FakeServer
) -> None:
    probed = make_recipe(
        server.url, name="a", journal="a.sqlite", corpus={"path": "corpus"}, heads=20
    )
    probe(probed, 5)
    first = run(probed, quiet=True)
    plain = run(probed.with_parts(journal="b.sqlite"), quiet=True)
    assert first.counts == plain.counts
    ids = [
        [row["id"] for row in result.corpus.table(provenance=True).to_pylist()]
        for result in (first, plain)
    ]
    assert ids[0] == ids[1]


@pytest.mark.slow
def test_a_probe_of_what_is_all_in_hand_sends_nothing_and_says_so(
    tmp_path: Path, server: FakeServer
) -> None:
    path = write_recipe(tmp_path, server.url)
    synthkd(str(path))
    sent = server.requests
    ended = synthkd(str(path), "--probe", "5")
    assert ended.returncode == 0, ended.stderr
    assert "nothing to probe" in ended.stdout
    assert server.requests == sent == HEADS


@pytest.mark.slow
def test_a_second_probe_asks_others(make_recipe: Make, server: FakeServer) -> None:
    recipe = make_recipe(server.url, heads=20)
    first, second = probe(recipe, 5), probe(recipe, 5)
    assert first is not None
    assert second is not None
    assert (first.requests, second.requests) == (20, 15)
    assert server.requests == 10
    assert set(server.sent.values()) == {1}


@pytest.mark.slow
def test_failed_requests_of_a_probe_are_counted(make_recipe: Make) -> None:
    with FakeServer(script=["404", "404"]) as server:
        found = probe(make_recipe(server.url, heads=20), 5)
    assert found is not None
    assert (found.sent, found.failed) == (5, 6)


def various(prompt: str, index: int, seed: int) -> str:
    """Return answers of one to eight words, of which about a third is rejected."""
    drawn = seed_from(prompt, index)
    head = "The" if drawn % 3 == 0 else "to"
    return " ".join([head, *["word"] * (drawn // 3 % 8), f"end{drawn % 1000}"])


def contains(interval: Interval, true: float) -> bool:
    assert interval.low <= interval.middle <= interval.high
    return interval.low <= true <= interval.high


@pytest.mark.slow
def test_intervals_contain_what_the_whole_comes_to_nearly_always(make_recipe: Make) -> None:
    # Draws are fixed by the inputs' ids, so this holds or fails alike wherever it runs.
    heads, trials, hits = 40, 20, {"read": 0, "written": 0, "cost": 0, "accepted": 0}
    with FakeServer(answer=various) as server:
        for trial in range(trials):
            recipe = make_recipe(
                server.url, name=f"t{trial}", journal=f"{trial}.sqlite", teacher=teacher(server.url)
            )
            rows = [
                {"head": f"{'very ' * (i % 4)}thing {trial} {i}", "relation": "UsedFor"}
                for i in range(heads)
            ]
            write_csv(recipe.resolve("inputs.csv"), rows)
            found = probe(recipe, 12)
            before = len(server.times)
            whole = run(recipe, quiet=True)
            assert found is not None
            assert len(server.times) - before == heads - 12
            with Journal(recipe.journal_path) as journal:
                answers = list(journal.rows())
            read = sum({row["request_id"]: row["prompt_tokens"] for row in answers}.values())
            written = sum(row["completion_tokens"] for row in answers)
            assert found.cost is not None
            hits["read"] += contains(found.read, read)
            hits["written"] += contains(found.written, written)
            hits["cost"] += contains(
                found.cost, (read * PRICE["input"] + written * PRICE["output"]) / 1e6
            )
            hits["accepted"] += contains(found.accepted, whole.counts["accepted"])
    # 95% are promised; of 20, fewer than 17 would come once in 60 times.
    assert min(hits.values()) >= 17, hits


@pytest.mark.slow
def test_where_all_answers_are_alike_the_projection_is_exact(make_recipe: Make) -> None:
    with FakeServer(answer=lambda p, i, s: "three words each") as server:
        found = probe(make_recipe(server.url, heads=30, teacher=teacher(server.url)), 6)
    assert found is not None
    assert found.written.low == found.written.middle == found.written.high == 30 * 2 * 3


@pytest.mark.slow
def test_without_a_price_the_cost_is_unknown_and_not_nothing(
    make_recipe: Make, server: FakeServer
) -> None:
    found = probe(make_recipe(server.url, heads=10), 3)
    assert found is not None
    assert found.cost is None
    assert "unknown (no price in the recipe)" in str(found)


@pytest.mark.slow
def test_a_probe_keeps_to_the_budget(make_recipe: Make, server: FakeServer) -> None:
    recipe = make_recipe(server.url, heads=20, teacher=teacher(server.url), limits={"tokens": 250})
    probe(recipe, 10)
    assert 0 < server.requests < 10
    assert sum(tokens for _, tokens in server.times) <= 250


@pytest.mark.slow
def test_a_dry_run_sends_nothing_makes_nothing_and_shows_three_whole_prompts(
    tmp_path: Path, server: FakeServer
) -> None:
    path = write_recipe(tmp_path, server.url)
    before = set(tmp_path.rglob("*"))
    ended = synthkd(str(path), "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert server.requests == 0
    assert set(tmp_path.rglob("*")) == before
    assert [f"thing {i} is used for" in ended.stdout for i in range(4)] == [True, True, True, False]
    assert ended.stdout.count("--- prompt") == 3
    assert "nothing was sent" in ended.stdout


def test_a_dry_run_says_what_it_counted_and_what_it_guesses(
    make_recipe: Make, server: FakeServer
) -> None:
    recipe = make_recipe(server.url, heads=10, teacher=teacher(server.url))
    found = dry_run(recipe)
    assert (found.inputs, found.requests, found.samples, found.cached) == (10, 10, 20, 0)
    assert found.written == 20 * 8
    characters = sum(len(f"thing {i} is used for") for i in range(10))
    assert found.tokens == round(characters / 3.6)
    assert found.cost == pytest.approx((found.tokens * 1000 + found.written * 2000) / 1e6)
    text = str(found)
    assert "20 samples would be asked for in 10 requests" in text
    # Marked as guesses: the tokens read, and all that may be written.
    assert (
        f"about {found.tokens} prompt tokens (at 3.6 characters each), at most 160 to be written"
        in text
    )
    assert f"${found.cost:,.4f} if all of them are" in text


@pytest.mark.slow
def test_a_dry_run_counts_what_is_in_the_journal(make_recipe: Make, server: FakeServer) -> None:
    generate(make_recipe(server.url, heads=4), quiet=True)
    found = dry_run(make_recipe(server.url, heads=10))
    assert (found.requests, found.samples, found.cached) == (6, 30, 12)
    assert server.requests == 4


@pytest.mark.slow
def test_a_dry_run_without_a_price_names_no_cost(make_recipe: Make) -> None:
    found = dry_run(make_recipe())
    assert found.cost is None
    assert "$" not in str(found)
