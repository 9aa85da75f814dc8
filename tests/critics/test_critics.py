"""Label sheets, the linear critic, its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.critic_sheets import sheet_rows
from support.files import write_csv

from synthkd.artifacts.folder import HASHES
from synthkd.critics.files import ARRAYS, CONFIG
from synthkd.critics.folder import FACTS, HELD_OUT, SEEN, load_critic
from synthkd.critics.labels import read_labels
from synthkd.critics.score import score_file
from synthkd.critics.train import train_critic
from synthkd.errors import CriticError, InputError
from synthkd.kinds.event import EventKind
from synthkd.kinds.triple import TripleKind

KIND = TripleKind()


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "labels.csv", sheet_rows())


def test_no_head_stands_on_both_sides_of_the_split(sheet: Path) -> None:
    found = read_labels(sheet, KIND)
    _, _, train = found.part(held_out=False)
    _, _, held = found.part(held_out=True)
    assert train
    assert held
    assert not set(train) & set(held)


def test_the_order_of_the_sheet_does_not_change_the_split(tmp_path: Path, sheet: Path) -> None:
    other = write_csv(tmp_path / "other.csv", sheet_rows()[::-1])
    sides = [set(read_labels(path, KIND).part(held_out=True)[2]) for path in (sheet, other)]
    assert sides[0] == sides[1]


def test_a_split_that_the_sheet_names_is_kept(tmp_path: Path) -> None:
    rows = [
        row | {"split": "held_out" if i < 100 else "train"} for i, row in enumerate(sheet_rows())
    ]
    assert read_labels(write_csv(tmp_path / "l.csv", rows), KIND).held_out.sum() == 100


def test_a_head_on_both_sides_of_a_named_split_is_refused(tmp_path: Path) -> None:
    rows = [row | {"split": "test" if i < 101 else "train"} for i, row in enumerate(sheet_rows())]
    with pytest.raises(CriticError, match="both sides"):
        read_labels(write_csv(tmp_path / "l.csv", rows), KIND)


def test_rows_labelled_both_ways_are_named_and_left_out(tmp_path: Path) -> None:
    rows = sheet_rows()
    path = write_csv(tmp_path / "l.csv", [*rows, rows[0] | {"label": False}, rows[1]])
    found = read_labels(path, KIND)
    assert found.conflicts == ["h0 | UsedFor | good 0"]
    assert found.repeated == 2
    assert found.rows.num_rows == 399


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (sheet_rows(10), "20 are needed"),
        ([row | {"label": True} for row in sheet_rows()], "rows of both"),
        (
            [row | {"label": "perhaps"} for row in sheet_rows()],
            "'label' is 'perhaps', which is no verdict",
        ),
        (
            [{k: v for k, v in row.items() if k != "tail"} for row in sheet_rows()],
            "no column 'tail'",
        ),
        (
            [{k: v for k, v in row.items() if k != "label"} for row in sheet_rows()],
            "no column 'label'",
        ),
    ],
)
def test_a_sheet_that_cannot_serve_is_refused_with_the_reason(
    tmp_path: Path, rows: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(CriticError, match=said):
        read_labels(write_csv(tmp_path / "l.csv", rows), KIND)


def test_a_missing_sheet_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv"):
        read_labels(tmp_path / "gone.csv", KIND)


@pytest.fixture
def trained(sheet: Path, tmp_path: Path) -> Path:
    train_critic(KIND, read_labels(sheet, KIND), out=tmp_path / "critic")
    return tmp_path / "critic"


def table(*tails: str) -> pa.Table:
    return pa.Table.from_pylist(
        [{"head": "h", "relation": "UsedFor", "tail": tail} for tail in tails]
    )


@pytest.mark.slow
def test_a_critic_tells_good_from_bad_on_heads_it_never_saw(trained: Path) -> None:
    critic = load_critic(trained, KIND)
    good = critic.score(table(*(f"good {i}" for i in range(401, 421))))
    bad = critic.score(table(*(f"bad {i}" for i in range(401, 421))))
    assert good.min() > bad.max()


@pytest.mark.slow
def test_a_loaded_critic_scores_as_the_trained_one_did(trained: Path, sheet: Path) -> None:
    fresh = train_critic(KIND, read_labels(sheet, KIND))
    rows = table(*(f"good {i}" for i in range(50)))
    np.testing.assert_allclose(load_critic(trained, KIND).score(rows), fresh.score(rows), atol=1e-5)
    assert load_critic(trained, KIND).fingerprint == fresh.fingerprint


@pytest.mark.slow
def test_batches_carry_no_meaning_for_scores(trained: Path) -> None:
    critic = load_critic(trained, KIND)
    rows = table(*(f"{w} {i}" for i in range(9) for w in ("good", "bad")))
    parts = np.concatenate([critic.score(rows.slice(i, 1)) for i in range(rows.num_rows)])
    np.testing.assert_allclose(critic.score(rows), parts)


@pytest.mark.slow
def test_the_likelihood_of_a_teacher_counts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(600):
        label = bool(rng.random() < 0.5)
        logprob = float(rng.normal(-1.0 if label else -4.0, 0.5))
        rows.append(
            {
                "head": f"h{i}",
                "relation": "UsedFor",
                "tail": f"t{i}",
                "label": label,
                "logprob": logprob,
                "tokens": 2,
            }
        )
    trained = train_critic(KIND, read_labels(write_csv(tmp_path / "l.csv", rows), KIND))
    assert trained.curve.auc > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", [ARRAYS, CONFIG, HELD_OUT, FACTS, SEEN, HASHES])
def test_a_truncated_file_of_a_critic_is_refused(trained: Path, name: str) -> None:
    path = trained / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CriticError, match="altered"):
        load_critic(trained, KIND)


@pytest.mark.slow
def test_held_out_verdicts_that_were_altered_are_refused(trained: Path) -> None:
    import pyarrow.parquet as pq

    held = pq.read_table(trained / HELD_OUT)
    better = held.set_column(
        held.schema.get_field_index("label"), "label", pa.array([True] * held.num_rows)
    )
    pq.write_table(better, trained / HELD_OUT)
    with pytest.raises(CriticError, match=r"held_out\.parquet: cut or altered"):
        load_critic(trained, KIND)


@pytest.mark.slow
@pytest.mark.parametrize("name", [HELD_OUT, SEEN, HASHES])
def test_a_file_that_is_gone_is_named(trained: Path, name: str) -> None:
    (trained / name).unlink()
    with pytest.raises(CriticError, match=f"{name}: missing"):
        load_critic(trained, KIND)


@pytest.mark.slow
def test_altered_weights_are_refused(trained: Path) -> None:
    data = bytearray((trained / ARRAYS).read_bytes())
    data[-1] ^= 1
    (trained / ARRAYS).write_bytes(bytes(data))
    with pytest.raises(CriticError, match="cut or altered"):
        load_critic(trained, KIND)


@pytest.mark.slow
def test_a_critic_of_another_kind_is_refused(trained: Path) -> None:
    with pytest.raises(CriticError, match="'triple', not 'event'"):
        load_critic(trained, EventKind())


@pytest.mark.slow
def test_the_card_tells_data_guarantees_and_weak_places(trained: Path) -> None:
    card = (trained / "README.md").read_text()
    for said in ("AUC", "What it guarantees", "Where it is weakest", "held-out"):
        assert said in card


@pytest.mark.slow
def test_no_file_of_a_critic_can_run_code(trained: Path) -> None:
    assert {path.suffix for path in trained.iterdir()} == {
        ".safetensors",
        ".json",
        ".parquet",
        ".md",
        ".svg",
    }
    json.loads((trained / CONFIG).read_text())


@pytest.mark.slow
def test_rows_of_a_file_are_scored_into_another(trained: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    rows = write_csv(
        tmp_path / "rows.csv",
        [{"head": "h", "relation": "UsedFor", "tail": t} for t in ("good 1", "bad 1")],
    )
    assert score_file(trained, rows, tmp_path / "out.parquet", KIND) == 2
    good, bad = pq.read_table(tmp_path / "out.parquet").column("score").to_pylist()
    assert good > bad


@pytest.mark.slow
def test_real_candidates_are_told_apart_better_than_080(data: Path) -> None:
    found = read_labels(data / "cskb_population" / "dev.parquet", KIND, label="valid")
    assert train_critic(KIND, found).curve.auc > 0.80
