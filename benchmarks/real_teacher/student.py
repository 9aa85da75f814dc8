"""A student of filtered triples beside its teacher, by hand-read rows and by an examiner.

The rows are in `results/real_teacher/student_triples.csv`; `student_run` makes them anew. Teacher
and students are the same SmolLM2-135M-Instruct: the teacher with three examples in its prompt, the
students fine-tuned on raw or on filtered triples of other heads, asked without examples.

Compared are as many rows of each question for both: the first distinct ones, in the order in which
they were sampled. Rows that the reader was unsure of are left out. Intervals draw heads.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.real_teacher.sheets import FOLDER
from benchmarks.text_table import table
from synthkd.labels.agreement import krippendorff_alpha
from synthkd.statistics.bootstrap import percentile_interval

ROWS = FOLDER / "student_triples.csv"
#: The best temperatures by the examiner on 50 heads that were set aside for choosing.
TEACHER, STUDENT = "teacher 0.3", "filtered 0.3"
_PAIRS = (
    (STUDENT, TEACHER),
    ("filtered 0.6", "teacher 0.6"),
    ("filtered 0.9", "teacher 0.9"),
    ("filtered 0.9", TEACHER),
    (STUDENT, "raw 0.3"),
    ("raw 0.3", TEACHER),
)
#: Rows of each question that the examiner's comparisons take.
_PLACES = (2, 5)
_DRAWS = 4000
Row = dict[str, str]
#: A row's value and weight: both are summed, and divided.
Value = Callable[[Row], tuple[float, float]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


def figures(options: Options) -> Figures:
    """Compare arms by the reader's verdicts, and by the examiner."""
    with ROWS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    arms = _by_arm(rows)
    found: Figures = {**_agreement(rows)}
    lines: list[tuple[Any, ...]] = [("arm", "read", "valid", "low", "high")]
    for arm, some in arms.items():
        read = [row for row in some if row["verdict"]]
        if read:
            shown = _precision(read)
            found |= {f"student_{_key(arm)}_read": len(read),
                      f"student_{_key(arm)}_precision": shown}  # fmt: skip
            lines.append((arm, len(read), *shown.values()))
    print(table(lines), flush=True)
    lines = [("student", "beside", "by", "rows", "difference", "low", "high")]
    for one, other in _PAIRS:
        key = f"student_{_key(one)}_minus_{_key(other)}"
        if equal := list(equal_rows(_read(arms[one]), _read(arms[other]), 2)):
            found |= {f"{key}_rows": len(equal), key: difference(equal, _verdict)}
            lines.append((one, other, "reader", len(equal), *found[key].values()))
        for places in _PLACES:
            equal = list(equal_rows(arms[one], arms[other], places))
            name = f"{key}_examiner_{places}"
            found |= {f"{name}_rows": len(equal), name: difference(equal, _score)}
            label = f"examiner, {places} rows"
            lines.append((one, other, label, len(equal), *found[name].values()))
    print(table(lines), flush=True)
    found["real_student_minus_teacher"] = found[f"student_{_key(STUDENT)}_minus_{_key(TEACHER)}"]
    return found


def equal_rows(one: list[Row], other: list[Row], places: int) -> Iterable[tuple[Row, Row]]:
    """Pair the rows of two arms question by question, as many of each as both have."""
    theirs = _by_question(other)
    for question, mine in _by_question(one).items():
        yield from zip(mine[:places], theirs.get(question, [])[:places], strict=False)


def difference(pairs: list[tuple[Row, Row]], value: Value) -> dict[str, float]:
    """Return the difference of two arms' means with a 95 % interval that draws heads."""
    parts = [(one["head"], (*value(one), *value(other))) for one, other in pairs]
    return _over_heads(parts, lambda sums: sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3])


def _over_heads(
    parts: Iterable[tuple[str, tuple[float, ...]]], figure: Callable[[Floats], Floats]
) -> dict[str, float]:
    """Return a figure of sums over rows with a 95 % interval that draws heads.

    Args:
        parts: The head of each row, and what the row adds to the sums (k).
        figure: Makes a figure (n,) of sums (n, k).
    """
    by_head: dict[str, Any] = {}
    for head, part in parts:
        by_head[head] = by_head.get(head, 0.0) + np.array(part)
    matrix = np.array(list(by_head.values()))
    drawn = np.random.default_rng(0).integers(len(matrix), size=(_DRAWS, len(matrix)))
    low, high = percentile_interval(figure(matrix[drawn].sum(1)))
    middle = float(figure(matrix.sum(0)[None])[0])
    return {"value": round(middle, 4), "low": round(low, 4), "high": round(high, 4)}


def _verdict(row: Row) -> tuple[float, float]:
    return float(row["verdict"] == "accept"), float(row["verdict"] != "unsure")


def _score(row: Row) -> tuple[float, float]:
    return float(row["examiner"]), 1.0


def _precision(rows: list[Row]) -> dict[str, float]:
    """Return the share of valid rows among decided ones with an interval that draws heads."""
    parts = [(row["head"], _verdict(row)) for row in rows]
    return _over_heads(parts, lambda sums: sums[:, 0] / sums[:, 1])


def _agreement(rows: list[Row]) -> Figures:
    """Compare first and second reading of the triples that were read twice."""
    twice = {
        (row["head"], row["relation"], row["tail"]): (row["verdict"], row["again"])
        for row in rows
        if row["again"]
    }
    alpha = krippendorff_alpha(
        {" ".join(key): {"first": one, "second": other} for key, (one, other) in twice.items()}
    )
    equal = sum(first == second for first, second in twice.values())
    read = {(row["head"], row["relation"], row["tail"]) for row in rows if row["verdict"]}
    return {
        "student_triples_read": len(read),
        "student_triples_read_twice": len(twice),
        "student_triples_read_alike": equal,
        "student_triples_alpha": None if alpha is None else round(alpha, 3),
    }


def _by_arm(rows: list[Row]) -> dict[str, list[Row]]:
    arms: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        arms[f"{row['arm']} {row['temperature']}"].append(row)
    return arms


def _by_question(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    questions: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row["place"])):
        questions[row["head"], row["relation"]].append(row)
    return questions


def _read(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["verdict"]]


def _key(arm: str) -> str:
    return arm.replace(" ", "_").replace(".", "")
