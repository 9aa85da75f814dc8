"""SVAMP: chains of PaLM-540B and Llama-3 (`rationales_palm`), and students that write the equation of a story.

The numbers of a story stand as n0, n1 … in question, chain and answer, so that an equation such as `n0 - n1` is what is to
be learnt; it is right where it comes to the gold answer. Only the train part is there, so every story is held out once: ten
folds by hash of the story's id.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from common import table

from student_parts.seeds import interval, named, shown
from synthkd import Recipe
from synthkd import run as run_recipe
from synthkd.keys import fraction
from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale import RationaleKind
from synthkd.students.generators.student import GeneratorStudent

Rows = list[dict[str, Any]]
STUDENT = {"layers": 2, "width": 64, "heads": 4, "vocabulary": 1000, "context": 256}
TRAINING = {"lr": 4e-3, "batch_size": 16, "epochs": 10}
FOLDS = 5
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_EQUATION = re.compile(r"(n\d) ([-+*/]) (n\d)")
KIND = RationaleKind(answer="text")


def corpus(data: Path, folder: Path) -> tuple[Rows, Rows, dict[str, dict[str, Any]]]:
    """Accepted and rejected rows of the recorded chains after rules and votes, and the stories by id."""
    items = {
        row["id"]: row
        for row in pq.read_table(data / "rationales_palm/svamp_train_items.parquet").to_pylist()
    }
    said = pq.read_table(data / "rationales_palm/svamp_train_rationales.parquet").to_pylist()
    inputs = [{"id": name, "question": f"{row['body']} {row['question']}"} for name, row in items.items()]
    counts: dict[str, int] = {}
    chains = []
    for row in said:
        number = counts[row["item_id"]] = counts.get(row["item_id"], -1) + 1
        chains.append({"input_id": row["item_id"], "sample_index": number, "text": row["raw_text"] or ""})
    for name, rows in (("inputs", inputs), ("chains", chains)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "name": "svamp", "inputs": {"path": "inputs.jsonl", "id": "id"},
        "kind": {"name": "rationale", "options": {"answer": "number"}},
        "teacher": {"backend": "recorded", "path": "chains.jsonl", "sampling": {"n": 4}},
        "votes": {"min_votes": 2}, "corpus": {"path": "corpus"}, "journal": "journal.sqlite", "work": "run",
    }  # fmt: skip
    found = run_recipe(Recipe.from_dict(recipe, folder), quiet=True).corpus
    return found.accepted.to_pylist(), found.rejected.to_pylist(), items


class Story:
    """A story whose numbers have names, the greatest n0: which of two is greater, a small model cannot tell."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self.id, self.gold = str(item["id"]), float(item["gold_answer"])
        text = f"{item['body']} {item['question']}"
        self.numbers = sorted({float(found) for found in _NUMBER.findall(text)}, reverse=True)
        self.question = self.named(text)

    def named(self, text: str) -> str:
        """A text with names in place of the story's numbers; other numbers stay."""
        names = {number: f"n{place}" for place, number in enumerate(self.numbers)}
        return _NUMBER.sub(lambda found: names.get(float(found[0]), found[0]), text)

    def value(self, equation: str) -> float | None:
        """What `n0 - n1` comes to; None for what is no equation over the story's numbers."""
        found = _EQUATION.fullmatch(equation.strip())
        places = [int(found[i][1:]) for i in (1, 3)] if found else [99]
        if found is None or max(places) >= len(self.numbers):
            return None
        return _value(self.numbers[places[0]], found[2], self.numbers[places[1]])

    def is_right(self, equation: str) -> bool:
        """Whether an equation comes to the gold answer."""
        value = self.value(equation)
        return value is not None and abs(value - self.gold) < 1e-6

    def row(self, said: Mapping[str, Any]) -> dict[str, Any] | None:
        """A chain with names for the story's numbers, and the equation that it comes to; None where none of two numbers
        does."""
        chain = self.named(str(said["rationale"] or ""))
        equation = self._equation(chain, _number(said["answer"]))
        if equation is None:
            return None
        return {
            "question": self.question,
            "rationale": chain,
            "answer": equation,
            "right": self.is_right(equation),
        }

    def _equation(self, chain: str, answer: float | None) -> str | None:
        """The equation of two numbers that has the chain's answer: one that the chain writes, else the first there is."""
        if answer is None:
            return None
        written = [" ".join(found.groups()) for found in _EQUATION.finditer(chain.replace("x", "*"))]
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


