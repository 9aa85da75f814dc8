"""Similarity of texts by TF-IDF of hashed n-grams."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.text.ngram_similarity import NgramIndex

WORD = st.sampled_from(["card", "pin", "top", "up", "my", "lost", "é", "卡"])
TEXTS = st.lists(st.lists(WORD, max_size=6).map(" ".join), max_size=4)
KNOWN = st.lists(st.lists(WORD, min_size=1, max_size=6).map(" ".join), min_size=1, max_size=4)


def grams(text: str) -> list[Counter[bytes]]:
    words, data = text.split(), f" {text} ".encode()
    named = [f"w {word}".encode() for word in words]
    pairs = [f"p {a} {b}".encode() for a, b in itertools.pairwise(words)]
    pieces = [data[i : i + n] for n in (3, 4) for i in range(len(data) - n + 1)]
    return [Counter(named + pairs), Counter(pieces)]


def cosine(text: str, other: str, known: list[str]) -> float:
    """The similarity by the definition, in plain Python."""
    total = 0.0
    for block in (0, 1):
        sides = [grams(one)[block] for one in (text, other)]
        frequency = Counter(gram for one in known for gram in grams(one)[block])

        def weight(side: Counter[bytes], gram: bytes, df: Counter[bytes]) -> float:
            rarity = math.log((1 + len(known)) / (1 + df[gram])) + 1
            return (1 + math.log(side[gram])) * rarity if side[gram] else 0.0

        df = Counter({gram: sum(gram in grams(one)[block] for one in known) for gram in frequency})
        left, right = ({gram: weight(side, gram, df) for gram in side} for side in sides)
        norm = math.sqrt(sum(w**2 for w in left.values()) * sum(w**2 for w in right.values()))
        total += sum(left[g] * right.get(g, 0.0) for g in left) / norm if norm else 0.0
    return total / 2


@given(known=KNOWN, texts=TEXTS)
def test_similarities_are_those_of_the_definition(known: list[str], texts: list[str]) -> None:
    found = NgramIndex(known).similarity(texts)
    wanted = [[cosine(text, other, known) for other in known] for text in texts]
    assert found == pytest.approx(np.reshape(wanted, (len(texts), len(known))), abs=1e-9)


@given(known=KNOWN, texts=TEXTS)
def test_a_similarity_does_not_depend_on_the_other_texts_of_a_batch(
    known: list[str], texts: list[str]
) -> None:
    index = NgramIndex(known)
    alone = [index.similarity([text])[0] for text in texts]
    assert index.similarity(texts) == pytest.approx(np.reshape(alone, (-1, len(known))), abs=1e-9)


def test_a_text_of_unknown_words_beside_a_known_one_is_less_similar() -> None:
    index = NgramIndex(["my card is lost", "top up my account"])
    exact, longer = index.similarity(["my card is lost", "my card is lost in zanzibar harbour"])
    assert exact[0] == pytest.approx(1)
    assert 0.3 < longer[0] < 0.9


def test_known_texts_are_alike_to_themselves() -> None:
    assert np.diag(NgramIndex(["my card", "top up"]).among_themselves()) == pytest.approx(1)
