"""A whole run whose critic is a judge: two teachers, two journals, one corpus."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from support.files import write_csv
from support.recipes import Make

from synthkd import Journal, run
from synthkd.keys import fraction
from synthkd.testing import FakeServer, ScoredAnswer

pytestmark = pytest.mark.slow


def valid(tail: str) -> bool:
    return fraction(tail) < 0.6


def both(prompt: str, index: int, seed: int) -> str:
    """Write tails, and judge the statements made of them, nine of ten rightly."""
    if "Statement:" not in prompt:
        return f" cut number {int(fraction(f'{prompt}{index}') * 1e6)}"
    statement = prompt.split("Statement: ")[1].split("\n")[0]
    right = fraction(f"right {statement}") < 0.9
    surely = 0.85 + 0.1 * fraction(f"sure {statement}")
    yes = surely if valid(statement.split("used for ")[1]) == right else 1 - surely
    words = [("Yes", yes), ("No", 1 - yes)]
    words.sort(key=lambda pair: -pair[1])
    return ScoredAnswer(words[0][0], {word: math.log(share) for word, share in words})


def test_a_run_is_decided_by_a_judge_and_the_second_run_asks_nobody(
    tmp_path: Path, make_recipe: Make
) -> None:
    labels = [
        {"head": f"thing {i}", "relation": "UsedFor", "tail": tail, "label": valid(tail)}
        for i in range(600)
        for tail in [f"cut number {i}"]
    ]
    write_csv(tmp_path / "labels.csv", labels)
    with FakeServer(answer=both) as server:
        judge = {"backend": "openai", "model": "judge", "base_url": server.url}
        critic = {
            "name": "judge",
            "labels": "labels.csv",
            "precision": 0.8,
            "options": {"teacher": judge, "journal": str(tmp_path / "judge.sqlite")},
        }
        recipe = make_recipe(server.url, heads=60, critic=critic)
        result = run(recipe, quiet=True)
        sent = server.requests
        again = run(recipe, quiet=True)
        assert server.requests == sent
    assert again.corpus.hash == result.corpus.hash
    accepted = result.corpus.table(provenance=True).to_pylist()
    assert sum(valid(row["tail"]) for row in accepted) / len(accepted) >= 0.8
    assert 0.4 < len(accepted) / result.counts["candidates"] < 0.8
    assert (
        result.counts["accepted"] + sum(result.counts["rejected"].values())
        == result.counts["candidates"]
    )
    with Journal(tmp_path / "judge.sqlite") as journal:
        assert journal.counts().completions == sent - 60


def test_what_a_judge_cannot_say_is_rejected_under_a_name_of_its_own(
    tmp_path: Path, make_recipe: Make
) -> None:
    labels = [
        {"head": f"thing {i}", "relation": "UsedFor", "tail": tail, "label": valid(tail)}
        for i in range(400)
        for tail in [f"cut number {i}"]
    ]
    write_csv(tmp_path / "labels.csv", labels)

    def murky(prompt: str, index: int, seed: int) -> str:
        mute = "Statement:" in prompt and fraction(f"mute {prompt}") < 0.2
        return "It depends on the thing." if mute else both(prompt, index, seed)

    with FakeServer(answer=murky) as server:
        judge = {"backend": "openai", "model": "judge", "base_url": server.url}
        critic = {
            "name": "judge",
            "labels": "labels.csv",
            "precision": 0.8,
            "options": {"teacher": judge, "journal": str(tmp_path / "judge.sqlite")},
        }
        result = run(make_recipe(server.url, heads=30, critic=critic), quiet=True)
    mute = [row for row in result.corpus.rejected.to_pylist() if row["rejected_by"] == "unreadable"]
    assert result.counts["rejected"]["unreadable"] == len(mute) > 0
    assert {(row["score"], row["reason"]) for row in mute} == {
        (None, "no verdict: 'It depends on the thing.'")
    }
    assert (
        result.counts["accepted"] + sum(result.counts["rejected"].values())
        == result.counts["candidates"]
    )
    assert "rejected by unreadable" in str(result)
    assert "rejected by unreadable" in (result.corpus.path / "README.md").read_text("utf-8")
