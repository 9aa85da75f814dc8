"""Linear students of more rows than they take: a sample, which is told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.command_line import synthkd
from support.files import write_csv

pytest.importorskip("sklearn")

from synthkd.students import LabelledTexts, LinearStudent, load_student, read_labelled_texts
from synthkd.students.rows import LEAST_OF_CLASS, sample_labelled_texts, sampled_texts

ROWS = [
    {"text": f"{'parcel' if i % 2 else 'refund'} number {i}", "label": "ab"[i % 2]}
    for i in range(600)
]
RARE = [{"text": f"a rare thing {i}", "label": "rare"} for i in range(LEAST_OF_CLASS + 5)]


def texts(rows: list[dict[str, str]]) -> LabelledTexts:
    return LabelledTexts(tuple(r["text"] for r in rows), tuple(r["label"] for r in rows))


def test_a_file_without_more_rows_is_read_as_it_is(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", ROWS)
    assert sample_labelled_texts(path, 600) == (read_labelled_texts(path), 600)


def test_a_sample_of_a_file_is_that_of_its_rows_in_any_order(tmp_path: Path) -> None:
    rows = [*ROWS, *RARE]
    path = write_csv(tmp_path / "rows.csv", rows)
    sample, count = sample_labelled_texts(path, 200, seed=1)
    assert (len(sample), count) == (200, len(rows))
    assert sample.labels.count("rare") >= LEAST_OF_CLASS
    shuffled = sampled_texts(texts(random.Random(0).sample(rows, len(rows))), 200, seed=1)
    assert sorted(shuffled.texts) == sorted(sample.texts)
    assert sorted(sampled_texts(texts(rows), 200, seed=2).texts) != sorted(sample.texts)


def test_a_student_of_more_rows_is_that_of_the_sample() -> None:
    rows = texts([*ROWS, *RARE])
    whole = LinearStudent(max_rows=200).fit(rows)
    part = LinearStudent().fit(sampled_texts(rows, 200))
    probe = ["where is the parcel", "money"]
    assert (whole.probabilities(probe) == part.probabilities(probe)).all()
    assert len(whole.training_hashes) == 200


def test_output_and_card_name_the_sample(tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", ROWS)
    done = synthkd(
        "student", "train", "rows.csv", "student", "--option", "max_rows=100", cwd=tmp_path
    )
    assert "100 rows, a sample of 600" in done.stdout
    assert "a sample, drawn by a hash with this seed, of 600" in " ".join(
        (tmp_path / "student" / "README.md").read_text().split()
    )
    assert load_student(tmp_path / "student").predict(["parcel number 7"])
