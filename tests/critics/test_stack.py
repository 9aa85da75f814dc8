"""The stack: cross-fitting, the combination, its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from synthkd import plugins
from synthkd.artifacts.folder import write_hashes
from synthkd.critics.base import CriticModel, Labels, Scores
from synthkd.critics.files import ARRAYS, CONFIG, CriticSettings, read_files, write_files
from synthkd.critics.stack import StackCritic
from synthkd.errors import CriticError
from synthkd.kinds.base import Kind
from synthkd.kinds.triple import TripleKind
from synthkd.options import BaseOptions

pytest.importorskip("sklearn")

KIND = TripleKind()


class ColumnSettings(CriticSettings):
    column: str
    offset: float


class Column(CriticModel):
    """Scores a row by a number that it bears; remembers which groups it was trained on."""

    name: ClassVar[str] = "column"
    seen: ClassVar[list[set[str]]] = []

    class Options(BaseOptions):
        column: str = "one"
        offset: float = 0.0

    options: Options

    def __init__(self, kind: Kind, **options: Any) -> None:
        super().__init__(kind, **options)
        self.column, self.offset = self.options.column, self.options.offset

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        self.seen.append(set(groups))

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        values: Any = np.array(batch.column(self.column).to_pylist(), dtype=np.float64)
        return 1 / (1 + np.exp(-values - self.offset))

    def save(self, folder: Path) -> None:
        write_files(
            folder,
            {},
            {"critic": self.name, "version": 1, "column": self.column, "offset": self.offset},
        )

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> Column:
        _, settings = read_files(folder, cls.name, 1, ColumnSettings)
        return cls(kind, column=settings.column, offset=settings.offset)


class Memory(Column):
    """Knows every row that it was trained on, and nothing of any other."""

    name: ClassVar[str] = "memory"

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        self.known = dict(zip(rows.column("tail").to_pylist(), labels, strict=True))

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        return np.array(
            [
                {True: 0.99, False: 0.01}.get(self.known.get(t), 0.5)
                for t in batch["tail"].to_pylist()
            ]
        )


@pytest.fixture(autouse=True)
def members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the critics of this file by name, as another package would."""
    Column.seen = []
    points = dict(plugins.installed("critics"))
    for critic in (Column, Memory, Lucky, Silent):
        points[critic.name] = EntryPoint(
            critic.name, f"{__name__}:{critic.__name__}", "synthkd.critics"
        )
    monkeypatch.setattr(plugins, "installed", lambda group: points)


def drawn(count: int = 1200, seed: int = 0) -> tuple[pa.Table, Any, list[str]]:
    """Draw two numbers, each of which knows half of the truth."""
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(2, count))
    labels = rng.random(count) < 1 / (1 + np.exp(-1.5 * (one + two)))
    rows = pa.table(
        {
            "head": [f"h{i // 2}" for i in range(count)],
            "relation": ["UsedFor"] * count,
            "tail": [f"t{i}" for i in range(count)],
            "one": one,
            "two": two,
        }
    )
    return rows, labels, rows.column("head").to_pylist()


BOTH = [{"column": {"column": "one", "offset": 3.0}}, {"column": {"column": "two"}}]


def auc(labels: Any, scores: Any) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))


def fitted(critics: Any = BOTH, **options: Any) -> StackCritic:
    stack = StackCritic(KIND, critics, **options)
    stack.fit(*drawn())
    return stack


@pytest.mark.parametrize("folds", [1, 5])
def test_two_half_truths_together_beat_each_alone(folds: int) -> None:
    stack = fitted(folds=folds)
    rows, labels, _ = drawn(seed=1)
    alone = max(auc(labels, member.score(rows)) for member in stack.members)
    assert auc(labels, stack.score(rows)) > alone + 0.05


def test_the_combination_mends_a_member_that_is_always_too_sure() -> None:
    rows, labels, _ = drawn(seed=1)
    stack = fitted()
    assert abs(stack.members[0].score(rows).mean() - labels.mean()) > 0.2
    assert abs(stack.score(rows).mean() - labels.mean()) < 0.05


def test_a_member_that_only_remembers_gets_no_weight() -> None:
    stack = fitted([{"column": {"column": "one"}}, "memory"])
    assert abs(stack.shares["1-memory"]) < 0.05 * stack.shares["0-column"]


def test_no_group_is_scored_by_a_member_that_saw_it_and_the_last_members_saw_all() -> None:
    groups = set(drawn()[2])
    fitted(["column"], folds=4)
    left_out = [groups - seen for seen in Column.seen[:4]]
    assert set.union(*left_out) == groups
    assert sum(map(len, left_out)) == len(groups)
    assert Column.seen[4:] == [groups]


def test_with_one_fold_members_are_trained_once() -> None:
    fitted(["column"], folds=1, held_out=0.2)
    assert len(Column.seen) == 1


class Silent(Column):
    """Asks somebody who says nothing."""

    name: ClassVar[str] = "silent"
    asks: ClassVar[bool] = True

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        return np.full(batch.num_rows, np.nan)


def test_a_member_without_a_score_of_any_row_is_refused_in_one_line() -> None:
    with pytest.raises(
        CriticError, match="that every member scores have one verdict only, or there are none"
    ):
        fitted(["column", "silent"])


class Lucky(Column):
    """The truth of a column and as much noise, which depends on the rows that it was trained on."""

    name: ClassVar[str] = "lucky"

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        super().fit(rows, labels, groups, weights)
        self.luck = sum(int(group[1:]) for group in groups)

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        values: Any = np.array(batch.column(self.column).to_pylist(), dtype=np.float64)
        noise = np.random.default_rng(self.luck).normal(size=(10_000,))
        places = [int(tail[1:]) for tail in batch.column("tail").to_pylist()]
        return 1 / (1 + np.exp(-values - noise[places]))


