"""Tests of caps on dollars and tokens: the server's bill never passes them."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import command_line as program
from support.files import write_csv
from support.recipes import Make

from synthkd import Journal, Recipe, generate
from synthkd.errors import RecipeError
from synthkd.testing import PROTOCOLS, FakeServer

HEADS = 120
#: A dollar a thousand tokens, so that what is spent can be counted in the head.
PRICE = {"input": 1000.0, "output": 1000.0}


#: Requests for the two samples of an input: the Messages API gives one text for each.
PER_INPUT = {"openai": 1, "anthropic": 2, "gemini": 1}


@pytest.fixture(params=list(PROTOCOLS))
def protocol(request: pytest.FixtureRequest) -> str:
    """Return the protocol of the server, which is the name of a backend too."""
    return str(request.param)


@pytest.fixture
def server(protocol: str) -> Iterator[FakeServer]:
    with FakeServer(protocol=protocol) as running:
        yield running


def per_input(server: FakeServer) -> int:
    return PER_INPUT[str(server.protocol)]


def write_recipe(folder: Path, server: FakeServer, **limits: Any) -> Path:
    write_csv(
        folder / "inputs.csv", [{"head": f"thing {i}", "relation": "UsedFor"} for i in range(HEADS)]
    )
    raw = {
        "name": "budget",
        "inputs": {"path": "inputs.csv"},
        "prompt": {"template": "triple/everyday-plain"},
        "teacher": {
            "backend": server.protocol, "model": "fake", "base_url": server.url, "concurrency": 8,
            "price": PRICE,
            "sampling": {"n": 2, "max_tokens": 8},
        },
        "corpus": {"path": "corpus"},
        "limits": limits,
    }  # fmt: skip
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def command(recipe: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "synthkd", "generate", str(recipe), "--quiet", *options]


def synthkd(recipe: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return program.synthkd("generate", recipe, "--quiet", *options)


def billed(server: FakeServer, unbilled: tuple[str, ...] = ()) -> int:
    """Return the tokens that the server worked for.

    ``unbilled`` are the faults of the first requests, "" for none.
    """
    faults = [*unbilled] + [""] * (server.requests - len(unbilled))
    return sum(
        tokens
        for (_, tokens), fault in zip(server.times, faults, strict=False)
        if fault in ("", "reset")
    )


def dollars(tokens: int) -> float:
    return tokens * PRICE["input"] / 1e6


@pytest.mark.slow
def test_a_budget_ends_the_run_before_it_is_passed_and_the_run_says_so(
    tmp_path: Path, server: FakeServer
) -> None:
    ended = synthkd(write_recipe(tmp_path, server), "--budget", "0.6")
    assert ended.returncode == 0, ended.stderr
    assert "the cap is reached" in ended.stdout
    assert "of $0.6000 spent" in ended.stdout
    assert "raise the cap to continue" in ended.stdout
    assert 0 < server.requests < HEADS * per_input(server)
    assert dollars(billed(server)) <= 0.6


@pytest.mark.slow
def test_a_cap_on_tokens_ends_the_run_before_it_is_passed(
    tmp_path: Path, server: FakeServer
) -> None:
    ended = synthkd(write_recipe(tmp_path, server), "--max-tokens", "700")
    assert ended.returncode == 0, ended.stderr
    assert "of 700 tokens spent" in ended.stdout
    assert 0 < server.requests < HEADS * per_input(server)
    assert billed(server) <= 700


@pytest.mark.slow
def test_limits_in_the_recipe_hold_like_those_on_the_command_line(
    tmp_path: Path, server: FakeServer
) -> None:
    ended = synthkd(write_recipe(tmp_path, server, dollars=0.6, tokens=10**6))
    assert "of $0.6000 and" in ended.stdout
    assert 0 < server.requests < HEADS * per_input(server)
    assert dollars(billed(server)) <= 0.6


@pytest.mark.slow
def test_what_the_ledger_says_is_what_the_server_billed(tmp_path: Path, server: FakeServer) -> None:
    path = write_recipe(tmp_path, server)
    synthkd(path, "--budget", "0.6")
    with Journal(Recipe.load(path).journal_path) as journal:
        spent = journal.spending("budget")
    assert spent.tokens == billed(server)
    assert spent.dollars == pytest.approx(dollars(billed(server)))
    assert spent.unknown_dollars == spent.in_flight_dollars == 0


@pytest.mark.slow
def test_the_budget_holds_over_resumptions_and_a_higher_one_goes_on(
    tmp_path: Path, server: FakeServer
) -> None:
    path = write_recipe(tmp_path, server)
    synthkd(path, "--budget", "0.6")
    sent = server.requests
    again = synthkd(path, "--budget", "0.6")
    assert "the cap is reached" in again.stdout
    assert server.requests == sent
    more = synthkd(path, "--budget", "0.9")
    assert "the cap is reached" in more.stdout
    assert sent < server.requests < HEADS * per_input(server)
    assert dollars(billed(server)) <= 0.9
    whole = synthkd(path)
    assert "cap" not in whole.stdout
    # Each request was bought once.
    assert server.requests == HEADS * per_input(server)
    assert set(server.sent.values()) == {per_input(server)}


@pytest.mark.slow
def test_kills_and_resumptions_never_pass_the_budget(tmp_path: Path, protocol: str) -> None:
    rng = random.Random(3)
    with FakeServer(latency=0.05, protocol=protocol) as server:
        path = write_recipe(tmp_path, server)
        kills = 0
        for _ in range(8):
            sent = server.requests
            process = subprocess.Popen(command(path, "--budget", "4"), stderr=subprocess.PIPE)
            while server.requests == sent and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.random() * 0.12)
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert dollars(billed(server)) <= 4
        ended = synthkd(path, "--budget", "4")
        assert ended.returncode == 0, ended.stderr
        assert "the cap is reached" in ended.stdout
        assert "for attempts of unknown cost" in ended.stdout
        assert dollars(billed(server)) <= 4
        assert kills > 0
        with Journal(Recipe.load(path).journal_path) as journal:
            spent = journal.spending("budget")
        assert spent.dollars + spent.unknown_dollars <= 4 + 1e-9
        # What was killed in flight is counted at least as high as it was billed.
        assert spent.tokens + spent.unknown_tokens >= billed(server)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "budget"), [("500", 0.8), ("reset", 3.0)])
def test_retries_never_pass_the_budget(
    tmp_path: Path, protocol: str, fault: str, budget: float
) -> None:
    script = tuple(fault if i % 3 == 0 else "" for i in range(45))
    with FakeServer(script=script, protocol=protocol) as server:
        ended = synthkd(write_recipe(tmp_path, server), "--budget", str(budget))
        assert ended.returncode == 0, ended.stderr
        assert "the cap is reached" in ended.stdout
        assert max(server.sent.values()) > 1, "nothing was tried again"
        assert 0 < dollars(billed(server, script)) <= budget


@pytest.mark.slow
def test_workers_share_one_budget(tmp_path: Path, server: FakeServer) -> None:
    ended = synthkd(write_recipe(tmp_path, server), "--budget", "0.8", "--workers", "2")
    assert ended.returncode == 0, ended.stderr
    assert "the cap is reached" in ended.stdout
    assert 0 < server.requests < HEADS * per_input(server)
    assert dollars(billed(server)) <= 0.8
    assert set(server.sent.values()) == {per_input(server)}


@pytest.mark.slow
def test_a_budget_too_small_for_one_request_sends_none(tmp_path: Path, server: FakeServer) -> None:
    ended = synthkd(write_recipe(tmp_path, server), "--budget", "0.001")
    assert "the cap is reached" in ended.stdout
    assert server.requests == 0


def test_a_budget_without_a_price_is_refused_before_anything_is_sent(
    make_recipe: Make, server: FakeServer
) -> None:
    teacher = {"backend": server.protocol, "model": "fake", "base_url": server.url}
    with pytest.raises(RecipeError, match=r"needs prices.*teacher\.price.*--max-tokens"):
        generate(make_recipe(teacher=teacher, limits={"dollars": 1.0}), quiet=True)
    assert server.requests == 0


def test_limits_are_no_part_of_what_a_run_is(make_recipe: Make) -> None:
    free = make_recipe()
    capped = make_recipe(limits={"dollars": 1.0, "tokens": 9, "requests_per_minute": 5})
    assert capped.fingerprint() == free.fingerprint()
    assert "limits" not in json.dumps(capped.record())


@pytest.mark.slow
def test_a_run_that_was_capped_and_went_on_comes_to_the_same_corpus(
    tmp_path: Path, server: FakeServer
) -> None:
    from synthkd import run

    hashes = []
    for name, caps in (("a", (400, 700, None)), ("b", (None,))):
        (tmp_path / name).mkdir()
        for cap in caps:
            limits = {} if cap is None else {"tokens": cap}
            path = write_recipe(tmp_path / name, server, **limits)
            found = run(Recipe.load(path), quiet=True)
            assert bool(found.generated.stopped) == (cap is not None)
        hashes.append(found.corpus.hash)
    assert hashes[0] == hashes[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["reset", "not-json", "no-choices", "content-filter", "first-withheld"]
)
def test_what_was_billed_and_brought_nothing_counts_under_the_cap(
    make_recipe: Make, protocol: str, fault: str
) -> None:
    # Every second request ends without an answer, and has no other attempt.
    with FakeServer(script=["", fault] * HEADS, protocol=protocol) as server:
        teacher = {
            "backend": protocol, "model": "fake", "base_url": server.url, "concurrency": 4,
            "max_attempts": 1,
            "sampling": {"n": 2, "max_tokens": 8},
        }  # fmt: skip
        limits = {"tokens": 900, "failing_share": 1.0}
        done = generate(make_recipe(heads=HEADS, teacher=teacher, limits=limits), quiet=True)
        assert "the cap is reached" in done.stopped
        assert 0 < sum(tokens for _, tokens in server.times) <= 900


@pytest.mark.slow
def test_what_a_killed_run_without_a_cap_had_in_flight_counts_under_a_later_cap(
    tmp_path: Path, protocol: str
) -> None:
    with FakeServer(latency=30, protocol=protocol) as server:
        path = write_recipe(tmp_path, server)
        process = subprocess.Popen(
            command(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 30
        while server.in_flight < 8 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert server.in_flight == 8
    with FakeServer(protocol=protocol) as later:
        raw = path.read_text().replace(server.url, later.url)
        path.write_text(raw)
        ended = synthkd(path, "--max-tokens", "1500")
        assert "for attempts of unknown cost" in ended.stdout
        assert billed(server) + billed(later) <= 1500
