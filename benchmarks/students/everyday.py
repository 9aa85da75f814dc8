"""A student a tenth of its teacher's size on the everyday world, with exact truth.

As in symbolic knowledge distillation (West et al. 2022, arXiv 2110.07178), where a language model
pretrained on much text is trained on the critic's choice of a teacher's triples and measured on
heads that are not among them:

1. The example recipe asks the teacher every question, three times 10 samples at its temperature of
   0.9.
2. A base is trained from nothing on all rows, right and wrong, of every head: the counterpart of a
   pretrained language model, which knows no more than the teacher wrote, unfiltered.
3. Heads (animals, things, people; no kinds, parts or materials, which are answers), and single
   questions of other heads, are held out. The critic is trained on the label sheet without any row
   that names them, and the students on the rows without them: all rows (raw), or rows that the
   critic keeps at a target precision.
4. Teacher and students are asked the held-out questions by the same recipe with the same sampling
   and rules.

The teacher is also asked at a lower temperature, and greedily, which makes it right more often: a
student that is better than its teacher is so for the sampling that made its corpus, and not for
every sampling.

All students take the same number of steps from the same base. The table of facts says what is
right; a rejected sample is not. Settings were chosen on other heads than those of the seeds
(`everyday_split.TUNING`).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.base import Figures, Options
from benchmarks.students.everyday_figures import (
    COOLER,
    Outcome,
    differences,
    levels,
    lines_of,
    shares,
)
from benchmarks.students.everyday_split import split
from benchmarks.students.everyday_training import ARMS, BEST, UNMET, Settings, name_of, students
from benchmarks.students.everyday_world import (
    World,
    accepted_rows,
    answers,
    as_often,
    by_student,
    every_question,
    passing_rows,
)
from benchmarks.text_table import table
from everyday.truth import Truth

#: Runs of the recipe, each with its own seed of sampling, that make a corpus.
RUNS = 3


def figures(options: Options) -> Figures:
    """Print the tables; return the figures by name."""
    import torch

    torch.set_num_threads(1)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = [
            one_seed(seed, Path(folder), options.quick)
            for seed in range(1 if options.quick else options.seeds)
        ]
    for part in ("heads", "questions"):
        print(
            f"kept out: {part}; {sum(len(one.parts[part]) for one in results):,} questions in all"
        )
        print(table(lines_of(results, part)), end="\n\n")
    lines, gains = differences(results)
    print(table(lines), end="\n\n")
    return gains | levels(results) | {"everyday_seconds": round(time.perf_counter() - start, 1)}


def one_seed(seed: int, folder: Path, quick: bool = False) -> Outcome:
    """Split, corpora and students of a seed, and the answers of all to the held-out questions."""
    questions = [one for one in every_question() if not quick or one[0][0] in "abc"]
    world = World(folder, seed, split(questions, seed, answers()), Truth.load().valid)
    runs = world.runs(questions, RUNS)
    results = Outcome(world.split)
    results.answers["teacher"] = world.answers([], runs[0])
    results.answers[COOLER] = world.answers(["teacher.sampling.temperature=0.7"])
    corpora = corpora_of(world, runs, results)
    settings = Settings.quick() if quick else Settings()
    for name, student, size in students(corpora, settings, seed, world.folder):
        results.answers[name] = world.answers(by_student(student))
        results.parameters[name] = size
        _print_shares(seed, name, results)
    return results


def _print_shares(seed: int, name: str, results: Outcome) -> None:
    """Print a line for each student, since all of them take minutes."""
    right = [f"{part} {shares([results], name, part)[0]:.3f}" for part in results.parts]
    print(f"  seed {seed}, {name}: {', '.join(right)}", file=sys.stderr, flush=True)


def corpora_of(
    world: World, runs: list[Any], results: Outcome
) -> dict[Any, list[Mapping[str, Any]]]:
    """Return the rows of each student, as often as the teacher wrote them.

    The corpora are described in ``results``.
    """
    critic = world.critic()
    corpora: dict[Any, list[Mapping[str, Any]]] = {
        None: [row for rows in runs for row in as_often(passing_rows(rows))]
    }
    for arm in ARMS:
        chosen = [
            passing_rows(rows) if arm == "raw" else accepted_rows(rows, critic, arm)
            for rows in runs
        ]
        corpora[arm] = [row for rows in chosen for row in as_often(world.split.learnt(rows))]
        if arm != "raw":
            results.note_kept(arm, as_often(chosen[0]), world.valid)
    for name, arm in {"base": None, UNMET: BEST, **{name_of(arm): arm for arm in ARMS}}.items():
        distinct = {row["id"]: row for row in corpora[arm]}.values()
        results.corpora[name] = (len(distinct), sum(map(world.valid, distinct)) / len(distinct))
    return corpora
