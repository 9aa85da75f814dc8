"""Records from the teacher to the corpus, a critic and a student."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import synthkd
from synthkd.critics.folder import load_critic
from synthkd.critics.labels import read_labels
from synthkd.critics.train import train_critic
from synthkd.kinds.factory import kind_of_recipe
from synthkd.recipe import Recipe
from synthkd.testing import FakeServer

KIND: dict[str, Any] = {
    "name": "record",
    "options": {
        "columns": {
            "cuisine": "text",
            "dish": "text",
            "minutes": "int 1..600",
            "level": ["easy", "hard"],
            "vegan": "bool?",
        },
        "inputs": ["cuisine"],
        "key": ["cuisine", "dish"],
        "text": "{dish}, ready in {minutes} minutes",
        "several": True,
    },
}
CUISINES = [f"cuisine {number}" for number in range(8)]


def dishes(prompt: str, index: int, seed: int) -> str:
    """Answer with three dishes; the first is the same in every sample, the last is no record."""
    cuisine = next(line for line in prompt.splitlines() if line.startswith("cuisine: "))[9:]
    known = {"dish": f"soup of {cuisine}", "minutes": 20, "level": "easy", "vegan": None}
    other = {"dish": f"rice {index} of {cuisine}", "minutes": 90 + index, "level": "hard"}
    return "Here you are: " + json.dumps([known, other, {"dish": "unfinished"}])


def recipe(folder: Path, url: str, **parts: Any) -> Recipe:
    (folder / "cuisines.csv").write_text("\n".join(["cuisine", *CUISINES]))
    raw = {
        "name": "dishes",
        "inputs": {"path": "cuisines.csv"},
        "kind": KIND,
        "prompt": {"template": "record/json", "variables": {"task": "Name three dishes."}},
        "teacher": {
            "backend": "openai",
            "model": "fake",
            "base_url": url,
            "sampling": {"n": 3, "max_tokens": 200},
        },
        "corpus": {"path": "corpus"},
    }
    return Recipe.from_dict(raw | parts, folder)


def slow_dish(row: dict[str, Any]) -> str | None:
    """Reject dishes that take more than an hour and a half."""
    return f"takes {row['minutes']} minutes" if row["minutes"] > 91 else None


def test_records_are_filtered_and_keep_their_types(tmp_path: Path) -> None:
    with FakeServer(answer=dishes) as server:
        one = recipe(tmp_path, server.url, votes={"keep": "all", "min_votes": 1})
        result = synthkd.run(one, rules=["empty", slow_dish])
    counts = result.counts
    # 8 cuisines and 3 samples of 2 records; the third is none.
    assert counts["candidates"] == 48
    assert counts["malformed"] == 24
    assert counts["malformed_reasons"] == {"off_schema": 24}
    assert counts["rejected"]["slow_dish"] == 8
    assert counts["rejected"]["duplicate"] == 16
    assert counts["accepted"] == 24
    table = pq.read_table(tmp_path / "corpus/data")
    assert [str(table.schema.field(name).type) for name in ("minutes", "vegan")] == [
        "int64",
        "bool",
    ]
    soup = [
        row
        for row in result.corpus.table(provenance=True).to_pylist()
        if row["dish"].startswith("soup")
    ]
    assert {(row["minutes"], row["vegan"], row["votes"]) for row in soup} == {(20, None, 3)}
    assert soup[0]["text"] == f"{soup[0]['dish']}, ready in 20 minutes"
    rejected = pq.read_table(tmp_path / "corpus/data/rejected-00000.parquet").to_pylist()
    unread = [row["reason"] for row in rejected if row["rejected_by"] == "malformed"]
    assert set(unread) == {"off_schema: minutes: Field required"}


def test_the_same_rows_come_of_structured_answers(tmp_path: Path) -> None:
    with FakeServer() as server:
        one = recipe(tmp_path, server.url)
        teacher = one.teacher.model_copy(update={"structured": True})
        result = synthkd.run(one.with_parts(teacher=teacher))
        asked = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert result.counts["malformed"] == 0
    assert result.counts["candidates"] == 72
    item = asked["properties"]["answers"]["items"]["properties"]
    assert list(item) == ["dish", "minutes", "level", "vegan"]


def test_a_corpus_of_records_is_loaded_by_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    with FakeServer(answer=dishes) as server:
        result = synthkd.run(recipe(tmp_path, server.url))
    path = str(result.corpus.path)
    loaded = datasets.load_dataset(path, split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.features["minutes"].dtype == "int64"
    assert loaded.num_rows == result.counts["accepted"]


def label_sheet(folder: Path) -> Path:
    """Write a sheet in which quick dishes are right; a cell is a text, as in every CSV file."""
    lines = ["cuisine,dish,minutes,level,vegan,label"]
    for number in range(300):
        quick = number % 2 == 0
        minutes, word = (10 + number % 9, "easy") if quick else (200 + number % 9, "hard")
        lines.append(f"cuisine {number % 40},dish {number},{minutes},{word},true,{quick}")
    path = folder / "labels.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear", "text"])
def test_a_critic_of_a_sheet_scores_typed_rows(name: str, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    kind = kind_of_recipe(recipe(tmp_path, "http://127.0.0.1:1/v1"))
    sheet = read_labels(label_sheet(tmp_path), kind)
    trained = train_critic(kind, sheet, name, tmp_path / "critic", {}, {})
    rows = pa.table(
        {
            "cuisine": ["cuisine 1", "cuisine 1"],
            "dish": ["dish 1", "dish 2"],
            "minutes": pa.array([12, 205], pa.int64()),
            "level": ["easy", "hard"],
            "vegan": pa.array([True, None]),
        }
    )
    quick, slow = load_critic(tmp_path / "critic", kind).score(rows)
    assert trained.curve.auc > 0.9
    assert quick > slow


@pytest.mark.slow
def test_a_run_with_a_critic_scores_its_records(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    label_sheet(tmp_path)
    critic = {"labels": "labels.csv", "precision": 0.8, "publish_anyway": True}
    with FakeServer(answer=dishes) as server:
        result = synthkd.run(recipe(tmp_path, server.url, critic=critic))
    rows = [
        *result.corpus.table(provenance=True).to_pylist(),
        *result.corpus.table("rejected").to_pylist(),
    ]
    scores = {row["score"] for row in rows if row["rejected_by"] in (None, "critic")}
    assert len(scores) > 1
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.slow
def test_a_generator_learns_to_write_records(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from support.tiny_generator import QUICK, TINY

    from synthkd.students.generators.student import GeneratorStudent

    with FakeServer(answer=dishes) as server:
        result = synthkd.run(recipe(tmp_path, server.url))
    student = GeneratorStudent(base=TINY, **QUICK)
    student.fit_corpus(result.corpus.path)
    (answer,) = student.answers([{"cuisine": CUISINES[0]}])
    assert len(answer) == 1
    assert student.kind.name == "record"
