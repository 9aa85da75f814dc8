"""Parts of benchmarks/pgkd.py: the cuts share no row, and gains are paired."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from pgkd_parts.arms import ARMS, recipe
from pgkd_parts.cuts import cut
from pgkd_parts.running import Outcome, gain


def test_the_area_is_the_mean_accuracy_along_the_curve() -> None:
    assert Outcome((0.2, 0.6, 0.8), (1, 2, 3), 1.0).area == pytest.approx((0.4 + 0.7) / 2)


def test_a_gain_is_of_pairs_with_the_interval_of_students_t() -> None:
    found = gain([0.5, 0.7, 0.9], [0.4, 0.5, 0.6])
    # Differences 0.1, 0.2, 0.3: mean 0.2, standard error 0.1 / sqrt(3), t of 2 degrees 4.3027.
    assert found.mean == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2 - 4.302653 * 0.1 / 3**0.5)
    assert found.high == pytest.approx(0.2 + 4.302653 * 0.1 / 3**0.5)


@pytest.mark.parametrize(("shots", "dev"), [(5, False), (0, True)])
def test_a_cut_shares_no_row_and_its_pool_copies_no_test_row(
    data: Path, tmp_path: Path, shots: int, dev: bool
) -> None:
    place = cut(data, tmp_path, 0, shots, dev)
    lots = {name: pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in place.rows}
    forms = {name: {" ".join(row["text"].lower().split()) for row in rows} for name, rows in lots.items()}
    for name in ("start", "pool"):
        assert not forms[name] & (forms["validation"] | forms["test"])
    # Train has copies of its own, and the pool leaves them in.
    assert len(forms["start"] & forms["pool"]) < 5
    assert len(lots["validation"]) == 5 * 77
    if shots:
        assert len(lots["start"]) == shots * 77
        assert len(lots["test"]) == 3080


def test_every_arm_is_a_recipe(data: Path, tmp_path: Path) -> None:
    place = cut(data, tmp_path, 0, 5)
    for arm in ARMS:
        assert recipe(arm, place, 0, "tfidf", 0.1, True).loop
