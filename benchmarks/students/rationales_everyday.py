"""Word problems of the everyday world: students of a thirtieth of the teacher's size."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.students.everyday_corpora import run_example, word_problems
from benchmarks.students.seeds import Floats, format_interval, interval, interval_figures
from benchmarks.text_table import table
from everyday import problems
from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.students.generators.contrastive_groups import NOT_NEGATIVES
from synthkd.students.generators.student import GeneratorStudent

Rows = list[dict[str, Any]]
#: Rate, width and batch were chosen by accuracy on 600 other questions of another seed, which are
#: not measured here; vocabulary and epochs by their time.
STUDENT = {"layers": 2, "width": 64, "heads": 4, "vocabulary": 1000, "context": 160}
TRAINING = {"lr": 6e-3, "batch_size": 16, "epochs": 20}
SAMPLES, TRAIN, HELD = 5, 2000, 500


def figures(options: Options) -> Figures:
    """Print a table; return the figures by name."""
    with tempfile.TemporaryDirectory() as name:
        return _measure(options, Path(options.keep or name) / "rationales")


def _measure(options: Options, folder: Path) -> Figures:
    train, held_out = word_problems(300, 60) if options.quick else word_problems(TRAIN, HELD)
    start = time.perf_counter()
    sampling = ["votes.adaptive=null", f"teacher.sampling.n={SAMPLES}"]
    corpora = [
        run_example("rationales", part, rows, folder, sampling)
        for part, rows in (("train", train), ("held", held_out))
    ]
    wrote = time.perf_counter() - start
    accepted, rejected = (
        corpora[0].table(split, provenance=True).to_pylist() for split in ("accepted", "rejected")
    )
    sets = Sets(accepted, rejected)
    epochs = 3 if options.quick else TRAINING["epochs"]
    ways = sets.all()
    # The first ways are trained first, so that an interrupted run has them.
    order = list(ways)
    measured = sorted(
        ((name, seed) for name in ways for seed in range(options.seeds)),
        key=lambda one: (order.index(one[0]) // 3, one[1]),
    )
    results: dict[tuple[str, int], tuple[Floats, float]] = {}
    for name, seed in measured:
        rows, negatives, settings = ways[name]
        settings = {**TRAINING, **settings, "epochs": epochs * sets.share(rows)}
        results[name, seed] = load_or_train(
            folder / f"{name}-{seed}-{len(held_out)}-{epochs}.npz",
            rows,
            negatives,
            settings,
            seed,
            held_out,
        )
        answers, seconds = results[name, seed]
        print(
            f"  {name}, seed {seed}: {answers.mean():.3f}, {seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    scores: dict[str, Floats] = {}
    lines: list[tuple[Any, ...]] = [
        ("trained on", "rows", "of them right", "answers right", "seconds")
    ]
    for name, (rows, _, _) in ways.items():
        scores[name] = np.array([results[name, seed][0] for seed in range(options.seeds)])
        seconds = sum(results[name, seed][1] for seed in range(options.seeds)) / options.seeds
        true = float(np.mean([problems.answer_valid(row) for row in rows]))
        lines.append((name, len(rows), true, format_interval(interval(scores[name])), seconds))
    teacher = of_teacher(
        corpora[1].table(provenance=True).to_pylist(),
        corpora[1].table("rejected").to_pylist(),
        held_out,
    )
    for name, answered in teacher.items():
        lines.append((name, "", "", format_interval(interval(answered)), ""))
    print(
        f"\nword problems: {len(held_out)} held-out questions, {options.seeds} seeds;"
        f" the teacher wrote for {wrote:.0f} s"
    )
    print(table(lines))
    return _figures(scores, teacher, lines)


KIND = RationaleKind(answer="number")


class Sets:
    """Training sets of the students. All take as many steps as the voted rows in their epochs."""

    def __init__(self, accepted: Rows, rejected: Rows) -> None:
        self.voted = accepted
        self.said = [row for row in rejected if row["rejected_by"] != "malformed"] + accepted
        self.negatives = list(
            {r["id"]: r for r in rejected if r["rejected_by"] not in NOT_NEGATIVES}.values()
        )

    def all(self) -> dict[str, tuple[Rows, Rows, dict[str, Any]]]:
        """Return rows, negatives and settings by name."""
        contrast = {"objective": "qcrd", "objective_options": {"quality": "agreement"}}
        return {
            "raw, as many rows": (self.raw(len(self.voted)), [], {}),
            "raw, all samples": (self.said, [], {}),
            "voted": (self.voted, [], {}),
            "voted, QCRD": (self.voted, self.negatives, contrast),
            "voted, answers alone": (self.voted, [], {"tasks": "answer"}),
            "voted, two tasks": (self.voted, [], {"tasks": "multitask"}),
        }

    def raw(self, count: int) -> Rows:
        """Return one sample of each question, then others, up to a number of rows."""
        rng = random.Random(0)
        rows = sorted(self.said, key=lambda row: (row["completion_key"], row["id"]))
        rng.shuffle(rows)
        by_question: dict[str, Rows] = {}
        for row in rows:
            by_question.setdefault(row["question"], []).append(row)
        order = [
            row
            for turn in range(SAMPLES)
            for of_one in by_question.values()
            for row in of_one[turn : turn + 1]
        ]
        return order[:count]

    def share(self, rows: Rows) -> float:
        """Return the epochs over which rows take as many steps as one epoch of the voted ones."""
        return len(self.voted) / len(rows)


def load_or_train(
    path: Path,
    rows: Rows,
    negatives: Rows,
    settings: Mapping[str, Any],
    seed: int,
    held_out: Sequence[Mapping[str, Any]],
) -> tuple[Floats, float]:
    """Return right answers of a student and the seconds of its training.

    Both are read from ``path`` if they were kept.
    """
    if path.is_file():
        with np.load(path) as was:
            return was["right"], float(was["seconds"])
    student = GeneratorStudent(STUDENT, seed=seed, **settings).fit_rows(
        rows, KIND, negatives=negatives
    )
    answers = right(student, held_out)
    np.savez(path, right=answers, seconds=student.seconds)
    return answers, student.seconds


def right(student: GeneratorStudent, held_out: Sequence[Mapping[str, Any]]) -> Floats:
    """Return 1 for each right answer, (n,); greedy."""
    answers = [results for (results,) in student.answers(held_out)]
    return np.array(
        [
            not isinstance(results, Malformed)
            and problems.answer_valid({"question": row["question"], "answer": results[0]["answer"]})
            for row, results in zip(held_out, answers, strict=True)
        ],
        float,
    )


def of_teacher(
    accepted: Rows, rejected: Rows, held_out: Sequence[Mapping[str, Any]]
) -> dict[str, Floats]:
    """Score the teacher on the same questions, (1, n): mean sample and winner of its vote.

    A question without a winner counts as wrong.
    """
    single: dict[str, list[float]] = {row["question"]: [] for row in held_out}
    voted = dict.fromkeys(single, 0.0)
    for row in [*accepted, *rejected]:
        if row["rejected_by"] == "malformed":
            single[row["question"]].append(0.0)
            continue
        single[row["question"]].append(float(problems.answer_valid(row)))
    for row in accepted:
        voted[row["question"]] = float(problems.answer_valid(row))
    return {
        "teacher, one sample": np.array(
            [[float(np.mean(of_one or [0.0])) for of_one in single.values()]]
        ),
        f"teacher, vote of {SAMPLES}": np.array([list(voted.values())]),
    }


def _figures(
    scores: dict[str, Floats], teacher: dict[str, Floats], lines: list[tuple[Any, ...]]
) -> dict[str, Any]:
    one = teacher["teacher, one sample"]
    pairs = {
        "voted_minus_raw": (scores["voted"], scores["raw, as many rows"]),
        "voted_minus_raw_all": (scores["voted"], scores["raw, all samples"]),
        "qcrd_minus_voted": (scores["voted, QCRD"], scores["voted"]),
        "voted_minus_answers": (scores["voted"], scores["voted, answers alone"]),
        "two_tasks_minus_answers": (scores["voted, two tasks"], scores["voted, answers alone"]),
        "voted_minus_teacher": (scores["voted"], one),
    }
    figures: dict[str, Any] = {}
    for name, (first, second) in pairs.items():
        results = interval(first, second)
        print(f"  {name.replace('_', ' ')}: {format_interval(results)}")
        figures |= interval_figures(f"rationales_{name}", results)
    for name, results in {**scores, **teacher}.items():
        figures[f"rationales_{name.replace(', ', '_').replace(' ', '_')}"] = round(
            float(results.mean()), 4
        )
    return figures
