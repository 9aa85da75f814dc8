"""Students of propositions, trained on raw and on filtered answers.

The recipe is examples/propositions.yaml, a sentence at a time: rules, and votes of five
segmentations. Students are made from nothing and have less than a tenth of the teacher's
parameters. On unseen sentences their propositions are compared with those of the sentence, exactly:
precision and recall (RB, exact match), and the share of sentences whose propositions are all there
and all right. A fifth of the subjects are in no sentence that the teacher learnt from.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.students.everyday_corpora import documents, run_example
from benchmarks.students.seeds import Floats, format_interval, interval, interval_figures
from benchmarks.text_table import table
from everyday import sentences
from synthkd.corpora.proposition_metrics import ExactScorer, reference_based
from synthkd.kinds.base import Malformed
from synthkd.kinds.proposition.kind import PropositionKind
from synthkd.students.generators.student import GeneratorStudent

Rows = list[dict[str, Any]]
#: The better of two settings on fifty of the training documents.
STUDENT = {"layers": 2, "width": 64, "heads": 4, "vocabulary": 800, "context": 256}
TRAINING = {"lr": 6e-3, "batch_size": 16, "epochs": 20, "max_tokens": 90}
KIND = PropositionKind(chunk_sentences=1)
TRAIN, HELD = 300, 75
#: The columns of scores.
MEASURES = ("precision", "recall", "F1", "whole")


def figures(options: Options) -> Figures:
    """Print a table; return the figures by name."""
    with tempfile.TemporaryDirectory() as name:
        return _measure(options, Path(options.keep or name) / "propositions")


def _measure(options: Options, folder: Path) -> Figures:
    train, held_out = documents(30, 10) if options.quick else documents(TRAIN, HELD)
    start = time.perf_counter()
    changes = ["kind.options.chunk_sentences=1", "teacher.sampling.max_tokens=90"]
    corpora = [
        run_example("propositions", part, rows, folder, changes)
        for part, rows in (("train", train), ("held", held_out))
    ]
    wrote = time.perf_counter() - start
    accepted, rejected = (
        corpora[0].table(split, provenance=True).to_pylist() for split in ("accepted", "rejected")
    )
    questions = [chunk for row in held_out for chunk in KIND.expand(row)]
    gold = [sentences.propositions(chunk["sentences"][0]) for chunk in questions]
    seen = np.array([sentences.seen({"sentence": chunk["sentences"][0]}) for chunk in questions])
    scores: dict[str, Floats] = {}
    lines: list[tuple[Any, ...]] = [
        ("who says it", "rows", "right", "precision", "recall", "F1", "whole sentences", "seconds")
    ]
    sets = {"raw": raw(accepted, rejected), "filtered": accepted}
    least = min(len({row["source"] for row in rows}) for rows in sets.values())
    for name, rows in sets.items():
        chosen = first_sources(rows, least)
        results, seconds = [], 0.0
        for seed in range(options.seeds):
            settings = {**TRAINING, "epochs": 2} if options.quick else TRAINING
            student = GeneratorStudent(STUDENT, seed=seed, **settings).fit_rows(chosen, KIND)
            results.append(of_student(student, questions, gold))
            seconds += student.seconds
            print(
                f"  {name}, seed {seed}: {results[-1].mean(0).round(3)}, {student.seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
        scores[f"student, {name}"] = np.array(results)
        true = float(np.mean([sentences.valid(row) for row in chosen]))
        lines.append(
            (
                f"student, {name}",
                len(chosen),
                true,
                *_cells(scores[f"student, {name}"]),
                seconds / options.seeds,
            )
        )
    held_rows = [
        corpora[1].table(split, provenance=True).to_pylist() for split in ("accepted", "rejected")
    ]
    for name, found_one in of_teacher(*held_rows, questions, gold).items():
        scores[name] = found_one
        lines.append((name, "", "", *_cells(found_one), ""))
    print(
        f"\npropositions: {len(questions)} held-out sentences, {options.seeds} seeds;"
        f" the teacher wrote for {wrote:.0f} s"
    )
    print(table(lines))
    return _figures(scores, seen)


def raw(accepted: Rows, rejected: Rows) -> Rows:
    """Return the first segmentation of each sentence, before rules and votes."""
    results: dict[str, Rows] = {}
    for row in [*accepted, *rejected]:
        if row["rejected_by"] != "malformed" and row["proposition"] and row["sample_index"] == 0:
            results.setdefault(row["source"], []).append(row)
    # An accepted row represents all its copies, so a proposition of the first sample may have
    # another's number.
    distinct: dict[tuple[str, str], dict[str, Any]] = {}
    for rows in results.values():
        for row in rows:
            distinct.setdefault((row["source"], row["proposition"]), row)
    return list(distinct.values())


def first_sources(rows: Rows, count: int) -> Rows:
    """Return the rows of a number of sentences, in the order of their documents."""
    kept = set(sorted({(row["document_id"], row["source"]) for row in rows})[:count])
    return [row for row in rows if (row["document_id"], row["source"]) in kept]


def of_student(
    student: GeneratorStudent, questions: Sequence[Mapping[str, Any]], gold: Sequence[list[str]]
) -> Floats:
    """Return the scores (n, 4) of each sentence; greedy."""
    results = []
    for (answer,), right in zip(student.answers(questions), gold, strict=True):
        rows = [] if isinstance(answer, Malformed) else answer
        results.append(score([row["proposition"] for row in rows if row["proposition"]], right))
    return np.array(results)


def score(propositions: Sequence[str], gold: list[str]) -> list[float]:
    """Return precision, recall and F1 (RB, exact match), and 1 if all are there and right."""
    results = reference_based(gold, list(dict.fromkeys(propositions)), ExactScorer())
    return [
        results.precision,
        results.recall,
        results.f1,
        float(results.precision == results.recall == 1.0),
    ]


def of_teacher(
    accepted: Rows,
    rejected: Rows,
    questions: Sequence[Mapping[str, Any]],
    gold: Sequence[list[str]],
) -> dict[str, Floats]:
    """Score the teacher on the same sentences, (1, n, 4): mean sample and accepted rows."""
    samples: dict[str, dict[int, list[str]]] = {}
    kept: dict[str, list[str]] = {}
    for row in [*accepted, *rejected]:
        if row["source"]:
            of_one = samples.setdefault(row["source"], {})
            of_one.setdefault(row["sample_index"], [])
            if row["proposition"]:
                of_one[row["sample_index"]].append(row["proposition"])
    for row in accepted:
        kept.setdefault(row["source"], []).append(row["proposition"])
    names = [chunk["sentences"][0] for chunk in questions]
    nothing: dict[int, list[str]] = {0: []}
    single = [
        np.mean([score(answers, right) for answers in samples.get(name, nothing).values()], 0)
        for name, right in zip(names, gold, strict=True)
    ]
    voted = [score(kept.get(name, []), right) for name, right in zip(names, gold, strict=True)]
    return {"teacher, one sample": np.array([single]), "teacher, filtered": np.array([voted])}


def _cells(scores: Floats) -> list[str]:
    return [format_interval(interval(scores[..., place])) for place in range(len(MEASURES))]


def _figures(scores: dict[str, Floats], seen: Any) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, results in scores.items():
        for place, measure in enumerate(MEASURES):
            key = f"propositions_{name}_{measure}".replace(", ", "_").replace(" ", "_").lower()
            figures[key] = round(float(results[..., place].mean()), 4)
            figures[f"{key}_unseen_subject"] = round(float(results[:, ~seen, place].mean()), 4)
    for place, measure in ((2, "f1"), (3, "whole")):
        for name, other in (("raw", "student, raw"), ("teacher", "teacher, one sample")):
            difference = interval(
                scores["student, filtered"][..., place], scores[other][..., place]
            )
            print(f"  {measure}, filtered minus {name}: {format_interval(difference)}")
            figures |= interval_figures(f"propositions_filtered_minus_{name}_{measure}", difference)
    return figures
