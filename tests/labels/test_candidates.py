"""Tests of the rows that may be labelled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.files import write_csv
from support.label_candidates import KIND, make_pool, pool_rows

from synthkd import Recipe, run
from synthkd.errors import InputError
from synthkd.labels.candidates import candidate_sentence, kind_name, prompt_reader, read_candidates
from synthkd.testing import FakeServer


def test_parquet_csv_and_json_lines_are_read_alike(tmp_path: Path) -> None:
    rows = pool_rows(5)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "r.parquet")
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pools = [read_candidates(tmp_path / name, KIND) for name in ("r.parquet", "r.jsonl")] + [
        make_pool(tmp_path, rows)
    ]
    for pool in pools:
        assert pool.ids == [f"r{i}" for i in range(5)]
        np.testing.assert_allclose(pool.scores, [row["score"] for row in rows])  # type: ignore[arg-type]


def test_a_row_without_an_id_has_that_of_its_content(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "id"} for row in pool_rows(2)]
    assert sorted(make_pool(tmp_path, rows).ids) == sorted(KIND.identity(row) for row in rows)


def test_a_row_of_json_lines_without_a_column_is_named(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in pool_rows(3)]
    lines[1] = '{"id": "r1", "head": "oak", "relation": "UsedFor", "tial": "shade"}'
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    with pytest.raises(
        InputError, match=r"r.jsonl row 2: no column 'tail' \(did you mean 'tial'\?\)"
    ):
        read_candidates(tmp_path / "r.jsonl", KIND)


def fates() -> list[dict[str, Any]]:
    said = [None, "critic", "too_long", "duplicate", None]
    rows = [row | {"rejected_by": fate} for row, fate in zip(pool_rows(5), said, strict=True)]
    rows[3]["id"] = "r0"
    rows[2]["score"] = None
    return rows


@pytest.mark.parametrize(
    ("which", "ids"),
    [
        ("critic", "r0 r1 r4"),
        ("accepted", "r0 r4"),
        ("rejected", "r0 r1 r2"),
        ("all", "r0 r1 r2 r4"),
    ],
)
def test_the_rows_that_a_critic_decides_or_others_are_taken(
    tmp_path: Path, which: str, ids: str
) -> None:
    pq.write_table(pa.Table.from_pylist(fates()), tmp_path / "r.parquet")
    pool = read_candidates(tmp_path / "r.parquet", KIND, which)
    assert pool.ids == ids.split()
    assert (pool.scores is None) == (which in ("rejected", "all"))


def test_an_accepted_row_stands_for_its_rejected_duplicate(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(fates()[::-1]), tmp_path / "r.parquet")
    pool = read_candidates(tmp_path / "r.parquet", KIND, "all")
    assert pool.rows[pool.positions["r0"]]["rejected_by"] is None


def test_a_large_whole_is_sampled_and_the_scale_stands_for_the_rest(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "r.csv", pool_rows(3000))
    pool = read_candidates(path, KIND, limit=400)
    assert len(pool) == 400
    assert pool.scale * 400 == pytest.approx(3000, rel=0.15)
    back = write_csv(tmp_path / "b.csv", pool_rows(3000)[::-1])
    assert read_candidates(back, KIND, limit=400).ids == pool.ids


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row | {"score": "nan"} for row in pool_rows(3)], "the score is 'nan'"),
        (
            [row | {"score": "" if i else 0.5} for i, row in enumerate(pool_rows(3))],
            "or none has one",
        ),
        ([{"id": "a", "head": "h", "tail": "t"}], "no column 'relation'"),
    ],
)
def test_rows_that_cannot_be_drawn_from_are_refused(
    tmp_path: Path, rows: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        assert make_pool(tmp_path, rows).scores is None


def test_a_folder_that_is_neither_corpus_nor_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a corpus"):
        read_candidates(tmp_path, KIND)


def test_a_relation_that_the_kind_does_not_know_is_shown_as_columns() -> None:
    assert candidate_sentence(KIND, {"head": "a", "relation": "Odd", "tail": "b"}) == "a | Odd | b"


@pytest.mark.slow
def test_a_corpus_and_its_run_give_the_same_rows_with_their_prompts(
    make_recipe: Any, tmp_path: Path
) -> None:
    with FakeServer() as server:
        recipe: Recipe = make_recipe(server.url)
        run(recipe, quiet=True)
    corpus, folder = (
        read_candidates(recipe.corpus_path, KIND),
        read_candidates(recipe.work_dir, KIND),
    )
    assert corpus.ids == folder.ids
    assert kind_name(recipe.corpus_path) == kind_name(recipe.work_dir) == "triple"
    prompt = prompt_reader(recipe.corpus_path)(corpus.rows[0])
    assert prompt is not None
    assert corpus.rows[0]["head"] in prompt


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("tail", None, "'tail' is empty"),
        ("tail", float("nan"), "'tail' is empty"),
        ("tail", ["bark"], "'tail' is a list of 1"),
        ("id", ["a"], "'id' is a list of 1"),
        ("id", {"a": 1}, "'id' is an object"),
        ("text", ["oak", "bark"], "'text' is a list of 2"),
    ],
)
def test_a_cell_that_is_no_text_is_refused_with_its_row_and_never_left_out(
    tmp_path: Path, column: str, value: Any, said: str
) -> None:
    rows = [{"id": "a", "head": "oak", "relation": "HasA", "tail": "bark"} for _ in range(2)]
    rows[1] |= {"id": "b", column: value}
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=rf"r\.jsonl row 2: {said}"):
        read_candidates(tmp_path / "r.jsonl", KIND)


def test_the_id_nought_is_an_id(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(
        '{"id": 0, "head": "oak", "relation": "HasA", "tail": "bark"}\n'
    )
    assert read_candidates(tmp_path / "r.jsonl", KIND).rows[0]["id"] == "0"
