"""Tests of label sheets: verdicts, annotators, weights and held-out rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.label_sheets import KIND, read, rows

from synthkd.critics.labels import read_labels
from synthkd.errors import CriticError, UserError


def test_verdicts_weights_and_the_way_of_choosing_are_read(tmp_path: Path) -> None:
    sheet = read(tmp_path, rows())
    heads = [int(head.removeprefix("head")) for head in sheet.rows.column("head").to_pylist()]
    np.testing.assert_array_equal(sheet.labels, [i % 2 == 0 for i in heads])
    np.testing.assert_array_equal(sheet.weights, [4.0 if i % 4 == 0 else 1.5 for i in heads])
    np.testing.assert_array_equal(sheet.uniform, [i % 4 == 0 for i in heads])
    assert len(sheet.part_weights(True)) == sheet.held_out.sum()


def test_a_sheet_without_weights_or_with_equal_ones_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, rows(weight=2.0)).weights is None
    bare = [{key: row[key] for key in ("head", "relation", "tail", "verdict")} for row in rows()]
    sheet = read(tmp_path, bare)
    assert sheet.weights is None
    assert sheet.uniform is None
    assert sheet.part_weights(True) is None


def test_unsure_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    found = [row | ({"verdict": "unsure"} if i < 10 else {}) for i, row in enumerate(rows())]
    sheet = read(tmp_path, found)
    assert (sheet.rows.num_rows, sheet.unsure) == (190, 10)


def test_rows_without_a_verdict_yet_are_counted(tmp_path: Path) -> None:
    found = [row | ({"verdict": ""} if i < 5 else {}) for i, row in enumerate(rows())]
    sheet = read(tmp_path, found)
    assert (sheet.rows.num_rows, sheet.unlabelled) == (195, 5)


def others(found: list[dict[str, Any]], name: str, wrong: range) -> list[dict[str, Any]]:
    turned = {"accept": "reject", "reject": "accept"}
    return [
        row | {"annotator": name} | ({"verdict": turned[row["verdict"]]} if i in wrong else {})
        for i, row in enumerate(found)
    ]


def test_annotators_are_merged_by_majority_and_ties_are_unsure(tmp_path: Path) -> None:
    found = rows()
    three = [*found, *others(found, "bob", range(5)), *others(found, "eve", range(5, 9))]
    sheet = read(tmp_path, three)
    assert (sheet.rows.num_rows, sheet.unsure, sheet.conflicts, sheet.repeated) == (200, 0, [], 0)
    assert sheet.labels.sum() == 100
    assert sheet.annotators == ["ann", "bob", "eve"]
    assert 0.9 < sheet.agreement < 0.97
    assert read(tmp_path, [*found, *others(found, "bob", range(6))]).unsure == 6


def test_annotators_are_merged_by_dawid_skene_where_asked(tmp_path: Path) -> None:
    found = rows()
    guess = others(found, "bob", range(0, 200, 2)) + others(found, "bee", range(0, 200, 2))
    several = [*found, *others(found, "eve", range(3)), *others(found, "joe", range(3, 6)), *guess]
    assert read(tmp_path, several, merge="dawid-skene").unsure == 0
    with pytest.raises(CriticError, match="three annotators"):
        read(tmp_path, [*found, *others(found, "bob", range(6))], merge="dawid-skene")


def test_one_annotator_who_said_both_is_named(tmp_path: Path) -> None:
    found = [*rows(), rows()[3] | {"verdict": "accept"}]
    sheet = read(tmp_path, found)
    assert sheet.conflicts == ["head3 | UsedFor | tail3"]
    assert sheet.rows.num_rows == 199


def test_held_out_rows_have_known_weights(tmp_path: Path) -> None:
    found = [row | ({"weight": ""} if i % 5 == 0 else {}) for i, row in enumerate(rows())]
    sheet = read(tmp_path, found)
    heads = np.array(
        [int(head.removeprefix("head")) for head in sheet.rows.column("head").to_pylist()]
    )
    assert not (sheet.held_out & (heads % 5 == 0)).any()
    assert ((heads % 5 == 0) & ~sheet.held_out).sum() == 40
    assert sheet.unweighed == 0


def test_a_row_without_a_weight_that_shares_a_group_with_held_out_rows_is_left_out(
    tmp_path: Path,
) -> None:
    found = [
        row | {"head": f"head{i // 2}"} | ({"weight": ""} if i % 8 == 0 else {})
        for i, row in enumerate(rows())
    ]
    sheet = read(tmp_path, found)
    assert sheet.unweighed > 0
    assert sheet.rows.num_rows + sheet.unweighed == 200
    assert not set(sheet.part(True)[2]) & set(sheet.part(False)[2])


@pytest.mark.parametrize("weight", ["nan", "-1", "0", "inf", "heavy"])
def test_a_weight_that_is_none_is_refused_with_its_row(tmp_path: Path, weight: str) -> None:
    found = [row | ({"weight": weight} if i == 6 else {}) for i, row in enumerate(rows())]
    with pytest.raises(CriticError, match=f"row 7: the weight is '{weight}'"):
        read(tmp_path, found)


def test_chosen_rows_without_any_weight_are_not_taken_for_uniform_ones(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match="no row has a weight yet"):
        read(tmp_path, rows(weight=""))


def test_a_nan_weight_in_parquet_is_unknown_as_an_empty_one_is(tmp_path: Path) -> None:
    found = [row | ({"weight": float("nan")} if i == 6 else {}) for i, row in enumerate(rows())]
    pq.write_table(pa.Table.from_pylist(found), tmp_path / "l.parquet")
    sheet = read_labels(tmp_path / "l.parquet", KIND)
    empty = read(
        tmp_path, [row | ({"weight": ""} if i == 6 else {}) for i, row in enumerate(rows())]
    )
    np.testing.assert_array_equal(sheet.held_out, empty.held_out)
    np.testing.assert_array_equal(sheet.weights, empty.weights)


def test_training_rows_that_nearly_repeat_held_out_ones_are_named_and_left_out(
    tmp_path: Path,
) -> None:
    found = [row | {"split": "test" if i < 60 else "train"} for i, row in enumerate(rows())]
    found[100] |= {"head": "The Head7s", "tail": "tail7", "verdict": "reject"}
    sheet = read(tmp_path, found)
    assert sheet.leaks == ["The Head7s | UsedFor | tail7 ~ head7 | UsedFor | tail7"]
    assert sheet.rows.num_rows == 199
    assert sheet.held_out.sum() == 60


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (rows(verdict="accept"), "all 200 verdicts are 'accept'"),
        (rows(20), "20 are needed"),
        (rows(verdict="perhaps"), "row 1: 'verdict' is 'perhaps', which is no verdict"),
    ],
)
def test_a_sheet_that_cannot_serve_is_refused(
    tmp_path: Path, found: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(CriticError, match=said):
        read(tmp_path, found)


def test_both_verdicts_of_one_annotator_clash_even_with_an_unsure_between(tmp_path: Path) -> None:
    found = rows(verdict="accept")[:1] + rows()[1:]
    again = [found[0] | {"verdict": word} for word in ("unsure", "reject")]
    assert read(tmp_path, [*found, *again]).conflicts == ["head0 | UsedFor | tail0"]


def test_a_number_that_is_none_is_refused_with_its_row_and_nan_is_an_empty_cell(
    tmp_path: Path,
) -> None:
    found = [row | {"logprob": "nan" if i % 2 else "-1.5"} for i, row in enumerate(rows())]
    assert read(tmp_path, found).rows.column("logprob").null_count == 100
    found[7]["logprob"] = "low"
    with pytest.raises(CriticError, match=r"row 8: logprob is 'low', which is no number"):
        read(tmp_path, found)


def test_a_row_without_one_of_the_kinds_columns_is_refused_and_not_read_as_the_word_none(
    tmp_path: Path,
) -> None:
    path = tmp_path / "l.parquet"
    pq.write_table(pa.Table.from_pylist([*rows(), rows()[3] | {"tail": None}]), path)
    with pytest.raises(CriticError, match="row 201: 'tail' is missing"):
        read_labels(path, KIND)


@pytest.mark.parametrize("share", [-1, 1.5, float("nan")])
def test_a_share_that_cannot_be_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(CriticError, match="must lie between 0 and 1"):
        read(tmp_path, rows(), held_out=share)


def test_a_misspelt_way_to_merge_is_refused_with_one_annotator_too(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match="did you mean 'majority'"):
        read(tmp_path, rows(), merge="majorty")


def test_a_sheet_of_unsure_rows_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match="20 are needed"):
        read(tmp_path, rows(verdict="unsure"))


def test_the_weighted_share_of_valid_rows_is_that_of_the_whole(tmp_path: Path) -> None:
    from synthkd.labels import sample_rows

    rng = np.random.default_rng(0)
    scores = rng.random(4000)
    valid = rng.random(4000) < scores
    taken = sample_rows([f"r{i}" for i in range(4000)], scores, count=900, threshold=0.9)
    found = [
        {"head": f"head{i}", "relation": "IsA", "tail": "t",
        "verdict": "accept" if valid[i] else "reject",
         "weight": weight, "chosen": how}
        for i, weight, how in zip(taken.rows, taken.weights, taken.strategies, strict=True)
    ]  # fmt: skip
    sheet = read(tmp_path, found)
    assert np.average(sheet.labels, weights=sheet.weights) == pytest.approx(valid.mean(), abs=0.04)
    assert abs(sheet.labels.mean() - valid.mean()) > 0.1


def messages(path: Path, verdict: str, rows: int = 240) -> Path:
    """Return a sheet of labelled text, whose kind has a column `label` of its own."""
    lines = ["text,label," + verdict] if verdict != "label" else ["text,label"]
    for i in range(rows):
        said, label = (
            f"message {i} about {'money' if i % 2 else 'shoes'}",
            "refund" if i % 3 else "order",
        )
        good = (i % 2 == 1) == (label == "refund")
        lines.append(
            f"{said},{label}" + (f",{'accept' if good else 'reject'}" if verdict != "label" else "")
        )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
def test_a_kind_with_a_column_label_keeps_its_verdicts_beside_it(tmp_path: Path) -> None:
    from synthkd.critics.folder import load_critic
    from synthkd.critics.train import train_critic
    from synthkd.kinds.labelled_text.kind import LabelledTextKind

    kind = LabelledTextKind()
    sheet = read_labels(messages(tmp_path / "sheet.csv", "verdict"), kind)
    assert set(sheet.rows.column("label").to_pylist()) == {"refund", "order"}
    trained = train_critic(kind, sheet, out=tmp_path / "critic")
    again = load_critic(tmp_path / "critic", kind)
    assert again.curve.auc == trained.curve.auc
    assert set(again.held_out.column("label").to_pylist()) <= {"refund", "order"}


def test_verdicts_in_a_column_of_the_kind_are_refused_by_name(tmp_path: Path) -> None:
    from synthkd.kinds.labelled_text.kind import LabelledTextKind

    with pytest.raises(
        CriticError, match=r"'label' is a column of the kind 'labelled_text'.*--label"
    ):
        read_labels(messages(tmp_path / "sheet.csv", "label"), LabelledTextKind())


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("tail", "", "'tail' is empty"),
        ("head", " \u00a0", "'head' is empty"),
        ("annotator", ["ann"], "'annotator' is a list of 1"),
        ("source", [1, 2], "'source' is a list of 2"),
    ],
)
def test_an_empty_cell_and_a_list_are_refused_with_their_row(
    tmp_path: Path, column: str, value: Any, said: str
) -> None:
    found = rows(source="a")
    found[6][column] = value
    with pytest.raises(UserError, match=f"row 7: {said}"):
        read_labels(as_lines(tmp_path, found), KIND, group="source")


def as_lines(folder: Path, found: list[dict[str, Any]]) -> Path:
    path = folder / "l.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


def test_a_row_without_the_column_of_verdicts_is_named(tmp_path: Path) -> None:
    found = rows()
    del found[4]["verdict"]
    with pytest.raises(CriticError, match="row 5: no column 'label'"):
        read_labels(as_lines(tmp_path, found), KIND)


def test_a_larger_sheet_is_sampled_by_group_whatever_its_order(tmp_path: Path) -> None:
    found = [row | {"head": f"head{i // 3}", "tail": f"tail{i}"} for i, row in enumerate(rows())]
    whole = read(tmp_path, found, held_out=0, max_rows=len(found))
    assert whole.sampled_from == 0
    first, second = (
        read(tmp_path, some, held_out=0, max_rows=60)
        for some in (found, [*found[100:], *found[:100]])
    )
    assert (first.rows.num_rows, first.sampled_from) == (60, len(found))
    assert set(first.rows.to_pylist()[0]) == set(whole.rows.to_pylist()[0])
    texts = [sorted(sheet.rows.column("tail").to_pylist()) for sheet in (first, second)]
    assert texts[0] == texts[1]
    sizes = Counter(first.groups).values()
    assert sorted(sizes)[1:] == [3] * (len(sizes) - 1)


def test_all_verdicts_of_a_sampled_row_are_kept(tmp_path: Path) -> None:
    found = rows()
    three = [*found, *others(found, "bob", range(5)), *others(found, "eve", range(5, 9))]
    sheet = read(tmp_path, three, held_out=0, max_rows=50)
    assert sheet.annotators == ["ann", "bob", "eve"]
    assert sheet.rows.num_rows + sheet.unsure == 50


def test_rows_outside_the_sample_are_checked_too(tmp_path: Path) -> None:
    found = [row | ({"verdict": "perhaps"} if i == 150 else {}) for i, row in enumerate(rows())]
    with pytest.raises(CriticError, match="row 151"):
        read(tmp_path, found, max_rows=10)
