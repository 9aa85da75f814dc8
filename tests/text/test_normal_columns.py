"""Normal forms of columns: equal to those of each text."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.text.normal_columns import normal_texts
from synthkd.text.normal_forms import normal_text

TEXTS = [
    "",
    " ",
    "...",
    "Hello,  World!",
    "don't",
    "'tis 5'10\" tall",
    "A- and B+, 50 % or 50%",
    "C# .NET",
    "-5 to 3-4 (1998)",
    "smile :-) now",
    "8) cool",
    "(: hi",
    "x_y a/b a@b a & b #tag @me 10:30 1,000",
    "a\tb\nc\r\n",
    "\x00a",
    "a\x00’",
    "“Quoted” – it’s fine",
    "Ünïcode ﬁ Ⅳ 10²",
    "日本語。テスト",
    "`tick` 1`",
    "a.b. c.d",
    "- a -b- ab- abc-",
    "$5 -$5 =8] [8= |:",
    "<3 3>",
    "a  'b' c",
]
#: Signs that decide something, beside letters.
SIGNS = "aB9 8.,:;!?'\"-_()[]/\\|@#%&$=<>+*^`~\n\t\x00\x1c’“–é²%"


def test_forms_are_those_of_each_text() -> None:
    assert normal_texts(pa.array(TEXTS)).to_pylist() == [normal_text(text) for text in TEXTS]


@settings(max_examples=300)
@given(st.lists(st.text(st.sampled_from(SIGNS), max_size=12), max_size=20))
def test_forms_of_any_signs_are_those_of_each_text(texts: list[str]) -> None:
    column = pa.array(texts, pa.string())
    assert normal_texts(column).to_pylist() == [normal_text(text) for text in texts]


@given(st.lists(st.text(max_size=20), max_size=10))
def test_forms_in_any_script_are_those_of_each_text(texts: list[str]) -> None:
    column = pa.array(texts, pa.string())
    assert normal_texts(column).to_pylist() == [normal_text(text) for text in texts]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_part_of_a_column_has_its_own_forms(kind: pa.DataType) -> None:
    part = pa.array(TEXTS, kind).slice(3, 5)
    assert normal_texts(part).to_pylist() == [normal_text(text) for text in TEXTS[3:8]]
