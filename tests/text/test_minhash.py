"""Bands of signatures: texts at the threshold meet, others seldom."""

from __future__ import annotations

import numpy as np
import pytest

from synthkd.text import minhash
from synthkd.text.minhash import RECALL, Bands
from synthkd.text.shingle_sets import as_column

WORDS = 4000


@pytest.mark.parametrize("threshold", [0.4, 0.6, 0.8, 0.9, 0.97])
def test_bands_let_texts_at_the_threshold_meet(threshold: float) -> None:
    bands = Bands(threshold)
    assert 1 - (1 - threshold**bands.width) ** bands.count >= RECALL


def pairs_with(similarity: float, count: int) -> tuple[list[str], list[str]]:
    """Return pairs of texts of single characters that share a part of 60 of them."""
    rng = np.random.default_rng(5)
    shared = round(60 * similarity)
    own = (60 - shared) // 2
    ones, others = [], []
    for _ in range(count):
        signs = [chr(0x4E00 + number) for number in rng.choice(WORDS, 60, replace=False)]
        ones.append("".join(signs[: shared + own]))
        others.append("".join(signs[:shared] + signs[shared + own :]))
    return ones, others


def meet(bands: Bands, ones: list[str], others: list[str]) -> float:
    """Return the share of pairs with an equal band."""
    found = bands.of(as_column(ones)) == bands.of(as_column(others))
    return float(found.any(axis=1).mean())


@pytest.mark.slow
def test_signatures_meet_as_often_as_the_similarity_says() -> None:
    bands = Bands(0.8, size=1)
    for similarity in (0.5, 0.8):
        # Marked ends are two shared runs of one more in all.
        ones, others = pairs_with(similarity, 4000)
        exact = (60 * similarity + 1) / 61
        expected = 1 - (1 - exact**bands.width) ** bands.count
        spread = (expected * (1 - expected) / len(ones)) ** 0.5
        assert meet(bands, ones, others) == pytest.approx(expected, abs=4 * spread)


def test_signatures_do_not_depend_on_the_texts_beside_a_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = ["short", "a somewhat longer text than that", "x" * 30 + "long text " * 90, ""]
    texts += [f"number {number} of many texts" for number in range(40)]
    bands = Bands()
    together = bands.of(as_column(texts))
    assert together.shape == (len(texts), bands.count)
    monkeypatch.setattr(minhash, "_TEXTS", 3)
    monkeypatch.setattr(minhash, "_LONG", 20)
    assert (bands.of(as_column(texts)) == together).all()


def test_no_texts_have_no_signatures() -> None:
    assert Bands().of(as_column([])).shape == (0, Bands().count)


@pytest.mark.parametrize("options", [{"threshold": 0.2}, {"threshold": 1.0}, {"size": 0}])
def test_what_cannot_be_searched_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Bands(**options)  # type: ignore[arg-type]
