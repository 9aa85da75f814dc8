"""How much of a held-out row the training part said already: figures on rows that are half known flatter a critic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

#: From the most to the least that was seen.
SEEN_REST, SEEN_WORDS, NEW_WORDS = "the rest was seen", "its words were seen", "new words"
BUCKETS = (SEEN_REST, SEEN_WORDS, NEW_WORDS)
_WORD = re.compile(r"\w+")


def novelty(train: pa.Table, held_out: pa.Table, columns: Sequence[str], group: str) -> list[str]:
    """A bucket for each held-out row.

    ``the rest was seen``: a training row is equal in all columns but the ``group`` one (for triples: relation and
    tail stood there with another head). ``its words were seen``: each word of that rest stands in some training row.
    ``new words``: one does not.
    """
    rest = [name for name in columns if name != group] or list(columns)
    known = list(_texts(train, rest))
    whole, words = set(known), {word for text in known for word in _words(text)}
    found = []
    for text in _texts(held_out, rest):
        seen = all(word in words for word in _words(text))
        found.append(SEEN_REST if text in whole else SEEN_WORDS if seen else NEW_WORDS)
    return found


def _texts(rows: pa.Table, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for values in zip(*(rows.column(name).to_pylist() for name in columns), strict=True):
        yield tuple(" ".join(str(value).casefold().split()) for value in values)


def _words(text: Iterable[str]) -> list[str]:
    return [word for part in text for word in _WORD.findall(part)]
