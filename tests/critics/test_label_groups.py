"""Tests of groups of rows in label sheets, and of splits that divide them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.label_sheets import KIND, read, rows

from synthkd.errors import CriticError
from synthkd.plugins import find


def test_a_group_on_both_sides_of_a_named_split_is_refused(tmp_path: Path) -> None:
    found = [
        row | {"head": f"head{i // 2}", "split": "test" if i < 61 else "train"}
        for i, row in enumerate(rows())
    ]
    with pytest.raises(
        CriticError, match="1 group is on both sides of the split, such as 'head30'"
    ):
        read(tmp_path, found)


SPELLINGS = ("{}", "{} ", " {}", "THE {}", "a {}", "{}.", '"{}"', "{},", "\u00a0{}", "An {}!")


def both_sides(sheet: Any, column: str = "head") -> list[str]:
    found: dict[str, set[bool]] = {}
    for row, held in zip(sheet.rows.to_pylist(), sheet.held_out, strict=True):
        found.setdefault(KIND.normalize(row)[KIND.columns.index(column)], set()).add(bool(held))
    return [name for name, sides in found.items() if len(sides) > 1]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("column", ["head", "tail"])
def test_groups_are_compared_in_the_normal_form_of_the_kind(
    tmp_path: Path, spelling: str, column: str
) -> None:
    found = [
        row | {"head": f"{row['head']} of {i}", "tail": f"{row['tail']} of {i}"}
        for i, row in enumerate(rows())
    ]
    for i, row in enumerate(found):
        row[column] = (spelling if i % 2 else "{}").format(f"beast {i // 2}")
    sheet = read(tmp_path, found, group=column)
    assert not both_sides(sheet, column)
    assert len(set(sheet.groups)) == 100


@pytest.mark.parametrize("spelling", SPELLINGS[1:])
def test_a_sheets_own_split_that_divides_a_group_is_refused_however_it_is_spelled(
    tmp_path: Path, spelling: str
) -> None:
    found = [row | {"split": "test" if i < 60 else "train"} for i, row in enumerate(rows())]
    found[150]["head"] = spelling.format("head7")
    with pytest.raises(
        CriticError, match=r"1 group is on both sides of the split, such as 'head7'"
    ):
        read(tmp_path, found)


def test_a_row_that_stands_twice_on_both_sides_of_a_sheets_own_split_is_refused(
    tmp_path: Path,
) -> None:
    found = [row | {"split": "test" if i < 60 else "train"} for i, row in enumerate(rows())]
    found.append(found[7] | {"split": "train", "head": "The head7"})
    with pytest.raises(
        CriticError, match=r"1 group is on both sides of the split, such as 'head7'"
    ):
        read(tmp_path, found)
    for share in (0.0, 1.0):  # The sheet's own split divides nothing here.
        assert read(tmp_path, found, held_out=share).rows.num_rows == 200


def test_without_groups_each_row_is_a_group_of_its_own(tmp_path: Path) -> None:
    found = [row | {"head": f"head{i % 5}"} for i, row in enumerate(rows())]
    sheet = read(tmp_path, found, group="none")
    assert len(set(sheet.groups)) == 200
    assert 30 < sheet.held_out.sum() < 90
    assert sheet.how["group"] == "none"


def test_rows_without_a_value_in_the_column_of_groups_stand_alone(tmp_path: Path) -> None:
    found = [row | {"source": "" if i % 2 else f"S{i % 40}"} for i, row in enumerate(rows())]
    sheet = read(tmp_path, found, group="source")
    assert len(set(sheet.groups)) == 100 + 20


def test_a_column_of_groups_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match=r"no column 'haed' to group by .did you mean 'head'"):
        read(tmp_path, rows(), group="haed")


def test_a_number_that_the_sheet_lacks_is_no_column_to_group_by(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match="no column 'tokens' to group by"):
        read(tmp_path, rows(), group="tokens")


def test_a_column_to_rename_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match=r"no column 'tial' to rename .did you mean 'tail'"):
        read(tmp_path, rows(), columns={"tial": "tail"})


def test_a_split_that_is_neither_side_is_refused_with_the_nearest(tmp_path: Path) -> None:
    found = [row | {"split": "tset" if i < 60 else "train"} for i, row in enumerate(rows())]
    with pytest.raises(CriticError, match=r"`split` is 'tset', .*did you mean 'test'"):
        read(tmp_path, found)


def test_a_split_of_one_name_divides_nothing(tmp_path: Path) -> None:
    assert 0 < read(tmp_path, rows(split="dev7")).held_out.sum() < 200


@pytest.mark.parametrize(
    ("kind", "row", "column", "other"),
    [
        (
            "comparative",
            {"left": "an oak", "right": "a pine"},
            "left",
            {"left": "The Oaks", "right": "a birch"},
        ),
        (
            "comparative",
            {"left": "a pine", "right": "an oak"},
            "right",
            {"left": "a zebra", "right": "Oak"},
        ),
        ("rationale", {"question": "How many?"}, "question", {"question": " HOW  many? "}),
        ("event", {"event": "PersonX eats."}, "event", {"event": "personx eats"}),
        ("proposition", {"sentence": "It rains."}, "sentence", {"sentence": "it  rains"}),
        ("triple", {"head": "Café"}, "head", {"head": "Cafe\u0301"}),
    ],
)
def test_the_group_of_a_candidate_is_one_however_the_kind_is_spelled(
    kind: str, row: dict[str, str], column: str, other: dict[str, str]
) -> None:
    made = find("kinds", kind)()
    whole = [dict.fromkeys(made.columns, "x") | one for one in (row, other)]
    assert made.group(whole[0], column) == made.group(whole[1], column)
    assert made.group(whole[0], column) != made.group(whole[0] | {column: "quite another"}, column)
