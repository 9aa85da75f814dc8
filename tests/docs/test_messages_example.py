"""Tests of the recipe of labelled text: recorded messages, two processes, the embedded teacher."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from support.files import ROOT

pytest.importorskip("cleanlab", reason="needs the extra text")

import synthkd.stages.filter
from everyday import messages
from everyday.truth import truth_of
from synthkd import Recipe, load_corpus, run
from synthkd.stages.plan import plan_run

EXAMPLE = ROOT / "examples" / "messages.yaml"
TEACHER = ROOT / "synthkd" / "teachers" / "everyday" / "training.json"
N = 4


def placed(folder: Path, *changes: str) -> Recipe:
    """The example, with what it writes in a folder of its own."""
    own = [
        f"corpus.path={folder}/corpus",
        f"journal={folder}/journal.sqlite",
        f"work={folder}/work",
    ]
    return Recipe.load(EXAMPLE, [*own, *changes])


def recorded(folder: Path, *changes: str) -> Recipe:
    """Return a recipe of messages by a middling teacher: one in ten is under a near class."""
    rng = random.Random(0)
    asked = [one for group in plan_run(placed(folder)).batches() for one in group]
    with (folder / "said.jsonl").open("w") as file:
        for one in asked:
            label = one.row["label"]
            for index in range(N):
                told = rng.choice(messages.intents()[label].near) if rng.random() < 0.1 else label
                text = f" {messages.random_message(told, rng, one.row['style'])[2]}"
                file.write(
                    json.dumps({"input_id": one.input_id, "sample_index": index, "text": text})
                    + "\n"
                )
    said = [
        "teacher.backend=recorded",
        f"teacher.path={folder}/said.jsonl",
        f"teacher.sampling.n={N}",
    ]
    return placed(folder, *said, *changes)


@pytest.mark.slow
def test_votes_and_the_search_for_wrong_labels_keep_the_right_messages(tmp_path: Path) -> None:
    result = run(recorded(tmp_path), quiet=True)
    valid = truth_of("labelled_text")
    accepted: list[dict[str, Any]] = result.corpus.table(provenance=True).to_pylist()
    rejected = [row for row in result.corpus.rejected.to_pylist() if row["text"]]
    everything = [*accepted, *rejected]
    assert sum(map(valid, everything)) < 0.93 * len(everything)
    assert sum(map(valid, accepted)) > 0.97 * len(accepted)
    noise = [row for row in rejected if row["rejected_by"] == "label_noise"]
    assert sum(map(valid, noise)) < 0.3 * len(noise)
    assert all(row["reason"].startswith(f"given {row['label']}, looks like ") for row in noise)
    counts = result.counts
    assert counts["candidates"] == counts["accepted"] + sum(counts["rejected"].values())


@pytest.mark.slow
def test_how_rows_are_dealt_cannot_be_seen_in_what_is_decided_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = []
    rules = "rules=[empty, {near_duplicate: {threshold: 0.7}}, label_noise]"
    for rows in (200_000, 100):
        monkeypatch.setattr(synthkd.stages.filter, "PARTITION_ROWS", rows)
        folder = tmp_path / str(rows)
        folder.mkdir()
        run(recorded(folder, rules), quiet=True)
        found = [
            (row["id"], row["completion_key"], row["rejected_by"], row["reason"])
            for split in ("accepted", "rejected")
            for row in load_corpus(folder / "corpus").table(split, provenance=True).to_pylist()
        ]
        outcomes.append(sorted(found, key=str))
    assert outcomes[0] == outcomes[1]
    assert {"near_duplicate", "label_noise"} <= {row[2] for row in outcomes[0]}


def test_the_example_asks_for_every_class_style_and_near_class() -> None:
    rows = [one.row for group in plan_run(placed(ROOT / "nowhere")).batches() for one in group]
    assert len(rows) == 12 * 4 * 4
    with (ROOT / "corpora/everyday/messages.csv").open() as file:
        known = {tuple(line.strip().split(",")) for line in file}
    assert {(row["label"], row["style"], row["contrast"]) for row in rows} <= known


def test_the_example_reads_as_the_embedded_teacher_was_taught() -> None:
    plan = plan_run(placed(ROOT / "nowhere"))
    asked = next(plan.batches())[1]
    text = asked.request.messages[-1]["content"]
    given, _ = messages.say(asked.row["label"], asked.row["style"], asked.row["contrast"], "")
    assert text.endswith(f"\n\n{given}")
    assert text.count("Intent: cancel order\n") == 3


@pytest.mark.slow
def test_the_embedded_teacher_gives_messages_that_are_righter_when_judged(tmp_path: Path) -> None:
    if "labelled_text" not in json.loads(TEACHER.read_text()).get("documents_a_pass", {}):
        pytest.skip("the shipped teacher never read a message")
    changes = ("inputs.limit=6", "teacher.sampling.n=4", "teacher.sampling.max_tokens=32")
    result = run(placed(tmp_path, *changes), quiet=True)
    valid = truth_of("labelled_text")
    accepted, rejected = (
        result.corpus.table(provenance=True).to_pylist(),
        result.corpus.rejected.to_pylist(),
    )
    parsed = [row for row in [*accepted, *rejected] if row["text"]]
    assert sum(map(valid, accepted)) / len(accepted) > sum(map(valid, parsed)) / len(parsed) + 0.05
