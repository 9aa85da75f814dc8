"""Rows a second and memory of the filter stage over recorded triples, by the clock."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.base import Figures, Options
from everyday.table import Table
from synthkd import Recipe
from synthkd.journal import Journal
from synthkd.journal.writes import AnswersWrite, ReservationWrite
from synthkd.keys import file_hash
from synthkd.requests import Completion
from synthkd.stages.plan import plan_run

SAMPLES = 10
_COLOURS = (
    "red",
    "small",
    "old",
    "wooden",
    "heavy",
    "cheap",
    "wet",
    "broken",
    "blue",
    "new",
    "big",
    "clean",
)
_MORE = tuple("xyz"[i % 3] + str(i) for i in range(100))


def inputs(count: int) -> Iterator[dict[str, str]]:
    """Yield distinct heads with a relation.

    Those of the table come first, then the same with adjectives and numbers.
    """
    pairs = sorted({(head, relation) for head, relation, _ in Table.load().facts})
    words = itertools.chain(
        ("",), (f"{a} " for a in _COLOURS), (f"{a} {b} " for a in _COLOURS for b in _MORE)
    )
    rows = ((f"{word}{head}", relation) for word in words for head, relation in pairs)
    for number, (head, relation) in enumerate(itertools.islice(rows, count)):
        yield {"input_id": f"i{number}", "head": head, "relation": relation}


class Teacher:
    """Answers like those of a sampled model: few come often, and about a tenth are no good."""

    def __init__(self) -> None:
        self.rng = random.Random(0)
        self.tails: dict[str, list[str]] = {}
        for _, relation, tail in sorted(Table.load().facts):
            self.tails.setdefault(relation, []).append(tail)

    def answers(self, row: dict[str, str]) -> list[str]:
        """Return the samples of one input."""
        tails = self.rng.sample(
            self.tails[row["relation"]], min(6, len(self.tails[row["relation"]]))
        )
        return [
            self._bad(row["head"], tails[0])
            if self.rng.random() < 0.12
            else " " + tails[min(int(self.rng.expovariate(0.6)), len(tails) - 1)] + "."
            for _ in range(SAMPLES)
        ]

    def _bad(self, head: str, tail: str) -> str:
        return self.rng.choice(
            [
                " ... ", "", f" {tail} {tail.split()[-1]}", f" {head}", f" {tail} and", f" {tail}?",
                f" {tail} " + "in a very long story " * 3, f" {head} {tail} today", " -",
                f" {tail}_x",
            ]
        )  # fmt: skip


def fill(folder: Path, rows: int) -> Path:
    """Write a recipe with its inputs, recorded rows and a journal that has them all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.yaml"
    if path.exists():
        return path
    teacher = Teacher()
    with (
        (folder / "inputs.jsonl").open("w") as request,
        (folder / "recorded.jsonl").open("w") as recorded,
    ):
        for row in inputs(rows // SAMPLES):
            request.write(json.dumps(row) + "\n")
            for index, text in enumerate(teacher.answers(row)):
                logprob = -round(teacher.rng.expovariate(0.3), 4)
                answers = {
                    "input_id": row["input_id"],
                    "sample_index": index,
                    "text": text,
                    "logprob": logprob,
                }
                recorded.write(json.dumps(answers) + "\n")
    recipe = {
        "name": "judged",
        "inputs": {"path": "inputs.jsonl", "id": "input_id", "columns": ["head", "relation"]},
        "kind": {"name": "triple", "relations": "everyday"},
        "teacher": {
            "backend": "recorded", "path": "recorded.jsonl",
            "identity": f"recorded:{file_hash(folder / 'recorded.jsonl')}",
            "sampling": {"n": SAMPLES},
        },
        "votes": {"min_votes": 2},
        "corpus": {"path": "corpus"},
    }  # fmt: skip
    write_journal(Recipe.from_dict(recipe, folder), folder / "recorded.jsonl")
    path.write_text(yaml.safe_dump(recipe))
    return path


def write_journal(recipe: Recipe, recorded: Path) -> None:
    """Write what `generate` would write, without its waits for the disk."""
    with Journal(recipe.journal_path) as journal, recorded.open() as lines:
        for batch in plan_run(recipe).batches(size=2000):
            requests = [asked.request for asked in batch]
            answers = []
            for request in requests:
                for index, line in enumerate(itertools.islice(lines, SAMPLES)):
                    said = json.loads(line)
                    assert said["input_id"] == request.input_id
                    words = len(said["text"].split())
                    answers.append(
                        Completion(
                            request.request_id, index, said["text"], "stop",
                            completion_tokens=words + 1, logprob=said["logprob"],
                        )
                    )  # fmt: skip
            with journal.transaction():
                journal.write(ReservationWrite.of(requests, ""), "")
                journal.write(AnswersWrite.of(answers), "")


def time_stage(path: Path, workers: int, cores: int) -> dict[str, Any]:
    """Run the stage in a process of its own; what it used, with counts and hashes."""
    command = [sys.executable, "-m", "benchmarks.filter.stage", str(path), str(workers)]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    begin = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )  # fmt: skip
    return {"seconds": time.perf_counter() - begin, **json.loads(done.stdout)}


def figures(options: Options) -> Figures:
    """Measure the stage in a temporary folder, or in that of `--keep`."""
    rows = options.rows or (100_000 if options.quick else 2_000_000)
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        return throughput(options.keep or Path(temporary), rows, options.workers)


def throughput(folder: Path, rows: int, workers: int) -> Figures:
    """Measure all rows with all processes and with one, and a tenth of the rows for the memory."""
    large, small = fill(folder / f"{rows}", rows), fill(folder / f"{rows // 10}", rows // 10)
    tries = [time_stage(large, workers, workers) for _ in range(3 if rows > 100_000 else 1)]
    many = min(tries, key=lambda results: float(results["seconds"]))
    one, tenth = time_stage(large, 1, 1), time_stage(small, workers, workers)
    counts = many["counts"]
    outcomes = counts["accepted"] + sum(counts["rejected"].values()) + counts["malformed"]
    return {
        "rows": rows,
        f"rows_per_second_{workers}_cores": rows / many["seconds"],
        "rows_per_second_1_core": rows / one["seconds"],
        "cores_got": many["cpu"] / many["seconds"],
        "cpu_microseconds_per_row": 1e6 * many["cpu"] / rows,
        "equal_for_any_number_of_processes": int(
            many["hashes"] == one["hashes"] and counts == one["counts"]
        ),
        "rows_without_a_fate": rows - outcomes,
        "megabytes_largest_process": many["megabytes"],
        "memory_ratio": many["megabytes"] / tenth["megabytes"],
        "accepted": counts["accepted"],
    }
