"""Hashed shingles: the sets and the similarity are those of the strings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.text.near_duplicates import jaccard
from synthkd.text.normal_columns import normal_texts
from synthkd.text.normal_forms import normal_text, shingles
from synthkd.text.shingle_sets import BLOCK, ShingleSets, as_column, shingle_hashes

ANY = st.text(st.sampled_from("ab é'\u200d日👩"), max_size=9)


@given(st.lists(ANY, min_size=2, max_size=20), st.integers(1, 6))
def test_similarities_are_those_of_the_strings(texts: list[str], size: int) -> None:
    sets = ShingleSets.of(normal_texts(as_column(texts)), size)
    runs = [shingles(normal_text(text), size) for text in texts]
    assert np.diff(sets.begins).tolist() == [len(run) for run in runs]
    ones, others = np.divmod(np.arange(len(texts) ** 2), len(texts))
    expected = [jaccard(runs[i], runs[j]) for i, j in zip(ones, others, strict=True)]
    assert sets.similarities(ones, others).tolist() == expected


def test_more_sets_than_a_block_keep_their_order() -> None:
    texts = [f"{number:05d}" for number in range(BLOCK + 10)]
    sets = ShingleSets.of(as_column(texts), 4)
    ones = np.arange(len(texts))
    assert (sets.similarities(ones, ones) == 1).all()
    assert sets.similarities(ones, ones[::-1])[0] < 1


def test_pairs_whose_sizes_differ_too_much_are_not_compared() -> None:
    sets = ShingleSets.of(as_column(["abcdefghij", "abc"]), 2)
    one, other = np.array([0]), np.array([1])
    assert sets.similarities(one, other)[0] == pytest.approx(3 / 12)
    assert sets.similarities(one, other, least=0.8)[0] == 0


def test_a_shingle_has_the_same_hash_in_every_column() -> None:
    alone, _ = shingle_hashes(as_column(["abcd"]), 4)
    among, begins = shingle_hashes(as_column(["日本語", "", "abcd"]), 4)
    assert among[begins[2] :].tolist() == alone.tolist()


def test_lone_surrogates_have_the_normal_form_of_what_cannot_be_read() -> None:
    assert as_column(["a\ud800b"]).to_pylist() == [normal_text("a\ud800b")]
