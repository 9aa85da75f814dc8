"""Features of a triple and its source: numbers, hashed indicators, and texts for an encoder.

Indicators join what stands in the text (words between the ends, their distance and order, words
around them, the form of the ends) with the relation and with each word of it, so that rare
relations learn from those that share a word.
"""

from __future__ import annotations

import itertools
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from synthkd.critics.graphs.mentions import EndMentions, NearestPair, find_end, nearest_pair
from synthkd.kinds.fact.kind import relation_key

Columns = np.ndarray[Any, np.dtype[np.int32]]
#: Hashed indicators, as a power of two.
BITS = 17
NUMBERS = (
    "head_found", "tail_found", "head_places", "tail_places", "head_words", "tail_words",
    "head_in_tail", "tail_in_head", "relation_in_source", "sentences_between", "same_sentence",
    "overlap", "log_distance", "forward", "head_place", "tail_place", "commas_between",
    "and_between", "relation_between",
)  # fmt: skip
#: Words between the ends that are read, from either side.
_READ = 6
#: Words between the ends up to which they are one indicator too.
_WHOLE = 5
_FORMS = {
    "number": re.compile(r"[\d.,%-]+"),
    "year": re.compile(r"1\d\d\d|20\d\d"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "capital": re.compile(r"[^\W\d_a-z].*", re.DOTALL),
    "capitals": re.compile(r"[A-Z][A-Z\d.]+"),
}


class StatedTriple(NamedTuple):
    """A triple and the text that may state it."""

    source: str
    head: str
    relation: str
    tail: str


class TripleFeatures(NamedTuple):
    """Features of a triple and its source.

    Attributes:
        numbers: Values of `NUMBERS`.
        indicators: Columns of the indicators, below 2**BITS, each once.
        context: Words between the ends and around them, with X and Y for head and tail.
        question: The relation between X and Y.
    """

    numbers: tuple[float, ...]
    indicators: Columns
    context: str
    question: str


@lru_cache(1 << 15)
def triple_features(row: StatedTriple) -> TripleFeatures:
    """Compute the features of one triple; those of the last triples are kept."""
    heads, tails = find_end(row.source, row.head), find_end(row.source, row.tail)
    pair = nearest_pair(row.source, heads, tails)
    relation = relation_key(row.relation)
    x, y = "X", "Y"
    context = "none"
    if pair is not None:
        first, second = (x, y) if pair.forward else (y, x)
        middle = _ends_of(pair.between, 2 * _READ)
        context = " ".join([*pair.before, first, *middle, second, *pair.behind])
    return TripleFeatures(
        tuple(_numbers(row, heads, tails, pair, relation)),
        _hashed(_indicators(row, pair, relation)),
        context,
        f"{x} {relation} {y}",
    )


def _numbers(
    row: StatedTriple,
    heads: EndMentions,
    tails: EndMentions,
    pair: NearestPair | None,
    relation: str,
) -> list[float]:
    head, tail, source = row.head.casefold(), row.tail.casefold(), row.source.casefold()
    words = [word[:_WHOLE] for word in relation.split() if len(word) > 2]
    whole = [
        heads.exact, tails.exact, len(heads.places), len(tails.places),
        len(head.split()), len(tail.split()), head in tail, tail in head,
        sum(word in source for word in words) / max(len(words), 1),
    ]  # fmt: skip
    if pair is None:
        return [float(value) for value in (*whole, 9, 0, 0, 6, 0, 0, 0, 0, 0, 0)]
    between, length = pair.between, max(len(source), 1)
    near = [
        min(pair.sentences, 9), pair.sentences == 0, pair.overlaps, math.log1p(len(between)),
        pair.forward, pair.head.start / length, pair.tail.start / length,
        min(between.count(","), 9), "and" in between or "or" in between,
        any(word[:_WHOLE] in words for word in between),
    ]  # fmt: skip
    return [float(value) for value in (*whole, *near)]


def _hashed(names: Iterable[str]) -> Columns:
    mask = (1 << BITS) - 1
    columns = {zlib.crc32(name.encode("utf-8", "replace")) & mask for name in names}
    return np.array(sorted(columns), dtype=np.int32)


def _indicators(row: StatedTriple, pair: NearestPair | None, relation: str) -> Iterator[str]:
    """Yield names of indicators: some alone, all with the relation and with its words."""
    own = [*_of_ends(row), *(_of_pair(pair) if pair is not None else ["missing"])]
    for name in own:
        yield f"{relation}|{name}"
    words = relation.split()
    for word in words if len(words) > 1 else []:
        for name in own:
            yield f"~{word}|{name}"
    for name in own:
        if name[0] in "bBht":
            yield name


def _of_ends(row: StatedTriple) -> Iterator[str]:
    for name, phrase in (("h", row.head), ("t", row.tail)):
        words = phrase.casefold().split()
        for word in words:
            yield f"{name}:{word}"
        if words:
            yield f"{name}l:{words[-1]}"
        yield f"s{name}:{min(len(words), 4)}"
        for form, pattern in _FORMS.items():
            if pattern.fullmatch(phrase.strip()):
                yield f"s{name}:{form}"


def _of_pair(pair: NearestPair) -> Iterator[str]:
    order = "f" if pair.forward else "b"
    near = _ends_of(pair.between, _READ)
    for word in near:
        yield f"b{order}:{word}"
    for one, other in itertools.pairwise(near):
        yield f"b{order}:{one} {other}"
    if len(pair.between) <= _WHOLE:
        yield f"B{order}:{' '.join(pair.between)}"
    places = {
        f"1{order}": pair.before,
        f"2{order}": pair.behind,
        "3": pair.before_head,
        "4": pair.before_tail,
        "5": pair.behind_tail,
    }
    for place, words in places.items():
        for word in words:
            yield f"{place}:{word}"
    distance = min(int(math.log2(1 + len(pair.between))), 5)
    yield from (f"6{order}", f"7{min(pair.sentences, 2)}", f"8{distance}", f"9{order}{distance}")


def _ends_of(words: Sequence[str], most: int) -> list[str]:
    """Return the first and the last of many words."""
    return list(words) if len(words) <= 2 * most else [*words[:most], *words[-most:]]


def feature_matrix(features: Sequence[TripleFeatures], dense: Any) -> Any:
    """Return the features as a CSR matrix (n, 2**BITS + width of ``dense``).

    Args:
        features: Of which indicators become 1 in a hashed column.
        dense: Scaled numbers (n, width).
    """
    from scipy.sparse import csr_matrix, hstack

    lengths = np.cumsum([0, *(len(one.indicators) for one in features)])
    flat = np.concatenate([np.zeros(0, np.int32), *(one.indicators for one in features)])
    shape = (len(features), 1 << BITS)
    indicators = csr_matrix((np.ones(len(flat)), flat, lengths), shape=shape)
    return hstack([indicators, csr_matrix(dense)]).tocsr()
