"""Corpora of the embedded teacher for students, train and held out."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from everyday import problems, sentences
from everyday.table import Table
from synthkd import Corpus, Recipe, run

ROOT = Path(__file__).resolve().parents[2]
SEED = 20261121


def word_problems(train: int, held_out: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return distinct questions with their right answers; no question is in both lists."""
    rng, results = random.Random(SEED + 1), dict[str, problems.Problem]()
    while len(results) < train + held_out:
        problem = problems.make(rng)
        results.setdefault(problem.question, problem)
    rows = [
        {"id": f"problem-{number:05d}", "question": problem.question, "gold": str(problem.answer)}
        for number, problem in enumerate(results.values())
    ]
    return rows[:train], rows[train:]


def documents(train: int, held_out: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return documents of four sentences; no sentence of the held-out ones is in the others."""
    rng, world = random.Random(SEED + 2), sentences.Sentences(Table.load())
    answers: set[str] = set()
    rows = []
    while len(rows) < train + held_out:
        fresh: list[str] = []
        while len(fresh) < 4:
            sentence = world.sentence(rng.choice(world.names), rng)
            if sentence not in answers:
                answers.add(sentence)
                fresh.append(sentence)
        rows.append({"document_id": f"document-{len(rows):05d}", "text": " ".join(fresh)})
    return rows[:train], rows[train:]


def run_example(
    name: str, part: str, rows: Iterable[Mapping[str, Any]], folder: Path, changes: list[str]
) -> Corpus:
    """Run an example recipe over these inputs; the completions stay in the folder's journal."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{part}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    given = [
        f"inputs.path={path}", "teacher.threads=1", f"journal={folder}/journal.sqlite",
        f"work={folder}/{name}-{part}-run", f"corpus.path={folder}/{name}-{part}-corpus", *changes,
    ]  # fmt: skip
    return run(Recipe.load(ROOT / "examples" / f"{name}.yaml", given), quiet=True).corpus
