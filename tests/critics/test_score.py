"""A file of rows scored into another: in parts, which are used again after an interruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.files import write_csv

from synthkd.critics.folder import load_critic
from synthkd.critics.labels import read_labels
from synthkd.critics.score import score_file
from synthkd.critics.train import train_critic
from synthkd.critics.trained_critic import TrainedCritic
from synthkd.errors import InputError
from synthkd.kinds.triple import TripleKind

pytestmark = pytest.mark.slow

KIND = TripleKind()
COUNT = 25


def sheet(folder: Path, good: str = "good") -> Path:
    rows = [
        {"head": f"h{i // 2}", "relation": "UsedFor",
        "tail": f"{good if i % 2 == 0 else 'bad'} {i}", "label": i % 2 == 0}
        for i in range(400)
    ]  # fmt: skip
    return write_csv(folder / "labels.csv", rows)


@pytest.fixture
def critic(tmp_path: Path) -> Path:
    train_critic(KIND, read_labels(sheet(tmp_path), KIND), out=tmp_path / "critic")
    return tmp_path / "critic"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    columns = {"head": "h", "relation": "UsedFor", "tail": [f"good {i}" for i in range(COUNT)]}
    table = pa.table(
        {name: [v] * COUNT if isinstance(v, str) else v for name, v in columns.items()}
    )
    pq.write_table(table.append_column("id", pa.array(range(COUNT))), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


class Interrupted(Exception): ...


def interrupted_after(monkeypatch: pytest.MonkeyPatch, parts: int) -> list[int]:
    """Count the rows that are scored; raise when so many parts are done. Negative: never."""
    scored: list[int] = []
    work = TrainedCritic.score

    def score(self: TrainedCritic, table: pa.Table) -> np.ndarray:  # type: ignore[type-arg]
        if len(scored) == parts:
            raise Interrupted
        scored.append(table.num_rows)
        return work(self, table)

    monkeypatch.setattr(TrainedCritic, "score", score)
    return scored


def test_rows_keep_their_order_and_columns(critic: Path, rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert score_file(critic, rows, out, KIND, part=7) == COUNT
    found = pq.read_table(out)
    assert found.schema.names == ["head", "relation", "tail", "id", "score"]
    assert found.column("id").to_pylist() == list(range(COUNT))
    assert np.allclose(found.column("score"), load_critic(critic, KIND).score(pq.read_table(rows)))


def test_what_was_scored_before_an_interruption_is_not_scored_again(
    critic: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.parquet"
    with monkeypatch.context() as patch:
        interrupted_after(patch, 2)
        with pytest.raises(Interrupted):
            score_file(critic, rows, out, KIND, part=10)
    assert not out.exists()
    scored = interrupted_after(monkeypatch, -1)
    assert score_file(critic, rows, out, KIND, part=10) == COUNT
    assert scored == [5]


def test_parts_of_another_critic_or_of_other_rows_are_not_used(
    critic: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.parquet"
    with monkeypatch.context() as patch:
        interrupted_after(patch, 2)
        with pytest.raises(Interrupted):
            score_file(critic, rows, out, KIND, part=10)
    table = pq.read_table(rows)
    pq.write_table(table.slice(0, 12), rows)
    scored = interrupted_after(monkeypatch, -1)
    assert score_file(critic, rows, out, KIND, part=10) == 12
    assert scored == [10, 2]


def test_nothing_is_left_beside_the_result(critic: Path, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    score_file(critic, rows, tmp_path / "results" / "out.parquet", KIND, part=7)
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["out.parquet"]


def test_a_score_that_rows_have_already_is_replaced(
    critic: Path, rows: Path, tmp_path: Path
) -> None:
    score_file(critic, rows, tmp_path / "once.parquet", KIND)
    score_file(critic, tmp_path / "once.parquet", tmp_path / "twice.parquet", KIND)
    assert pq.read_table(tmp_path / "twice.parquet") == pq.read_table(tmp_path / "once.parquet")


def test_what_is_read_is_never_written_over(critic: Path, rows: Path, tmp_path: Path) -> None:
    score_file(critic, rows, tmp_path / "once.parquet", KIND)
    before = (tmp_path / "once.parquet").read_bytes()
    for out in (tmp_path / "once.parquet", critic / "scored.parquet"):
        with pytest.raises(InputError, match="name another file"):
            score_file(critic, tmp_path / "once.parquet", out, KIND)
    assert (tmp_path / "once.parquet").read_bytes() == before


def test_an_output_that_is_no_parquet_file_is_refused(
    critic: Path, rows: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.parquet").mkdir()
    for name, said in (("out.csv", r"ends in \.parquet"), ("a.parquet", "a folder")):
        with pytest.raises(InputError, match=said):
            score_file(critic, rows, tmp_path / name, KIND)


def test_a_row_without_one_of_the_kinds_columns_is_named(critic: Path, tmp_path: Path) -> None:
    good = {"head": "h", "relation": "UsedFor", "tail": "good"}
    pq.write_table(
        pa.Table.from_pylist([good, good, good | {"tail": None}]), tmp_path / "gap.parquet"
    )
    with pytest.raises(InputError, match="row 3: 'tail' is missing"):
        score_file(critic, tmp_path / "gap.parquet", tmp_path / "out.parquet", KIND, part=2)


def test_a_missing_column_is_named(critic: Path, rows: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(rows).rename_columns(["head", "relation", "tale", "id"]), rows)
    with pytest.raises(
        InputError, match=r"rows.parquet: no column 'tail' \(did you mean 'tale'\?\)"
    ):
        score_file(critic, rows, tmp_path / "out.parquet", KIND)


def test_a_file_without_rows_is_refused(critic: Path, rows: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(rows).slice(0, 0), rows)
    with pytest.raises(InputError, match="no rows"):
        score_file(critic, rows, tmp_path / "out.parquet", KIND)


def test_a_missing_file_is_named(critic: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.parquet: no such file"):
        score_file(critic, tmp_path / "nowhere.parquet", tmp_path / "out.parquet", KIND)
