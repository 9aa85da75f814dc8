"""Find the spans of an answer in its sentence, and decide which of two that overlap is kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from synthkd.kinds.labelled_text.taxonomy import Taxonomy
from synthkd.kinds.span.answers import WrittenSpan
from synthkd.text.normal_forms import stored

#: Flaws of a span's type and place.
UNKNOWN_TYPE, NOT_IN_SENTENCE = "unknown_type", "not_in_sentence"
PART_OF_WORD, REPEATED, OVERLAP = "part_of_word", "repeated", "overlap"
Overlaps = Literal["refuse", "longest", "first", "keep"]
_QUOTES, _DASHES = "'\"’‘“”„`´«»", "-‐‑‒–—−"
#: Categories of characters that make one word where they meet; others have no blanks between words.
_JOINED = frozenset(("Lu", "Ll", "Lt", "Nd"))
_TOKEN = re.compile(r"\w+|[^\w\s]")
_EDGES = " \t\n.,;:!?\"'`’‘“”()[]"


@dataclass(frozen=True, slots=True)
class LocatedSpan:
    """A span with its characters ``sentence[start:end]``; with a flaw, it may have no place."""

    type: str
    text: str
    start: int | None = None
    end: int | None = None
    flaw: str = ""


def locate_spans(
    written: Sequence[WrittenSpan],
    sentence: str,
    types: Taxonomy | None = None,
    overlaps: Overlaps = "longest",
    whole_words: bool = True,
) -> list[LocatedSpan]:
    """Give each span its place, or the flaw for which it has none.

    A text that occurs several times gets its occurrences one after the other, those first that no
    longer span of the answer covers. Case, blanks, quotes and dashes may differ from the sentence,
    whose own characters are taken then.

    Args:
        written: The spans of an answer, in its order.
        sentence: The sentence.
        types: The schema; None allows every type.
        overlaps: Which of overlapping spans have no flaw: none of them (`refuse`), the longest, the
            first of the answer, or all (`keep`).
        whole_words: Refuse a text that occurs inside of words alone.

    Returns:
        The spans, in the order of the answer.
    """
    located: dict[int, LocatedSpan] = {}
    taken: dict[tuple[int, int], set[str]] = {}
    places_of: dict[str, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    # Longer texts first: `York` should not take a place inside of `New York`.
    for number in sorted(range(len(written)), key=lambda n: (-len(written[n].text), n)):
        span = written[number]
        name = (types.find(span.type) or span.type) if types else span.type
        if span.flaw:
            located[number] = LocatedSpan(name, span.text, flaw=span.flaw)
            continue
        if span.text not in places_of:
            places = _places(sentence, span.text)
            whole = [place for place in places if not whole_words or _is_whole(sentence, *place)]
            places_of[span.text] = places, whole
        places, whole = places_of[span.text]
        if types and name not in types.classes:
            start, end = whole[0] if whole else (None, None)
            located[number] = LocatedSpan(name, span.text, start, end, UNKNOWN_TYPE)
            continue
        if not whole:
            flaw = PART_OF_WORD if places else NOT_IN_SENTENCE
            located[number] = LocatedSpan(name, span.text, flaw=flaw)
            continue
        place = _choose(whole, taken, name, span.near)
        if place is None:
            located[number] = LocatedSpan(name, span.text, *whole[0], flaw=REPEATED)
            continue
        taken.setdefault(place, set()).add(name)
        located[number] = LocatedSpan(name, sentence[slice(*place)], *place)
    return resolve_overlaps([located[number] for number in range(len(written))], overlaps)


def _choose(
    places: Sequence[tuple[int, int]],
    taken: dict[tuple[int, int], set[str]],
    name: str,
    near: int | None,
) -> tuple[int, int] | None:
    """Choose a place: free, else under another span, else of another type; None if all are had."""
    other = [place for place in places if name not in taken.get(place, ())]
    if near is not None and other:
        return min(other, key=lambda place: (abs(place[0] - near), place))
    free = [place for place in other if place not in taken]
    # Looked for one by one: an answer may name a word hundreds of times that a text has thousands
    # of times.
    uncovered = (
        place
        for place in free
        if not any(start < place[1] and place[0] < end for start, end in taken)
    )
    return next(uncovered, None) or next(iter(free or other), None)


def resolve_overlaps(spans: Sequence[LocatedSpan], overlaps: Overlaps) -> list[LocatedSpan]:
    """Mark the spans that others overlap, in the order of the spans."""
    sound = [number for number, span in enumerate(spans) if not span.flaw]
    marked = list(spans)
    if overlaps == "keep":
        return marked
    if overlaps == "longest":
        sound.sort(key=lambda n: (-_length(spans[n]), n))
    kept = list[LocatedSpan]()
    for number in sound:
        others = [spans[n] for n in sound if n != number] if overlaps == "refuse" else kept
        if any(_overlap(spans[number], other) for other in others):
            marked[number] = replace(spans[number], flaw=OVERLAP)
        else:
            kept.append(spans[number])
    return marked


def _length(span: LocatedSpan) -> int:
    return (span.end or 0) - (span.start or 0)


def _overlap(one: LocatedSpan, other: LocatedSpan) -> bool:
    assert one.start is not None
    assert one.end is not None
    assert other.start is not None
    assert other.end is not None
    return one.start < other.end and other.start < one.end


def _places(sentence: str, text: str) -> list[tuple[int, int]]:
    """Return the places where a text occurs: as it is, or else with the differences of a teacher.

    The differences are blanks, quotes, dashes, case, and marks at the edges.
    """
    if places := _exact(sentence, text):
        return places
    for variant in dict.fromkeys((text, text.strip(_EDGES))):
        if not variant or len(variant) > 2 * len(sentence):
            continue
        pattern = _pattern(stored(variant))
        for flags in (0, re.IGNORECASE):
            matches = [match.span() for match in re.finditer(pattern, sentence, flags)]
            if places := [(start, end) for start, end in matches if end > start]:
                return places
    return []


def _exact(sentence: str, text: str) -> list[tuple[int, int]]:
    places = list[tuple[int, int]]()
    start = sentence.find(text) if text else -1
    while start >= 0:
        places.append((start, start + len(text)))
        start = sentence.find(text, start + 1)
    return places


@lru_cache(4096)
def _pattern(text: str) -> str:
    parts = list[str]()
    before = ""
    for token in _TOKEN.findall(text):
        # Two words have a blank between them; around a mark it may be there or not.
        blank = r"\s+" if before and before[-1].isalnum() and token[0].isalnum() else r"\s*"
        one = next((f"[{re.escape(s)}]" for s in (_QUOTES, _DASHES) if token in s), None)
        parts.append((blank if before else "") + (one or re.escape(token)))
        before = token
    return "".join(parts) or r"(?!)"


def _is_whole(sentence: str, start: int, end: int) -> bool:
    """Return True if no word goes on over either edge."""
    return not (
        (start and _joined(sentence[start - 1], sentence[start]))
        or (end < len(sentence) and _joined(sentence[end - 1], sentence[end]))
    )


def _joined(left: str, right: str) -> bool:
    return unicodedata.category(left) in _JOINED and unicodedata.category(right) in _JOINED
