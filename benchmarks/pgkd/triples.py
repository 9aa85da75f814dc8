"""The loop for triples: questions by yield and need against random questions.

Both arms ask the embedded teacher for the same number of completions; the first round is the same.
After each round the student answers, greedily, the questions of heads that the teacher was never
asked about, and the table of facts says which answers are true. Compared is the mean of that
precision over the rounds after the first, paired by seed (split, samples and training), with the 95
% interval of Student's t. Beside it: how well the critic and the examiner separate the student's
true answers from its false ones (area under the ROC curve), and their mean scores of all answers.

Seed 0 was looked at when the student's settings were chosen; the seeds here begin with 1.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import ROOT
from benchmarks.pgkd.loops import gain
from benchmarks.text_table import table

ARMS = ("uniform", "own")


@dataclass(frozen=True)
class Round:
    """Figures of a round on the questions of held-out heads.

    ``precision`` by the table, ``validity`` by the examiner, ``accepted`` by the critic;
    ``examiner`` and ``critic`` are areas under their ROC curves.
    """

    rows: int
    precision: float
    validity: float
    accepted: float
    distinct: float
    examiner: float
    critic: float


def run(quick: bool = False, count: int = 3) -> dict[str, Any]:
    """Run both arms over a number of seeds; figures by name."""
    start, seeds = time.perf_counter(), range(1, 1 + count)
    results: dict[tuple[str, int], list[Round]] = {}
    with tempfile.TemporaryDirectory(prefix="pgkd-triples-") as name:
        for seed in seeds:
            for arm in ARMS:
                results[arm, seed] = one(Path(name), arm, seed, quick)
                print(
                    f"triples: seed {seed}, {arm}:"
                    f" {[round(r.precision, 3) for r in results[arm, seed]]}",
                    flush=True,
                )
    show(results, seeds)
    return figures(results, seeds) | {"triples_seconds": round(time.perf_counter() - start, 1)}


def one(folder: Path, arm: str, seed: int, quick: bool) -> list[Round]:
    """Run one loop; all share a journal, so that equal requests are sent once."""
    from everyday.truth import Truth
    from synthkd import Recipe
    from synthkd.loops import distill
    from synthkd.loops.triples.task import TripleTask

    place = folder / f"{arm}-{seed}"
    changes = [
        f"journal={folder}/journal.sqlite", f"work={place}/run", f"corpus.path={place}/corpus",
        f"student.path={place}/student", f"seed={seed}", f"loop.allocate={arm}",
        "teacher.threads=1",
        "loop.patience=99", *(["loop.rounds=2", "loop.rows=40"] if quick else []),
    ]  # fmt: skip
    recipe = Recipe.load(ROOT / "examples/pgkd-triples.yaml", changes)
    distill(recipe, quiet=True)
    task, truth = TripleTask(recipe), Truth.load()
    return [
        measure_round(task, truth, file)
        for file in sorted(recipe.work_dir.glob("rounds/*/round.json"))
    ]


def measure_round(task: Any, truth: Any, file: Path) -> Round:
    """Measure the student of a round by the table, by critic and by examiner."""
    import pyarrow as pa

    from synthkd.loops.triples.answers import score_answers

    record = json.loads(file.read_text("utf-8"))
    student = task.load(file.parent.parent / record["student"])
    questions = task.validation.questions
    answers = student.generate([question.row for question in questions])
    rows = [
        answer.row
        for answer in score_answers(task.plan, task.decision, questions, answers)
        if answer.row is not None
    ]
    true = np.array([truth.valid(row) for row in rows], dtype=bool)
    texts = pa.Table.from_pylist(rows)
    shown = record["figures"]["shown"]
    return Round(
        record["rows"],
        float(true.sum()) / len(questions),
        *(shown[name] for name in ("validity", "accepted", "distinct")),
        *(roc(true, critic.score(texts)) for critic in (task.examiner, task.decision.trained)),
    )


def roc(true: Any, scores: Any) -> float:
    """Return the area under the ROC curve; NaN if all are true, or none."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(true, scores)) if 0 < true.sum() < len(true) else float("nan")


def show(results: dict[tuple[str, int], list[Round]], seeds: Sequence[int]) -> None:
    """Print a line for each arm and round, means over seeds."""
    names = list(Round.__dataclass_fields__)
    lines: list[tuple[Any, ...]] = [("questions", "round", *names)]
    for arm in ARMS:
        for number in range(len(results[arm, seeds[0]])):
            several = [results[arm, seed][number] for seed in seeds]
            means = [float(np.nanmean([getattr(one, name) for one in several])) for name in names]
            lines.append((arm, number, round(means[0]), *means[1:]))
    print(f"\n{table(lines)}\n")


def figures(results: dict[tuple[str, int], list[Round]], seeds: Sequence[int]) -> dict[str, Any]:
    """Own against uniform allocation, paired by seed; means of the areas under the ROC curves."""

    def after(arm: str, name: str) -> list[float]:
        return [
            float(np.mean([getattr(one, name) for one in results[arm, seed][1:]])) for seed in seeds
        ]

    result: dict[str, Any] = {}
    for short, name in (("", "precision"), ("_validity", "validity")):
        value = gain(after("own", name), after("uniform", name))
        parts = dict(zip(("", "_low", "_high"), value, strict=True))
        result |= {
            f"triples_own_minus_uniform{short}{end}": round(part, 4) for end, part in parts.items()
        }
    rows = {arm: float(np.mean([results[arm, seed][-1].rows for seed in seeds])) for arm in ARMS}
    result["triples_rows_own_to_uniform"] = round(rows["own"] / rows["uniform"], 4)
    every = [one for rounds in results.values() for one in rounds]
    for name in ("precision", "validity", "accepted", "examiner", "critic"):
        short = f"{name}_auc" if name in ("examiner", "critic") else f"mean_{name}"
        result[f"triples_{short}"] = round(
            float(np.nanmean([getattr(one, name) for one in every])), 4
        )
    return result
