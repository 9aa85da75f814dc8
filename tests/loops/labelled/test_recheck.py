"""Rows of the teacher that a cross-validated student contradicts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.loops import loop_recipe

from benchmarks.kills.loop_texts import write
from synthkd import distill
from synthkd.keys import fraction
from synthkd.loops.labelled.cross_validation import find_contradictions
from synthkd.testing import FakeServer

P = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.6, 0.4], [np.nan, np.nan]])
GIVEN = np.array([0, 0, 0, 1, 1])


def test_a_row_is_set_aside_where_another_class_is_sure_enough() -> None:
    assert find_contradictions(P, GIVEN, [True] * 5, 0.8).tolist() == [
        False,
        True,
        True,
        False,
        False,
    ]
    assert find_contradictions(P, GIVEN, [True] * 5, 0.85).tolist() == [
        False,
        True,
        False,
        False,
        False,
    ]


def test_rows_that_are_not_judged_stay() -> None:
    assert find_contradictions(P, GIVEN, [True, False, True, True, True], 0.5).tolist() == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_so_many_rows_of_a_class_stay_the_best_fitting_first() -> None:
    assert find_contradictions(P, GIVEN, [True] * 5, 0.8, minimum=2).tolist() == [
        False,
        True,
        False,
        False,
        False,
    ]


def mistaken(prompt: str, index: int, seed: int) -> str:
    """Write texts as a teacher of whose refunds a third are deliveries."""
    rows = json.loads(write(prompt, index, seed))
    wrong = [row["label"] == "refund" and fraction(row["text"]) < 0.34 for row in rows]
    return json.dumps(
        [
            {**row, "label": "delivery" if bad else row["label"]}
            for row, bad in zip(rows, wrong, strict=True)
        ]
    )


@pytest.mark.slow
def test_a_loop_sets_wrong_rows_aside_says_how_many_and_keeps_them_in_its_table(
    tmp_path: Path,
) -> None:
    with FakeServer(answer=mistaken) as server:
        loop = {"rounds": 2, "rows": 60, "allocate": "uniform", "recheck": 0.6}
        recipe = loop_recipe(tmp_path, server.url, loop=loop)
        result = distill(recipe, quiet=True)
        again = distill(recipe, quiet=True)
    last = result.rounds[-1].record
    assert last["set_aside"] > 0
    assert again.rounds[-1].record == last
    rows = pq.read_table(recipe.work_dir / "rows.parquet").to_pylist()
    accepted = [row for row in rows if row["rejected_by"] is None and row["round"] <= result.best]
    assert (
        len([row for row in accepted if not row["in_best"]])
        == result.rounds[result.best].record["set_aside"]
    )
