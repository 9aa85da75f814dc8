"""Conditions on rows: what they keep, and what is said of a wrong one."""

from __future__ import annotations

import pyarrow as pa
import pytest

from synthkd.corpora.where import condition
from synthkd.errors import InputError

ROWS = pa.table(
    {
        "n": [1, 2, 3],
        "relation": ["IsA", "HasA", None],
        "score": [0.1, 0.5, None],
        "usable": [True, False, None],
        "a name": ["x", "it's", "z"],
    }
)


def kept(text: str) -> list[int]:
    numbers: list[int] = ROWS.filter(condition(text, ROWS.schema))["n"].to_pylist()
    return numbers


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("relation = 'IsA' and score < 0.3", [1]),
        ("relation == 'IsA' OR n > 2", [1, 3]),
        ("score is null", [3]),
        ("score is not null", [1, 2]),
        ("n in (1, 3)", [1, 3]),
        ("n between 2 and 3 and not n = 3", [2]),
        ("relation like '%A'", [1, 2]),
        ("not (n = 1 or n = 2)", [3]),
        ("\"a name\" = 'it''s'", [2]),
        ("usable = true", [1]),
        ("n <> -1 and n < 1e9", [1, 2, 3]),
        ("n > 99999999999999999999", []),
    ],
)
def test_a_condition_keeps_the_rows_that_sql_keeps(text: str, rows: list[int]) -> None:
    assert kept(text) == rows


@pytest.mark.parametrize(
    "text", ["score < 0.3", "relation in ('IsA')", "relation like 'I%'", "n = 1 and usable = true"]
)
def test_an_empty_cell_is_kept_by_neither_a_comparison_nor_its_negation(text: str) -> None:
    assert 3 not in kept(text)
    assert 3 not in kept(f"not ({text})") or text.startswith("n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("scor < 1", "no column 'scor' (did you mean 'score'?)"),
        ('relation = "IsA"', "a text stands in single quotes: 'IsA'"),
        ("score < 'a'", "'score' holds numbers; 'a' is none"),
        ("relation = 5", "'relation' holds texts in single quotes; 5 is none"),
        ("relation = null", "write `is null` or `is not null`"),
        ("score <", "expected a value at the end"),
        ("(score < 1", "expected ')' at the end"),
        ("score < 1 score", "expected `and`, `or` or the end at 'score'"),
        ("relation = 'IsA", "a single quote is missing"),
        ("", "expected a column at the end"),
        ("n like '1'", "'n' holds numbers"),
        ("(" * 60 + "n = 1" + ")" * 60, "nested deeper than 50"),
        ("__import__('os').system('true') = 1", "no column '__import__'"),
    ],
)
def test_a_wrong_condition_is_refused_with_its_place_and_a_remedy(text: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        condition(text, ROWS.schema)
    assert says in str(error.value)
