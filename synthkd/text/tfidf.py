"""TF-IDF features of words and of pieces of words, by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from synthkd.text.normal_forms import word_pattern


def fit_tfidf(
    texts: Sequence[str],
    words: tuple[int, int] = (1, 2),
    pieces: tuple[int, int] = (2, 4),
    **options: Any,
) -> Callable[[Sequence[str]], Any]:
    """Learn the vocabulary of some texts.

    Args:
        texts: The texts.
        words: Fewest and most words of an n-gram.
        pieces: Fewest and most characters of a piece of a word.
        **options: Further options of `TfidfVectorizer`.

    Returns:
        A function from n texts to an (n, features) CSR matrix; words and pieces each have norm 1.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    parts = [
        TfidfVectorizer(
            ngram_range=words,
            token_pattern=word_pattern(underscore=True),
            sublinear_tf=True,
            **options,
        ),
        TfidfVectorizer(analyzer="char_wb", ngram_range=pieces, sublinear_tf=True, **options),
    ]
    for part in parts:
        part.fit(texts)
    return lambda given: hstack([part.transform(given) for part in parts]).tocsr()
