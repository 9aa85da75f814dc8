"""How near the texts of a pool are to each other and to others, and which of them stand for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from synthkd.errors import CriticError, RecipeError, require_extra
from synthkd.text.tfidf import fit_tfidf

Floats = np.ndarray[Any, np.dtype[np.float64]]
_MAX_LENGTH = 128
#: Rows of a class up to which the cosines inside it are kept.
_KEPT = 500


class Nearness:
    """Unit vectors of a pool's texts: TF-IDF of words and pieces of words, or of a frozen encoder."""

    def __init__(self, texts: Sequence[str], encoder: str | None) -> None:
        self._embed = _encoder(encoder) if encoder else _tf_idf(texts)
        self._rows = self._embed(list(texts))
        self._places = {text: place for place, text in enumerate(texts)}
        #: Vectors of texts that are not the pool's, and cosines inside a class: a loop asks for them round after round.
        self._others: dict[str, Any] = {}
        self._inside: dict[tuple[int, ...], Floats] = {}

    def among(self, rows: Sequence[int], whole: tuple[int, ...]) -> Floats:
        """(n, n) cosines of these rows of the pool; ``whole`` are all of their class, in order."""
        if len(whole) > _KEPT:
            own = self._rows[list(rows)]
            return _dense(own @ own.T)
        if whole not in self._inside:
            own = self._rows[list(whole)]
            self._inside[whole] = _dense(own @ own.T)
        places = np.searchsorted(whole, rows)
        return self._inside[whole][np.ix_(places, places)]

    def to(self, rows: Sequence[int], texts: Sequence[str]) -> Floats:
        """(n, m) cosines of rows of the pool and other texts."""
        if not texts:
            return np.zeros((len(rows), 0))
        new = sorted({text for text in texts if text not in self._places and text not in self._others})
        if new:
            vectors = self._embed(new)
            self._others.update((text, vectors[[place]]) for place, text in enumerate(new))
        return _dense(self._rows[list(rows)] @ self._stacked(texts).T)

    def _stacked(self, texts: Sequence[str]) -> Any:
        parts = [
            self._rows[[self._places[text]]] if text in self._places else self._others[text] for text in texts
        ]
        if isinstance(parts[0], np.ndarray):
            return np.concatenate(parts)
        from scipy.sparse import vstack

        return vstack(parts, format="csr")

    def centres(self, groups: Sequence[Sequence[int]]) -> Floats:
        """(g, g) cosines of the mean vectors of groups of rows."""
        means = np.stack([np.asarray(self._rows[list(rows)].mean(0)).ravel() for rows in groups])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return _dense(means @ means.T)


def typical(among: Floats, seen: Floats, hard: Floats, weight: float, most: int) -> list[int]:
    """Places of rows that best stand for all, one after the other: each raises most the sum, over rows, of the cosine to the
    nearest row that is chosen or seen (facility location, greedy). ``among`` (n, n), ``seen`` (n, s) and ``hard`` (n, h) are
    cosines; a row counts exp(``weight`` x its cosine to the nearest hard negative)."""
    counts = np.exp(weight * hard.max(1)) if hard.shape[1] else np.ones(len(among))
    covered = np.maximum(seen.max(1), 0.0) if seen.shape[1] else np.zeros(len(among))
    free, chosen = np.ones(len(among), dtype=bool), list[int]()
    for _ in range(min(most, len(among))):
        gains = counts @ np.maximum(among - covered[:, None], 0.0)
        best = int(np.where(free, gains, -1.0).argmax())
        chosen.append(best)
        free[best] = False
        covered = np.maximum(covered, among[:, best])
    return chosen


def nearest(hard: Floats, most: int) -> list[int]:
    """Places of rows, taking turns among the hard negatives: the nearest of the first, of the second, and so on."""
    free, chosen = np.ones(len(hard), dtype=bool), list[int]()
    for turn in range(min(most, len(hard)) if hard.shape[1] else 0):
        best = int(np.where(free, hard[:, turn % hard.shape[1]], -2.0).argmax())
        chosen.append(best)
        free[best] = False
    return chosen


def _dense(found: Any) -> Floats:
    result: Floats = np.asarray(found.todense() if hasattr(found, "todense") else found, dtype=np.float64)
    return result


def _tf_idf(texts: Sequence[str]) -> Any:
    require_extra("a pool that chooses by nearness", "critics", "sklearn")
    from sklearn.preprocessing import normalize

    embed = fit_tfidf(texts)
    return lambda asked: normalize(embed(asked))


def _encoder(name: str) -> Any:
    require_extra("a pool that chooses by an encoder", "local", "torch", "transformers")
    from synthkd.encoders import load as models
    from synthkd.encoders.frozen import FrozenEncoder

    device = models.pick_device(None)
    try:
        model, tokenizer = models.load_transformer(name)
    except CriticError as error:
        raise RecipeError(f"teacher.pool.encoder: {error}") from None
    return FrozenEncoder(model, tokenizer, _MAX_LENGTH, device, models.encoder_hash(model, tokenizer)).of


@lru_cache(maxsize=2)
def nearness(texts: tuple[str, ...], encoder: str | None) -> Nearness:
    """Made once for a process: each round of a loop makes its teacher anew."""
    return Nearness(texts, encoder)
