"""Where the ends of a triple stand in its source: the nearest pair, and the words around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from synthkd.text.spans import TextSpan, fold_word, phrase_finder

#: Words and marks of a context.
_TOKEN = re.compile(r"[^\W_]+|[^\w\s]")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n\s*\n")
#: Characters before and behind an end that are read.
_REACH = 60
#: Places of each end that are compared.
_MOST = 40
#: Other words between those of an end that is not found as it stands.
_GAP = 2


@dataclass(frozen=True, slots=True)
class EndMentions:
    """Places of an end; ``exact`` is 1 if found as it stands, 0.5 loosely, 0 if missing."""

    places: tuple[TextSpan, ...]
    exact: float


@dataclass(frozen=True, slots=True)
class NearestPair:
    """The places of head and tail that are nearest to each other, and what is around them.

    Attributes:
        head: Place of the head.
        tail: Place of the tail.
        sentences: Ends of sentences between the two.
        overlaps: True if the places overlap.
        forward: True if the head comes first.
        between: Folded words and marks between the two.
        before: Those before the first, the nearest last.
        behind: Those behind the second.
        before_head: Those before the head.
        before_tail: Those before the tail.
        behind_tail: Those behind the tail.
    """

    head: TextSpan
    tail: TextSpan
    sentences: int
    overlaps: bool
    forward: bool
    between: tuple[str, ...]
    before: tuple[str, ...]
    behind: tuple[str, ...]
    before_head: tuple[str, ...]
    before_tail: tuple[str, ...]
    behind_tail: tuple[str, ...]


def find_end(source: str, phrase: str) -> EndMentions:
    """Return the places of an end in its source."""
    finder = phrase_finder(source)
    places = finder.find_all(phrase)
    if places:
        return EndMentions(tuple(places[:_MOST]), 1.0)
    loose = finder.find(phrase, gap=_GAP, endings=True)
    return EndMentions((loose,), 0.5) if loose else EndMentions((), 0.0)


def nearest_pair(source: str, heads: EndMentions, tails: EndMentions) -> NearestPair | None:
    """Return the nearest places of head and tail; None if one of them is missing.

    Places of one sentence come before others, and places that do not overlap before those that do.
    """
    ends = _sentence_ends(source)
    pairs = [
        (_between(head, tail, ends), _overlap(head, tail), _distance(head, tail), head, tail)
        for head in heads.places
        for tail in tails.places
    ]
    if not pairs:
        return None
    sentences, overlaps, _, head, tail = min(pairs)
    first, second = sorted((head, tail))
    return NearestPair(
        head,
        tail,
        sentences,
        overlaps,
        head.start <= tail.start,
        () if overlaps else _tokens(source[first.end : second.start]),
        _tokens(source[max(0, first.start - _REACH) : first.start])[-3:],
        _tokens(source[second.end : second.end + _REACH])[:3],
        _tokens(source[max(0, head.start - _REACH) : head.start])[-2:],
        _tokens(source[max(0, tail.start - _REACH) : tail.start])[-2:],
        _tokens(source[tail.end : tail.end + _REACH])[:2],
    )


@lru_cache(1 << 10)
def _sentence_ends(source: str) -> tuple[int, ...]:
    return tuple(match.start() for match in _SENTENCE_END.finditer(source))


def _between(head: TextSpan, tail: TextSpan, ends: tuple[int, ...]) -> int:
    first, second = sorted((head, tail))
    return sum(first.end <= end < second.start for end in ends)


def _overlap(head: TextSpan, tail: TextSpan) -> bool:
    return head.start < tail.end and tail.start < head.end


def _distance(head: TextSpan, tail: TextSpan) -> int:
    return max(tail.start - head.end, head.start - tail.end, 0)


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(fold_word(match.group()) for match in _TOKEN.finditer(text))
