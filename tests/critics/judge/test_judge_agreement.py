"""Tests that a run and `synthkd critic score` give equal scores, to the last bit.

The tests cover every critic and every shape of label sheet.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.files import write_csv
from support.tiny_encoder import write_bert

from benchmarks.critics.agreement import (
    KIND,
    SHAPES,
    answer,
    critics,
    difference,
    sheet_rows,
    write_rows,
)
from synthkd.critics.columns import cast_columns
from synthkd.critics.folder import load_critic
from synthkd.critics.labels import read_labels
from synthkd.critics.score import score_file
from synthkd.critics.teacher_numbers import NUMERIC, Scales
from synthkd.critics.train import train_critic
from synthkd.critics.trained_critic import TrainedCritic
from synthkd.errors import CriticError, InputError
from synthkd.testing import FakeServer

pytest.importorskip("sklearn")

WORDS = ["good", "bad", "thing", "used", "for", "cutting", "eating"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose journal is shared, so that the server is asked once."""
    return tmp_path_factory.mktemp("agreement")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with FakeServer(answer=answer) as server:
        yield server.url


@pytest.fixture(scope="module")
def reference(folder: Path) -> Path:
    rows = [row for row in sheet_rows("texts alone") if row["label"]]
    return write_rows(rows, folder / "reference.csv")


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_scores_as_the_verb_does_on_every_shape_of_sheet(
    folder: Path, url: str, shape: str
) -> None:
    assert difference(folder, url, {"name": "linear"}, shape) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["text", "knowledge-base", "stack", "bag"])
