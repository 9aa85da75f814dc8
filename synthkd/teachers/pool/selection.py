"""Similarity of a pool's texts; selection of typical rows and of rows near hard negatives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from synthkd.errors import CriticError, RecipeError, require_extra
from synthkd.text.tfidf import fit_tfidf

Floats = np.ndarray[Any, np.dtype[np.float64]]
_MAX_LENGTH = 128
#: Rows of a class up to which the cosines within it are cached.
_MAX_CACHED = 500


class TextSimilarity:
    """Cosines between texts, of TF-IDF vectors or of a frozen encoder.

    TF-IDF counts words and character n-grams.
    """

    def __init__(self, texts: Sequence[str], encoder: str | None) -> None:
        self._embed = _encoder(encoder) if encoder else _tf_idf(texts)
        self._rows = self._embed(list(texts))
        self._places = {text: place for place, text in enumerate(texts)}
        #: Vectors of texts outside of the pool, and cosines within a class: a loop needs them in
        #: every round.
        self._others: dict[str, Any] = {}
        self._within: dict[tuple[int, ...], Floats] = {}

    def among(self, rows: Sequence[int], class_rows: tuple[int, ...]) -> Floats:
        """Return the cosines (n, n) among rows of the pool.

        Args:
            rows: The rows, of one class.
            class_rows: All rows of the class, ascending.
        """
        if len(class_rows) > _MAX_CACHED:
            own = self._rows[list(rows)]
            return _dense(own @ own.T)
        if class_rows not in self._within:
            own = self._rows[list(class_rows)]
            self._within[class_rows] = _dense(own @ own.T)
        places = np.searchsorted(class_rows, rows)
        return self._within[class_rows][np.ix_(places, places)]

    def to(self, rows: Sequence[int], texts: Sequence[str]) -> Floats:
        """Return the cosines (n, m) between rows of the pool and other texts."""
        if not texts:
            return np.zeros((len(rows), 0))
        new = sorted(
            {text for text in texts if text not in self._places and text not in self._others}
        )
        if new:
            vectors = self._embed(new)
            self._others.update((text, vectors[[place]]) for place, text in enumerate(new))
        return _dense(self._rows[list(rows)] @ self._stacked(texts).T)

    def _stacked(self, texts: Sequence[str]) -> Any:
        parts = [
            self._rows[[self._places[text]]] if text in self._places else self._others[text]
            for text in texts
        ]
        if isinstance(parts[0], np.ndarray):
            return np.concatenate(parts)
        from scipy.sparse import vstack

        return vstack(parts, format="csr")

    def centres(self, groups: Sequence[Sequence[int]]) -> Floats:
        """Return the cosines (g, g) among the mean vectors of groups of rows."""
        means = np.stack([np.asarray(self._rows[list(rows)].mean(0)).ravel() for rows in groups])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return _dense(means @ means.T)


def select_typical(
    among: Floats, seen: Floats, hard: Floats, weight: float, count: int
) -> list[int]:
    """Select rows that represent all rows: greedy facility location.

    Each selected row raises most the weighted sum, over rows, of the cosine to the nearest row that
    is selected or seen.

    Args:
        among: Cosines (n, n) among the rows.
        seen: Cosines (n, s) to rows that the student has.
        hard: Cosines (n, h) to hard negatives.
        weight: A row counts exp(weight x its cosine to the nearest hard negative).
        count: Rows to select at most.

    Returns:
        Indexes of rows, in the order of selection.
    """
    counts = np.exp(weight * hard.max(1)) if hard.shape[1] else np.ones(len(among))
    covered = np.maximum(seen.max(1), 0.0) if seen.shape[1] else np.zeros(len(among))
    free, chosen = np.ones(len(among), dtype=bool), list[int]()
    for _ in range(min(count, len(among))):
        gains = counts @ np.maximum(among - covered[:, None], 0.0)
        best = int(np.where(free, gains, -1.0).argmax())
        chosen.append(best)
        free[best] = False
        covered = np.maximum(covered, among[:, best])
    return chosen


def select_nearest(hard: Floats, count: int) -> list[int]:
    """Select rows nearest to hard negatives, in turn: to the first, to the second, and so on.

    Args:
        hard: Cosines (n, h) of rows and hard negatives.
        count: Rows to select at most.
    """
    free, chosen = np.ones(len(hard), dtype=bool), list[int]()
    for turn in range(min(count, len(hard)) if hard.shape[1] else 0):
        best = int(np.where(free, hard[:, turn % hard.shape[1]], -2.0).argmax())
        chosen.append(best)
        free[best] = False
    return chosen


def _dense(matrix: Any) -> Floats:
    result: Floats = np.asarray(
        matrix.todense() if hasattr(matrix, "todense") else matrix, dtype=np.float64
    )
    return result


def _tf_idf(texts: Sequence[str]) -> Any:
    require_extra("a pool that chooses by nearness", "critics", "sklearn")
    from sklearn.preprocessing import normalize

    embed = fit_tfidf(texts)
    return lambda batch: normalize(embed(batch))


def _encoder(name: str) -> Any:
    require_extra("a pool that chooses by an encoder", "local", "torch", "transformers")
    from synthkd.encoders.frozen import FrozenEncoder

    try:
        return FrozenEncoder.load(name, _MAX_LENGTH).embed
    except CriticError as error:
        raise RecipeError(f"teacher.options.encoder: {error}") from None


@lru_cache(maxsize=2)
def text_similarity(texts: tuple[str, ...], encoder: str | None) -> TextSimilarity:
    """Return the similarity of a pool's texts, cached: each round of a loop makes a new teacher."""
    return TextSimilarity(texts, encoder)
