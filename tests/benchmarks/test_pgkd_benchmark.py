"""Parts of benchmarks/pgkd.py: the cuts share no row, and gains are paired."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.pgkd.allocation import World
from benchmarks.pgkd.arms import ARMS, recipe
from benchmarks.pgkd.cuts import SCARCE, Cut, cut
from benchmarks.pgkd.loops import Outcome, gain


def test_the_area_is_the_mean_accuracy_along_the_curve() -> None:
    assert Outcome((0.2, 0.6, 0.8), (1, 2, 3), 1.0).area == pytest.approx((0.4 + 0.7) / 2)


def test_a_gain_is_of_pairs_with_the_interval_of_students_t() -> None:
    found = gain([0.5, 0.7, 0.9], [0.4, 0.5, 0.6])
    # Differences 0.1, 0.2, 0.3: mean 0.2, standard error 0.1 / sqrt(3), t of 2 degrees 4.3027.
    assert found.mean == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2 - 4.302653 * 0.1 / 3**0.5)
    assert found.high == pytest.approx(0.2 + 4.302653 * 0.1 / 3**0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("source", "shots", "dev"), [("banking77", 5, True), ("names", 0, False)])
def test_a_cut_shares_no_row_and_its_pool_copies_no_test_row(
    data: Path, tmp_path: Path, source: str, shots: int, dev: bool
) -> None:
    place = cut(data, tmp_path, 0, shots, dev, source)
    lots = {name: pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in place.rows}
    forms = {
        name: {" ".join(row["text"].lower().split()) for row in rows} for name, rows in lots.items()
    }
    for name in ("start", "pool"):
        assert not forms[name] & (forms["validation"] | forms["test"])
    # Train has copies of its own, and the pool leaves them in.
    assert len(forms["start"] & forms["pool"]) < 5
    assert len(lots["validation"]) == 5 * len(place.classes)
    if shots:
        assert len(lots["start"]) == shots * 77


@pytest.mark.slow
@pytest.mark.parametrize("source", ["names", "pairs"])
def test_sets_without_a_test_split_have_the_same_test_rows_in_each_draw_and_share_none(
    data: Path, tmp_path: Path, source: str
) -> None:
    tests = []
    for seed in (0, 1):
        place = cut(data, tmp_path / str(seed), seed, 5, source=source, scarce=True)
        lots = {
            name: pq.read_table(place.folder / f"{name}.parquet").to_pylist() for name in place.rows
        }
        texts = {name: {row["text"].lower() for row in rows} for name, rows in lots.items()}
        assert not (texts["start"] | texts["pool"]) & (texts["validation"] | texts["test"])
        assert min(Counter(row["label"] for row in lots["pool"]).values()) <= SCARCE
        tests.append(lots["test"])
    assert tests[0] == tests[1]


@pytest.mark.slow
def test_an_allocation_is_compared_on_the_same_rows_and_budget(data: Path, tmp_path: Path) -> None:
    place = cut(data, tmp_path, 0, 2, source="names", scarce=True)
    few = [label for label in place.classes if label < "d"]
    world = World(place.folder, few, None, 0)
    keep = [i for i, label in enumerate(world.test.labels) if label in few]
    world.start, world.validation, world.pool, world.test = (
        lot.take([i for i, label in enumerate(lot.labels) if label in few])
        for lot in (world.start, world.validation, world.pool, world.test)
    )
    own, uniform = (world.curve(arm, 2) for arm in ("own", "uniform"))
    assert own.right.shape == uniform.right.shape == (3, len(keep))
    assert (own.right[0] == uniform.right[0]).all()
    assert len(world.start) < uniform.rows <= len(world.start) + 2 * len(few)
    assert own.by_row.mean() > 1 / len(few)


def test_every_arm_is_a_recipe(tmp_path: Path) -> None:
    for arm in ARMS:
        assert recipe(arm, Cut(tmp_path, ("a", "b"), {}), 0, "tfidf", 0.1, True).loop