def test_a_bag_of_the_folds_members_is_better_than_one_member_whose_training_is_luck() -> None:
    rows, labels, _ = drawn(seed=1)
    bag, one = fitted(["lucky"], refit=False), fitted(["lucky"])
    assert auc(labels, bag.score(rows)) > auc(labels, one.score(rows)) + 0.03


def test_without_refitting_no_member_is_trained_on_all_rows() -> None:
    stack = fitted(["column"], folds=4, refit=False)
    assert len(Column.seen) == 4
    assert all(len(seen) < len(set(drawn()[2])) for seen in Column.seen)
    assert len(stack.members[0].critics) == 4


@pytest.mark.parametrize("refit", [True, False])
def test_scores_of_unseen_rows_are_kept_for_whoever_combines_further(refit: bool) -> None:
    rows = drawn()[0]
    unseen = fitted(["column", "memory"], refit=refit).unseen
    assert unseen is not None
    assert np.allclose(unseen[:, 0], rows.column("one").to_numpy())
    assert not unseen[:, 1].any()


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows, labels, groups = drawn()
    order = np.random.default_rng(3).permutation(len(labels))
    stack = StackCritic(KIND, BOTH)
    stack.fit(rows.take(order), labels[order], [groups[i] for i in order])
    np.testing.assert_allclose(stack.score(rows), fitted().score(rows), atol=1e-5)


def test_a_row_that_stands_for_many_weighs_as_many() -> None:
    rows, labels, groups = drawn()
    light = StackCritic(KIND, ["column"])
    light.fit(rows, labels, groups, np.where(labels, 5.0, 1.0))
    assert light.score(rows).mean() > fitted(["column"]).score(rows).mean() + 0.1


@pytest.mark.slow
def test_a_loaded_stack_scores_as_the_trained_one_did(tmp_path: Path) -> None:
    stack = fitted(["linear", *BOTH], folds=2)
    stack.save(tmp_path)
    rows, _, _ = drawn(60, seed=2)
    np.testing.assert_allclose(
        StackCritic.load(tmp_path, KIND).score(rows), stack.score(rows), atol=1e-4
    )


@pytest.mark.slow
def test_a_loaded_stack_of_bags_scores_as_the_trained_one_did(tmp_path: Path) -> None:
    stack = fitted(["linear", *BOTH], folds=3, refit=False)
    stack.save(tmp_path)
    rows, _, _ = drawn(60, seed=2)
    assert len(list(tmp_path.glob("member-0-linear/fold-*"))) == 3
    np.testing.assert_allclose(
        StackCritic.load(tmp_path, KIND).score(rows), stack.score(rows), atol=1e-4
    )


def test_a_truncated_file_in_a_bag_is_refused(tmp_path: Path) -> None:
    fitted(folds=2, refit=False).save(tmp_path)
    file = tmp_path / "member-1-column" / "fold-2" / CONFIG
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(CriticError, match="altered"):
        StackCritic.load(tmp_path, KIND)


@pytest.mark.parametrize("name", [ARRAYS, CONFIG, f"member-1-column/{CONFIG}"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    fitted().save(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-5])
    with pytest.raises(CriticError, match="altered"):
        StackCritic.load(tmp_path, KIND)


def test_a_member_put_in_anothers_place_is_refused(tmp_path: Path) -> None:
    fitted().save(tmp_path)
    for name in (CONFIG, ARRAYS):
        (tmp_path / "member-1-column" / name).write_bytes(
            (tmp_path / "member-0-column" / name).read_bytes()
        )
    with pytest.raises(CriticError, match="member-1-column"):
        StackCritic.load(tmp_path, KIND)


@pytest.mark.parametrize(
    ("critics", "said"),
    [
        ([], "names none"),
        (["linaer"], "linear"),
        ([{"column": {}, "memory": {}}], "neither a critic's name"),
        ([{"column": {"colour": 1}}], "colour"),
    ],
)
def test_a_list_of_critics_that_cannot_be_is_refused_before_training(
    critics: Any, said: str
) -> None:
    with pytest.raises(CriticError, match=said):
        StackCritic(KIND, critics)


def test_a_member_without_a_score_is_named() -> None:
    rows, labels, groups = drawn()
    with_hole = rows.set_column(
        3, "one", pa.array([None, *rows["one"].to_pylist()[1:]], pa.float64())
    )
    with pytest.raises(CriticError, match="'column' gave 1 rows no score"):
        StackCritic(KIND, ["column"]).fit(with_hole, labels, groups)


def test_a_fold_with_verdicts_of_one_sort_is_refused() -> None:
    rows, _, groups = drawn(40)
    with pytest.raises(CriticError, match="one verdict only"):
        StackCritic(KIND, ["column"]).fit(rows, np.arange(40) == 0, groups)


def test_a_stack_that_was_not_trained_does_not_score() -> None:
    with pytest.raises(CriticError, match="not trained"):
        StackCritic(KIND, ["column"]).score(drawn(4)[0])


def test_a_members_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    fitted().save(tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    config["members"][0]["name"] = "x/../../outside"
    (tmp_path / CONFIG).write_text(json.dumps(config))
    write_hashes(tmp_path)
    with pytest.raises(CriticError, match=r"members\.0\.name"):
        StackCritic.load(tmp_path, KIND)
