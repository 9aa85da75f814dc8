"""Tests of the spellings of a verdict by people and programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.files import write_csv

from synthkd.critics.labels import read_labels
from synthkd.errors import UserError
from synthkd.kinds.triple import TripleKind
from synthkd.labels.verdicts import ACCEPT, REJECT, UNSURE, verdict_of

GOOD = (
    "yes",
    "true",
    "valid",
    "correct",
    "accept",
    "y",
    "t",
    "1",
    "1.0",
    "✓",
    "✔",
    "ja",
    "WAHR",
    "VRAI",
    "pass",
    "да",
    "正确",
    "thumbs up",
    "👍🏽",
)
BAD = (
    "no",
    "false",
    "invalid",
    "incorrect",
    "reject",
    "n",
    "f",
    "0",
    "0.0",
    "✗",
    "✘",
    "nein",
    "FALSCH",
    "FAUX",
    "fail",
    "нет",
    "错误",
    "not valid",
    "discard",
    "👎🏿",
)


@pytest.mark.slow
@given(
    st.sampled_from(
        [(word, ACCEPT) for word in GOOD] + [(word, REJECT) for word in BAD] + [("?", UNSURE)]
    ),
    st.sampled_from([str.upper, str.lower, str.title]),
    st.sampled_from(["", " ", "\t", "\u00a0", "\ufeff", "  "]),
    st.sampled_from(["", " ", "\n", "\u00a0", ".", "\ufe0f"]),
)
def test_a_common_spelling_is_read_in_any_case_with_blanks(
    said: tuple[str, str], case: Any, before: str, after: str
) -> None:
    assert verdict_of(before + case(said[0]) + after) == said[1]


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (True, ACCEPT), (False, REJECT), (1, ACCEPT), (0, REJECT), (1.0, ACCEPT), (0.0, REJECT),
        ("“yes”", ACCEPT),
        ("ＹＥＳ", ACCEPT), ("1.00", ACCEPT),
    ],
)  # fmt: skip
def test_values_of_programs_are_verdicts(value: Any, verdict: str) -> None:
    assert verdict_of(value) == verdict


@pytest.mark.parametrize(
    "value", [None, float("nan"), "", " ", "NA", "NaN", "None", "null", "n/a", "\u00a0"]
)
def test_what_stands_for_an_empty_cell_is_no_verdict_yet(value: Any) -> None:
    assert verdict_of(value) == ""


@pytest.mark.parametrize(
    "value", ["2", 2, -1, 0.5, "10", "yes/no", "perhaps not", [True], {"a": 1}, b"1", "truthy"]
)
def test_another_value_is_none(value: Any) -> None:
    assert verdict_of(value) is None


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("perhaps not", "'perhaps not'"),
        ([True], "a list of 1"),
        (3, "3"),
        (None, "empty"),
        ({"v": 1}, "an object"),
    ],
)
def test_an_unknown_spelling_is_refused_with_row_and_spellings(
    tmp_path: Path, cell: Any, said: str
) -> None:
    rows = [
        {"head": f"h{i}", "relation": "UsedFor", "tail": "t", "label": "yes" if i % 2 else "no"}
        for i in range(40)
    ]
    rows[6]["label"] = cell
    path = tmp_path / "l.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(
        UserError, match=r"l\.jsonl row 7: 'label' is .*write accept, yes, true"
    ) as error:
        read_labels(path, TripleKind())
    assert said in str(error.value)


@pytest.mark.parametrize("cell", [["a"], {"a": 1}, None, float("nan")])
def test_a_cell_of_the_kind_that_is_no_text_is_refused_with_its_row(
    tmp_path: Path, cell: Any
) -> None:
    rows = [
        {"head": f"h{i}", "relation": "UsedFor", "tail": "t", "label": i % 2} for i in range(40)
    ]
    rows[6]["tail"] = cell
    path = tmp_path / "l.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(UserError, match=r"l\.jsonl row 7: 'tail'"):
        read_labels(path, TripleKind())


def test_ticks_and_crosses_make_a_sheet(tmp_path: Path) -> None:
    rows = [
        {"head": f"h{i}", "relation": "UsedFor", "tail": "t", "label": "✓" if i % 2 else " ✗ "}
        for i in range(200)
    ]
    sheet = read_labels(write_csv(tmp_path / "l.csv", rows), TripleKind())
    assert sheet.labels.sum() == 100
