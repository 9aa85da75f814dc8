"""Out-of-fold scores: no row is scored by a critic that saw its group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synthkd.critics.cross_fitting import crossfit, group_folds
from synthkd.errors import CriticError

GROUPS = [f"g{i // 3}" for i in range(90)]
ROWS = pa.table({"head": GROUPS, "tail": [str(i) for i in range(90)]})
LABELS = np.arange(90) % 2 == 0


class Remembers:
    """Scores 1 what it saw in training by head, 0 what is new."""

    def prepare(self, rows: pa.Table, groups: Sequence[str]) -> None:
        assert rows.num_rows == len(groups)

    def fit(
        self, rows: pa.Table, labels: Any, groups: Sequence[str] = (), weights: Any = None
    ) -> None:
        assert rows.num_rows == len(labels) == len(groups)
        self.seen = set(rows["head"].to_pylist())

    def score(self, rows: pa.Table) -> Any:
        return np.array([float(head in self.seen) for head in rows["head"].to_pylist()])


def test_no_row_is_scored_by_a_critic_that_saw_its_group() -> None:
    assert crossfit(Remembers, ROWS, LABELS, GROUPS, folds=4).max() == 0  # type: ignore[arg-type]


def test_folds_are_of_nearly_equal_size_and_keep_groups_together() -> None:
    fold = group_folds(GROUPS, 4)
    assert all(len(set(fold[i : i + 3])) == 1 for i in range(0, 90, 3))
    assert np.ptp(np.bincount(fold)) <= 3


def test_the_order_of_rows_does_not_change_the_folds() -> None:
    order = np.random.default_rng(0).permutation(90)
    shuffled = [GROUPS[i] for i in order]
    np.testing.assert_array_equal(group_folds(shuffled, 5), group_folds(GROUPS, 5)[order])


def test_another_seed_makes_other_folds() -> None:
    assert (group_folds(GROUPS, 5, seed=0) != group_folds(GROUPS, 5, seed=1)).any()


@pytest.mark.parametrize(
    ("folds", "labels", "said"),
    [
        (1, LABELS, "at least 2"),
        (31, LABELS, "as many groups"),
        (3, np.ones(90), "all verdicts are the same"),
    ],
)
def test_what_cannot_be_crossfitted_is_refused(folds: int, labels: Any, said: str) -> None:
    with pytest.raises(CriticError, match=said):
        crossfit(Remembers, ROWS, labels, GROUPS, folds=folds)  # type: ignore[arg-type]


def test_rows_labels_and_groups_must_be_as_many() -> None:
    with pytest.raises(CriticError, match="90 rows, 90 labels and 1 groups"):
        crossfit(Remembers, ROWS, LABELS, ["g"])  # type: ignore[arg-type]
