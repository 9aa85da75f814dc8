"""Dropped near-duplicates: those of one row after the other, whatever the blocks are."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from synthkd.text import near_search
from synthkd.text.minhash import Bands
from synthkd.text.near_duplicates import jaccard
from synthkd.text.near_search import Dropped, drop_near_duplicates, near_groups
from synthkd.text.normal_columns import normal_texts
from synthkd.text.normal_forms import normal_text, shingles
from synthkd.text.shingle_sets import Numbers, as_column

Found = list[tuple[int, int, float]]
_WORDS = [f"{a}{b}" for a in ("ba", "do", "ki", "lu", "me", "so") for b in ("n", "r", "st", "la")]


def corpus(count: int, families: int, seed: int = 0) -> list[str]:
    """Return texts of some families, each a changed copy of one before."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(_WORDS, k=rng.randrange(2, 14))) for _ in range(families)]
    while len(texts) < count:
        words = rng.choice(texts[:families] + texts[-50:]).split()
        words[rng.randrange(len(words))] = rng.choice(_WORDS)
        texts.append(" ".join(words))
    return texts[:count]


def one_after_the_other(
    texts: list[str], order: list[int], fixed: int, bands: Bands, within: list[int] | None
) -> Found:
    """Return what the rows in turn are near, as plainly as it can be written."""
    hashes = bands.of(normal_texts(as_column(texts)))
    runs = [shingles(normal_text(text), bands.size) for text in texts]
    kept: list[int] = []
    found: Found = []
    for place, row in enumerate(order):
        best: tuple[int, float] | None = None
        for other in kept if place >= fixed else ():
            same = within is None or within[other] == within[row]
            if same and (hashes[other] == hashes[row]).any():
                similarity = jaccard(runs[other], runs[row])
                if similarity >= bands.threshold and (best is None or similarity > best[1]):
                    best = other, similarity
        if best is None:
            kept.append(row)
        else:
            found.append((row, *best))
    return found


def search(
    texts: list[str],
    bands: Bands,
    order: Numbers | None = None,
    fixed: int = 0,
    within: Numbers | None = None,
    threads: int = 2,
) -> Dropped:
    forms = normal_texts(as_column(texts))
    hashes = bands.of(forms)
    return drop_near_duplicates(
        lambda band: hashes[:, band], np.arange(len(texts)) if order is None else order, fixed,
        lambda rows: forms.take(pa.array(rows)), bands, within, threads,
    )  # fmt: skip


def as_list(found: Dropped) -> Found:
    return list(
        zip(
            found.rows.tolist(), found.others.tolist(), found.similarities.tolist(), strict=True
        )
    )  # fmt: skip


@pytest.mark.parametrize("sizes", [(1 << 15, 1 << 20), (64, 1 << 20), (50, 100), (7, 5)])
@pytest.mark.parametrize(
    ("families", "threshold", "fixed", "labels"),
    [(30, 0.7, 0, 0), (10, 0.5, 20, 0), (60, 0.8, 0, 3), (1, 0.7, 5, 0)],
)
def test_rows_are_dropped_as_one_after_the_other(
    sizes: tuple[int, int], families: int, threshold: float, fixed: int, labels: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(near_search, "_ROWS", sizes[0])
    monkeypatch.setattr(near_search, "_PAIRS", sizes[1])
    texts, bands = corpus(300, families), Bands(threshold)
    order = np.random.default_rng(1).permutation(len(texts))
    within = np.arange(len(texts)) % labels if labels else None
    expected = one_after_the_other(
        texts, order.tolist(), fixed, bands, None if within is None else within.tolist()
    )
    assert len(expected) > 3
    assert as_list(search(texts, bands, order, fixed, within)) == expected


def test_threads_carry_no_meaning() -> None:
    texts = corpus(400, 20)
    one, many = (as_list(search(texts, Bands(0.7), threads=threads)) for threads in (1, 4))
    assert one == many


@pytest.mark.parametrize("texts", [[], ["alone"], ["one text", "and quite another"]])
def test_few_texts_stay(texts: list[str]) -> None:
    assert not as_list(search(texts, Bands()))


@pytest.mark.slow
def test_a_large_family_of_equal_texts_takes_one_comparison_each() -> None:
    compared: list[int] = []
    original = near_search._Search.similarities
    texts = ["A text that comes again and again", "something else"] * 5000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            near_search._Search,
            "similarities",
            lambda self, sets, ones, others: (
                compared.append(len(ones)) or original(self, sets, ones, others)
            ),
        )
        found = search(texts, Bands())
    assert len(found.rows) == len(texts) - 2
    assert sum(compared) == len(found.rows)


def test_groups_join_near_texts() -> None:
    text = "I would like to have my money back for the red shoes that I ordered from you last week"
    numbers = near_groups([text, "Other things", text + "!", "More other things than that"])
    assert numbers[0] == numbers[2]
    assert len(np.unique(numbers)) == 3
