"""Runs of the example recipe: the teacher's rows, the critic's choice, a student."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.base import ROOT
from benchmarks.students.everyday_right import Right, right
from benchmarks.students.everyday_split import Question, Split
from everyday.table import Table
from synthkd import Recipe, run
from synthkd.critics.labels import read_labels
from synthkd.critics.train import train_critic
from synthkd.critics.trained_critic import TrainedCritic
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind

INPUTS = ROOT / "corpora/everyday/inputs.csv"
SHEET = ROOT / "critics/everyday-labels.csv"
RECIPE = ROOT / "examples/everyday.yaml"
#: Samples of a question in a run of the recipe, at its temperature of 0.9.
N = 10
#: One greedy answer, for teacher and students alike.
GREEDY = ("teacher.sampling.temperature=0", "teacher.sampling.n=1")

Row = Mapping[str, Any]
Rows = list[dict[str, Any]]


def kind() -> TripleKind:
    """Return the kind: triples of the everyday relations."""
    return TripleKind(load_relations("everyday"))


def every_question() -> list[Question]:
    """Return the recipe's inputs."""
    with INPUTS.open(encoding="utf-8") as file:
        return sorted({(row["head"], row["relation"]) for row in csv.DictReader(file)})


def answers() -> frozenset[str]:
    """Return names that are answers: kinds, parts, materials, places.

    A whole is an answer of its parts only.
    """
    return frozenset(tail for _, relation, tail in Table.load().facts if relation != "PartOf")


def by_student(student: Path) -> list[str]:
    """Return the changes of a recipe that put a student in the teacher's place."""
    return [f"teacher.model={student}", "prompt.template=triple/student"]


class World:
    """A seed's runs of the example recipe, without its critic, in a folder of their own."""

    def __init__(self, folder: Path, seed: int, split: Split, valid: Callable[[Row], bool]) -> None:
        self.folder, self.seed, self.split, self.valid = folder / f"seed-{seed}", seed, split, valid
        self.folder.mkdir()
        self._held_out = self._inputs("held", split.held_out)

    def runs(self, questions: Sequence[Question], count: int) -> list[Rows]:
        """Return the teacher's rows of a number of runs, each with its own seed of sampling."""
        every = self._inputs("every", questions)
        seeds = range(count * self.seed, count * (self.seed + 1))
        return [
            self._rows(f"raw-{seed}", [every, f"teacher.sampling.seed={seed}"]) for seed in seeds
        ]

    def answers(self, changes: Sequence[str], sampled: Rows | None = None) -> tuple[Right, Right]:
        """Return the right answers to the held-out questions: sampled, and greedy."""
        if sampled is None:
            sampled = self._rows("sampled", [self._held_out, *changes])
        greedy = self._rows("greedy", [self._held_out, *changes, *GREEDY])
        questions = self.split.held_out
        return right(sampled, questions, N, self.valid), right(greedy, questions, 1, self.valid)

    def _rows(self, name: str, changes: Iterable[str]) -> Rows:
        """Return all rows of a run, rejected ones too."""
        given = [
            f"journal={self.folder}/journal.sqlite", f"work={self.folder}/{name}-run",
            "teacher.threads=1",
            f"corpus.path={self.folder}/{name}-corpus", "critic=null", *changes,
        ]  # fmt: skip
        corpus = run(Recipe.load(RECIPE, given), quiet=True).corpus
        return [*corpus.table(provenance=True).to_pylist(), *corpus.rejected.to_pylist()]

    def _inputs(self, name: str, questions: Sequence[Question]) -> str:
        """Return the change of a recipe that asks these questions only."""
        path = self.folder / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([("head", "relation"), *questions])
        return f"inputs.path={path}"

    def critic(self) -> TrainedCritic:
        """Train a critic like the shipped one, without held-out facts in its label sheet."""
        with SHEET.open(encoding="utf-8") as file:
            rows = self.split.learnt(csv.DictReader(file))
        path = self.folder / "labels.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return train_critic(kind(), read_labels(path, kind(), held_out=0.5))


def passing_rows(rows: Rows) -> Rows:
    """Return the distinct rows of a run that passed the rules."""
    return [row for row in rows if row["rejected_by"] is None]


def accepted_rows(rows: Rows, critic: TrainedCritic, precision: float) -> Rows:
    """Return the rows that passed the rules and that the critic keeps at a target precision."""
    left = passing_rows(rows)
    limit = critic.threshold(precision)
    if not hasattr(limit, "threshold"):
        raise SystemExit(f"the critic cannot keep a precision of {precision}: {limit}")
    scores = critic.score(pa.Table.from_pylist(left))
    return [row for row, score in zip(left, scores, strict=True) if score >= limit.threshold]


def as_often(rows: Iterable[Row]) -> list[Row]:
    """Return each row as often as the teacher wrote it."""
    return [row for row in rows for _ in range(row["recurrence"])]
