"""The example recipes for events, from heads to tails, against a server on loopback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.files import ROOT

from synthkd import Recipe, run
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow


def event(prompt: str, index: int, seed: int) -> str:
    return f" PersonX meets friend {index} of {seed % 3}" if index % 5 else " He meets a friend"


def tail(prompt: str, index: int, seed: int) -> str:
    return f" to thank Chris for thing {index}."


def test_heads_become_the_inputs_of_tails_and_people_lose_their_names(tmp_path: Path) -> None:
    for name in ("events-heads.yaml", "events.yaml"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    small = ["teacher.sampling.n=10", "inputs.count=6"]
    with FakeServer(answer=event) as server:
        heads = run(
            Recipe.load(tmp_path / "events-heads.yaml", [f"teacher.base_url={server.url}", *small]),
            quiet=True,
        )
        (prompt,) = {body["prompt"] for body in server.bodies[:1]}
    assert prompt.count("Event:") == 11
    assert heads.counts["rejected"]["starts_with"] == 12
    with FakeServer(answer=tail) as server:
        tails = run(
            Recipe.load(tmp_path / "events.yaml", [f"teacher.base_url={server.url}"]), quiet=True
        )
        assert all(
            body["top_p"] == 0.5 and "PersonX" not in body["prompt"] for body in server.bodies
        )
    rows = tails.corpus.table(provenance=True).to_pylist()
    assert {row["relation"] for row in rows} == {
        "xWant",
        "xAttr",
        "xIntent",
        "xEffect",
        "xReact",
        "xNeed",
        "HinderedBy",
    }
    assert {row["head"] for row in rows} == set(heads.corpus.accepted.column("event").to_pylist())
    assert all("PersonY" in row["tail"] and "Chris" not in row["text"] for row in rows)
