"""Content hashes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.keys import canonical, content_hash, fraction, seed_from

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.slow
@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_the_order_of_keys_does_not_change_a_hash(value: dict[str, object]) -> None:
    assert content_hash(value) == content_hash(dict(reversed(list(value.items()))))


@pytest.mark.slow
@given(JSON)
def test_a_value_read_back_from_its_canonical_form_has_the_same_hash(value: object) -> None:
    assert content_hash(json.loads(canonical(value))) == content_hash(value)


def test_not_a_number_is_refused_because_it_equals_nothing() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical(float("nan"))


@given(st.text())
def test_a_fraction_lies_in_the_unit_interval(text: str) -> None:
    assert 0 <= fraction(text) < 1


def test_seeds_differ_where_any_part_differs() -> None:
    assert len({seed_from(a, b) for a in range(20) for b in range(20)}) == 400


@pytest.mark.slow
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=[])), st.text(st.characters(exclude_categories=[]))
    )
)
def test_a_row_of_texts_gives_the_bytes_of_the_json_encoder(row: dict[str, str]) -> None:
    slow = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical(row) == slow.encode(row).encode("utf-8", "surrogatepass")