def test_a_run_scores_as_the_verb_does_for_every_critic(
    folder: Path, url: str, reference: Path, name: str
) -> None:
    assert difference(folder, url, critics(None, reference)[name], "partly missing") == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["encoder", "frozen encoder", "knowledge-base, embedder", "stack, encoders"]
)
def test_a_run_scores_as_the_verb_does_for_every_critic_with_an_encoder(
    folder: Path, url: str, reference: Path, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("torch")
    if not (folder / "bert").exists():
        (folder / "bert").mkdir()
        write_bert(folder / "bert", WORDS, 64)
    assert difference(folder, url, critics(str(folder / "bert"), reference)[name], "all") == 0


@pytest.fixture(scope="module")
def texts_alone(folder: Path) -> TrainedCritic:
    sheet = write_rows(list(sheet_rows("texts alone")), folder / "alone.csv")
    return train_critic(KIND, read_labels(sheet, KIND), out=folder / "alone")


def rows(count: int = 40, **numbers: Any) -> pa.Table:
    found = [row for _, row in zip(range(count), sheet_rows("texts alone"), strict=False)]
    return pa.Table.from_pylist(
        [{name: row[name] for name in KIND.columns} | numbers for row in found]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "numbers",
    [
        {"recurrence": 1},
        {"recurrence": 7},
        {"logprob": -3.5, "tokens": 4},
        {"logprob": float("nan")},
        {"logprob": None, "tokens": None, "recurrence": None},
    ],
)
def test_numbers_that_the_sheet_lacked_move_no_score(
    texts_alone: TrainedCritic, numbers: dict[str, Any]
) -> None:
    assert np.array_equal(texts_alone.score(rows(**numbers)), texts_alone.score(rows()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear", "text"])
@pytest.mark.parametrize("value", [1, 5, None])
def test_a_number_that_was_the_same_in_all_training_rows_moves_no_score(
    tmp_path: Path, name: str, value: int | None
) -> None:
    labelled = [row | {"recurrence": 2} for row in sheet_rows("texts alone")]
    trained = train_critic(KIND, read_labels(write_csv(tmp_path / "l.csv", labelled), KIND), name)
    assert np.array_equal(trained.score(rows(recurrence=value)), trained.score(rows(recurrence=2)))


def test_the_critics_numbers_are_told_with_it(texts_alone: TrainedCritic, folder: Path) -> None:
    ignored = ["logprob", "tokens", "recurrence"]
    assert texts_alone.facts()["numbers"] == {"read": [], "ignored": ignored}
    assert load_critic(folder / "alone", KIND).critic.numbers() == ([], ignored)
    assert (
        "It does not read `logprob`, `tokens`, `recurrence`"
        in (folder / "alone" / "README.md").read_text()
    )


@pytest.mark.slow
def test_numbers_that_a_critic_reads_are_known_after_loading(folder: Path) -> None:
    for name in ("linear", "text", "stack"):
        sheet = write_rows(list(sheet_rows("logprob and tokens")), folder / "read.csv")
        options = {"critics": ["linear", "text"], "folds": 2} if name == "stack" else {}
        trained = train_critic(
            KIND, read_labels(sheet, KIND), name, folder / f"read-{name}", options
        )
        assert trained.critic.numbers() == (["logprob", "tokens"], ["recurrence"])
        assert (
            load_critic(folder / f"read-{name}", KIND).critic.numbers() == trained.critic.numbers()
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "same",
    [
        {"logprob": "-2.5", "tokens": "3"},
        {"logprob": -2.5, "tokens": 3.0},
        {"logprob": " -2.50 ", "tokens": True + 2},
    ],
)
def test_a_number_counts_the_same_as_text_float_or_integer(
    folder: Path, same: dict[str, Any]
) -> None:
    sheet = write_rows(list(sheet_rows("logprob and tokens")), folder / "typed.csv")
    trained = train_critic(KIND, read_labels(sheet, KIND))
    assert np.array_equal(trained.score(rows(**same)), trained.score(rows(logprob=-2.5, tokens=3)))


def test_texts_of_other_types_are_read_as_a_sheet_is() -> None:
    table = pa.table(
        {
            "head": pa.array(["a", "a"]).dictionary_encode(),
            "relation": pa.array(["IsA", None], pa.large_string()),
            "tail": pa.array([1.0, float("nan")]),
            "logprob": pa.array([float("inf"), -1.0]),
        }
    )
    assert cast_columns(table, KIND).to_pylist() == [
        {"head": "a", "relation": "IsA", "tail": "1", "logprob": None},
        {"head": "a", "relation": None, "tail": None, "logprob": -1.0},
    ]


def test_a_number_that_is_none_is_refused_with_its_row(
    texts_alone: TrainedCritic, folder: Path
) -> None:
    odd = [row | {"logprob": "-1"} for row in rows(5).to_pylist()]
    odd[3]["logprob"] = "low"
    with pytest.raises(CriticError, match="row 4: logprob is 'low', which is no number"):
        texts_alone.score(pa.Table.from_pylist(odd))
    file = write_rows(odd, folder / "odd.csv")
    with pytest.raises(InputError, match=r"odd\.csv row 4: logprob is 'low'"):
        score_file(folder / "alone", file, folder / "odd.parquet", KIND)


def test_a_list_is_no_text() -> None:
    table = rows(2).set_column(2, "tail", pa.array([["a"], ["b"]]))
    with pytest.raises(CriticError, match=r"row 1.*tail.*list"):
        cast_columns(table, KIND)


def test_a_value_that_another_processor_rounds_otherwise_falls_into_the_same_bin() -> None:
    values = np.log1p(np.tile([[1.0, 1, 2, 3], [2.0, 2, 3, 4]], (50, 1)))
    scales = Scales.of(values)
    for toward in (-np.inf, np.inf):
        assert np.allclose(scales.dense(np.nextafter(values, toward)), scales.dense(values))


def test_a_number_that_all_training_rows_had_counts_as_average_where_it_is_missing() -> None:
    values = np.random.default_rng(0).normal(size=(200, len(NUMERIC)))
    scales = Scales.of(values)
    missing = values[:3].copy()
    missing[:, 0] = np.nan
    dense = scales.dense(missing)
    assert not dense[:, [0, len(NUMERIC)]].any()
    assert np.allclose(scales.dense(values).mean(axis=0), 0)
