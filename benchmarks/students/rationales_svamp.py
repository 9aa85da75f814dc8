"""SVAMP: recorded chains, and students that write the equation of a story.

The numbers of a story are n0, n1 … in question, chain and answer, n0 the greatest, so that the
student learns equations such as `n0 - n1`; an equation is right if its value is the gold answer.
Only the train split is available, so stories are held out by hash of their id, in five folds.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.students.seeds import Floats, format_interval, interval, interval_figures
from benchmarks.text_table import table
from synthkd import Recipe
from synthkd import run as run_recipe
from synthkd.keys import fraction
from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.students.base import LabelledTexts
from synthkd.students.classifiers.linear import LinearStudent
from synthkd.students.generators.student import GeneratorStudent

Rows = list[dict[str, Any]]
STUDENT = {"layers": 2, "width": 64, "heads": 4, "vocabulary": 1000, "context": 256}
TRAINING = {"lr": 4e-3, "batch_size": 16}
FOLDS, SEEN = 5, 9000
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_EQUATION = re.compile(r"(n\d) ([-+*/]) (n\d)")
KIND = RationaleKind(answer="text")


def corpus(data: Path, folder: Path) -> tuple[Rows, Rows, dict[str, dict[str, Any]]]:
    """Return accepted and rejected rows of the recorded chains, and the stories by id."""
    items = {
        row["id"]: row
        for row in pq.read_table(data / "rationales_palm/svamp_train_items.parquet").to_pylist()
    }
    said = pq.read_table(data / "rationales_palm/svamp_train_rationales.parquet").to_pylist()
    inputs = [
        {"id": name, "question": f"{row['body']} {row['question']}"} for name, row in items.items()
    ]
    counts: dict[str, int] = {}
    chains = []
    for row in said:
        number = counts[row["item_id"]] = counts.get(row["item_id"], -1) + 1
        chains.append(
            {"input_id": row["item_id"], "sample_index": number, "text": row["raw_text"] or ""}
        )
    for name, rows in (("inputs", inputs), ("chains", chains)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "name": "svamp", "inputs": {"path": "inputs.jsonl", "id": "id"},
        "kind": {"name": "rationale", "options": {"answer": "number"}},
        "teacher": {"backend": "recorded", "path": "chains.jsonl", "sampling": {"n": 4}},
        "votes": {"min_votes": 2}, "corpus": {"path": "corpus"}, "journal": "journal.sqlite",
        "work": "run",
    }  # fmt: skip
    results = run_recipe(Recipe.from_dict(recipe, folder), quiet=True).corpus
    return results.table(provenance=True).to_pylist(), results.rejected.to_pylist(), items


class Story:
    """A story with names for its numbers.

    n0 is the greatest, since a small model cannot compare two numbers.
    """

    def __init__(self, item: Mapping[str, Any]) -> None:
        self.id, self.gold = str(item["id"]), float(item["gold_answer"])
        text = f"{item['body']} {item['question']}"
        self.numbers = sorted({float(results) for results in _NUMBER.findall(text)}, reverse=True)
        self.question = self.with_names(text)

    def with_names(self, text: str) -> str:
        """Replace the story's numbers in a text by their names; other numbers stay."""
        names = {number: f"n{place}" for place, number in enumerate(self.numbers)}
        return _NUMBER.sub(lambda results: names.get(float(results[0]), results[0]), text)

    def value(self, equation: str) -> float | None:
        """Return the value of an equation such as `n0 - n1`; None for any other text."""
        match = _EQUATION.fullmatch(equation.strip())
        places = [int(match[i][1:]) for i in (1, 3)] if match else [99]
        if match is None or max(places) >= len(self.numbers):
            return None
        return _value(self.numbers[places[0]], match[2], self.numbers[places[1]])

    def is_right(self, equation: str) -> bool:
        """Return True if the value of an equation is the gold answer."""
        value = self.value(equation)
        return value is not None and abs(value - self.gold) < 1e-6

    def row(self, answers: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a chain with names for the story's numbers, and its equation.

        None if no two numbers give its answer.
        """
        chain = self.with_names(str(answers["rationale"] or ""))
        equation = self._equation(chain, _number(answers["answer"]))
        if equation is None:
            return None
        return {
            "question": self.question,
            "rationale": chain,
            "answer": equation,
            "right": self.is_right(equation),
        }

    def _equation(self, chain: str, answer: float | None) -> str | None:
        """Return the equation of two numbers with the chain's answer.

        An equation that the chain writes comes before the first possible one.
        """
        if answer is None:
            return None
        written = [
            " ".join(match.groups()) for match in _EQUATION.finditer(chain.replace("x", "*"))
        ]
        pairs = itertools.permutations(range(len(self.numbers)), 2)
        any_of = [f"n{a} {operator} n{b}" for (a, b), operator in itertools.product(pairs, "-+*/")]
        for equation in (*reversed(written), *any_of):
            value = self.value(equation)
            if value is not None and abs(value - answer) < 1e-6:
                return equation
        return None


def _value(left: float, operator: str, right: float) -> float | None:
    if operator == "/":
        return left / right if right else None
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def _number(text: Any) -> float | None:
    try:
        top, _, bottom = str(text).partition("/")
        return float(top) / float(bottom or 1)
    except (ValueError, ZeroDivisionError):
        return None


def figures(options: Options) -> Figures:
    """Print a table; return the figures by name."""
    with tempfile.TemporaryDirectory() as name:
        accepted, rejected, items = corpus(options.data_folder, Path(name))
    stories = {name: Story(item) for name, item in items.items()}
    voted = _rows(accepted, stories)
    answers = _rows([*accepted, *(r for r in rejected if r["rejected_by"] != "malformed")], stories)
    return _measure(options, stories, voted, answers)


def _rows(rows: Sequence[Mapping[str, Any]], stories: Mapping[str, Story]) -> Rows:
    results = []
    for row in sorted(rows, key=lambda row: (row["completion_key"], row["id"])):
        model = stories[row["input_id"]].row(row)
        if model is not None:
            results.append({**model, "story": row["input_id"], "agreement": row["agreement"]})
    return results


def one_each(rows: Rows, seed: int) -> Rows:
    """Draw a row of each story."""
    rng = random.Random(seed)
    by_story: dict[str, Rows] = {}
    for row in rows:
        by_story.setdefault(row["story"], []).append(row)
    return [rng.choice(of_one) for of_one in by_story.values()]


def _measure(options: Options, stories: dict[str, Story], voted: Rows, said: Rows) -> Figures:
    fold = {name: int(fraction(f"svamp-fold|{name}") * FOLDS) for name in stories}
    # Each seed holds out another fold, so that seeds are also stories.
    parts = [(seed, seed % FOLDS) for seed in range(1 if options.quick else options.seeds)]
    many = len({row["story"] for row in voted})
    ways: dict[str, Callable[[int], Rows]] = {
        "raw, as many rows": lambda seed: one_each(said, seed)[:many],
        "raw, all chains": lambda seed: said,
        "voted": lambda seed: one_each(voted, seed),
    }
    students = {
        "linear": _linear,
        "generator": partial(_generator, seen=SEEN // 10 if options.quick else SEEN),
    }
    scores: dict[str, Floats] = {}
    lines: list[tuple[Any, ...]] = [
        ("student", "trained on", "rows", "of them right", "equations right", "seconds")
    ]
    for (kind, fit), (way, rows_of) in itertools.product(students.items(), ways.items()):
        results, seconds, rows = [], 0.0, Rows()
        for seed, part in (
            parts if kind == "generator" else itertools.product(range(len(parts)), range(FOLDS))
        ):
            start = time.perf_counter()
            rows = [row for row in rows_of(seed) if fold[row["story"]] != part]
            questions = [story for name, story in stories.items() if fold[name] == part]
            answers = fit(rows, seed, [story.question for story in questions])
            results.append(
                np.array(
                    [story.is_right(said) for story, said in zip(questions, answers, strict=True)],
                    float,
                )
            )
            seconds += time.perf_counter() - start
        # The linear student answers every story for each seed, a generator other stories for each.
        each = len(results) // len(parts) if kind == "linear" else len(results)
        scores[f"{kind}, {way}"] = np.array(
            [np.concatenate(results[at : at + each]) for at in range(0, len(results), each)]
        )
        print(
            f"  {kind}, {way}: {scores[f'{kind}, {way}'].mean():.3f}", file=sys.stderr, flush=True
        )
        right = float(np.mean([row["right"] for row in rows]))
        lines.append(
            (
                kind,
                way,
                len(rows),
                right,
                format_interval(interval(scores[f"{kind}, {way}"])),
                seconds / len(results),
            )
        )
    always = np.array([[float(story.is_right("n0 - n1")) for story in stories.values()]])
    lines.append(("", "always n0 - n1", "", "", format_interval(interval(always)), ""))
    print(
        f"\nSVAMP: {len(stories)} stories; the generators hold out {sum(map(len, results))} of them"
    )
    print(table(lines))
    figures: dict[str, Any] = {"svamp_always_n0_minus_n1": round(float(always.mean()), 4)}
    for kind in students:
        for name, other in (("raw", "raw, as many rows"), ("raw_all", "raw, all chains")):
            difference = interval(scores[f"{kind}, voted"], scores[f"{kind}, {other}"])
            print(f"  {kind}, voted minus {name}: {format_interval(difference)}")
            figures |= interval_figures(f"svamp_{kind}_voted_minus_{name}", difference)
    return figures | {
        f"svamp_{way.replace(', ', '_').replace(' ', '_')}": round(float(s.mean()), 4)
        for way, s in scores.items()
    }


def _linear(rows: Rows, seed: int, questions: list[str]) -> list[str]:
    """Train TF-IDF and logistic regression with equations as classes."""
    texts = LabelledTexts(
        tuple(row["question"] for row in rows), tuple(row["answer"] for row in rows)
    )
    return LinearStudent(seed=seed, strength=1.0, calibrate=False).fit(texts).predict(questions)


def _generator(rows: Rows, seed: int, questions: list[str], seen: int) -> list[str]:
    """Train a decoder from nothing that writes the equation; all see the same number of rows."""
    student = GeneratorStudent(
        STUDENT, seed, **TRAINING, tasks="answer", epochs=seen / len(rows)
    ).fit_rows(rows, KIND)
    results = [
        answers
        for (answers,) in student.answers([{"question": question} for question in questions])
    ]
    return [
        "" if isinstance(answers, Malformed) else str(answers[0]["answer"]) for answers in results
    ]