def run(options: Any) -> dict[str, Any]:
    """Figures by name; prints a table."""
    with tempfile.TemporaryDirectory() as name:
        accepted, rejected, items = corpus(options.data, Path(name))
    stories = {name: Story(item) for name, item in items.items()}
    voted = _rows(accepted, stories)
    said = _rows([*accepted, *(r for r in rejected if r["rejected_by"] != "malformed")], stories)
    negatives = _rows([r for r in rejected if r["rejected_by"] not in ("malformed", "duplicate")], stories)
    return _measured(options, stories, voted, said, negatives)


def _rows(rows: Sequence[Mapping[str, Any]], stories: Mapping[str, Story]) -> Rows:
    found = []
    for row in sorted(rows, key=lambda row: (row["completion_key"], row["id"])):
        made = stories[row["input_id"]].row(row)
        if made is not None:
            found.append({**made, "story": row["input_id"], "agreement": row["agreement"]})
    return found


def one_each(rows: Rows, seed: int) -> Rows:
    """One row of each story, drawn."""
    rng = random.Random(seed)
    by_story: dict[str, Rows] = {}
    for row in rows:
        by_story.setdefault(row["story"], []).append(row)
    return [rng.choice(of_one) for of_one in by_story.values()]


def _measured(
    options: Any, stories: dict[str, Story], voted: Rows, said: Rows, negatives: Rows
) -> dict[str, Any]:
    names = list(stories)
    fold = {name: int(fraction(f"svamp-fold|{name}") * FOLDS) for name in names}
    folds = range(1) if options.quick else range(FOLDS)
    ways: dict[str, tuple[Rows, Rows, dict[str, Any]]] = {
        "raw, all chains": (said, [], {}),
        "raw, as many rows": ([], [], {}),
        "voted": (voted, [], {}),
        "voted, QCRD": (voted, negatives, {"objective": "qcrd"}),
    }
    held = [name for name in names if fold[name] in folds]
    scores = {way: np.zeros((options.seeds, len(held))) for way in ways}
    lines: list[tuple[Any, ...]] = [("trained on", "rows", "of them right", "equations right", "seconds")]
    where = {name: i for i, name in enumerate(held)}
    for way, (rows, wrong, settings) in ways.items():
        seconds = 0.0
        for seed, part in itertools.product(range(options.seeds), folds):
            chosen = rows or _as_many(said, voted, seed)
            train = [row for row in chosen if fold[row["story"]] != part]
            steps = sum(fold[row["story"]] != part for row in voted) / len(train)
            student = GeneratorStudent(
                STUDENT,
                seed,
                **{**TRAINING, "tasks": "multitask", **settings, "epochs": TRAINING["epochs"] * steps},
            )
            student.fit_rows(train, KIND, negatives=[row for row in wrong if fold[row["story"]] != part])
            asked = [name for name in held if fold[name] == part]
            answers = student.answers([{"question": stories[name].question} for name in asked])
            for name, (answer,) in zip(asked, answers, strict=True):
                good = not isinstance(answer, Malformed) and stories[name].is_right(answer[0]["answer"])
                scores[way][seed, where[name]] = good
            seconds += student.seconds
        print(f"  {way}: {scores[way].mean():.3f}", file=sys.stderr, flush=True)
        right = float(np.mean([row["right"] for row in rows or _as_many(said, voted, 0)]))
        each = seconds / options.seeds / len(folds)
        lines.append((way, len(rows) or len(voted), right, shown(interval(scores[way])), each))
    print(f"\nSVAMP: {len(held)} stories, each held out in one of {FOLDS} folds; {options.seeds} seeds")
    print(table(lines))
    figures: dict[str, Any] = {}
    for name, (first, second) in {
        "voted_minus_raw": ("voted", "raw, as many rows"),
        "voted_minus_raw_all": ("voted", "raw, all chains"),
        "qcrd_minus_voted": ("voted, QCRD", "voted"),
    }.items():
        found = interval(scores[first], scores[second])
        print(f"  {name.replace('_', ' ')}: {shown(found)}")
        figures |= named(f"svamp_{name}", found)
    return figures | {
        f"svamp_{way.replace(', ', '_').replace(' ', '_')}": round(float(s.mean()), 4)
        for way, s in scores.items()
    }


def _as_many(said: Rows, voted: Rows, seed: int) -> Rows:
    """One chain of each story, then others, as many as there are voted rows."""
    rows = one_each(said, seed)
    random.Random(seed).shuffle(rows)
    more = [row for row in said if row not in rows] if len(rows) < len(voted) else []
    random.Random(seed + 1).shuffle(more)
    return [*rows, *more][: len(voted)]
