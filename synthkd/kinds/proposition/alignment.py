"""Align groups and propositions with the sentences of a chunk.

If numbers and order do not decide, words do: a word's weight is higher the fewer sentences of the
chunk have it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthkd.kinds.proposition.groups import GroupedPropositions, PropositionGroup
from synthkd.text.normal_forms import stored, word_pattern

#: Weighted share of a group's words that its sentence must have, without an order or a number.
LEAST = 0.25
#: Difference of scores from which another order fits better than the written one.
_BETTER = 0.35
_WORD = re.compile(word_pattern())

#: Evidence that aligned a proposition with its sentence.
ORDER, NUMBER, ONLY, OVERLAP = "order", "number", "only", "overlap"
#: Flaws of rows: first those without a proposition or sentence, then remarks.
NO_TEXT, NOTHING_READ, NO_GROUP, EMPTY_GROUP, NO_SENTENCE, CUT, TOO_MANY = (
    "no_text", "nothing_read", "no_group", "empty_group", "no_sentence", "cut", "too_many",
)  # fmt: skip
NOT_CLOSED, NOT_OPENED, OUTSIDE = "not_closed", "not_opened", "outside_groups"


@dataclass(frozen=True, slots=True)
class AlignedProposition:
    """A proposition and its sentence.

    Attributes:
        sentence: Index of the sentence in the chunk; None without one.
        proposition: The proposition; "" without one.
        aligned_by: Evidence that aligned the two.
        flaw: Why one of the two is missing, or a remark.
    """

    sentence: int | None
    proposition: str
    aligned_by: str = ""
    flaw: str | None = None


class SentenceOverlap:
    """Weighted word overlap of texts with the sentences of a chunk."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self.words = [set(overlap_words(sentence)) for sentence in sentences]
        seen = Counter(word for each in self.words for word in each)
        count = len(sentences)
        self._rarity = {word: math.log((1 + count) / times) for word, times in seen.items()}
        self._new = math.log(1 + count)

    def scores(self, text: str) -> list[float]:
        """Return the weighted share of a text's words that each sentence has."""
        words = set(overlap_words(text))
        whole = sum(self._rarity.get(word, self._new) for word in words)
        if not whole:
            return [0.0] * len(self.words)
        return [sum(self._rarity[word] for word in words & each) / whole for each in self.words]

    def best(self, text: str, after: int | None = None) -> tuple[int, float]:
        """Return the index and the score of the sentence that fits best.

        Args:
            text: A proposition or a group.
            after: Of equal sentences, prefer the first from this index on; None prefers the
                sentence of
                which the text has the largest share.
        """
        scores = self.scores(text)
        top = max(scores)
        equal = [i for i, score in enumerate(scores) if score >= top - 1e-9]
        if after is None:
            words = set(overlap_words(text))
            return max(
                equal, key=lambda i: (len(words & self.words[i]) / max(len(self.words[i]), 1), -i)
            ), top
        return next((i for i in equal if i >= after), equal[0]), top


def overlap_words(text: str) -> Iterator[str]:
    """Yield lower-case words without a plural ending, so that `eggs` equals `egg`."""
    for match in _WORD.finditer(stored(text).casefold()):
        word = match.group()
        yield (
            word[:-1]
            if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us"))
            else word
        )


def align(answer: GroupedPropositions, sentences: Sequence[str]) -> list[AlignedProposition]:
    """Align the propositions of an answer; sentences without one have a row with a flaw."""
    overlap = SentenceOverlap(sentences)
    aligned: list[AlignedProposition] = []
    places = _places(answer.groups, overlap, len(sentences))
    for group, (place, how) in zip(answer.groups, places, strict=True):
        aligned += _of_group(group, place, how)
    aligned += _loose(answer.loose, overlap, len(sentences), bool(answer.groups))
    if not any(one.proposition for one in aligned) and not answer.groups:
        return [AlignedProposition(i, "", flaw=NOTHING_READ) for i in range(len(sentences))]
    if answer.more:
        aligned.append(AlignedProposition(None, "", flaw=TOO_MANY))
    covered = {one.sentence for one in aligned}
    return aligned + [
        AlignedProposition(i, "", flaw=NO_GROUP) for i in range(len(sentences)) if i not in covered
    ]


def _of_group(group: PropositionGroup, place: int | None, how: str) -> Iterator[AlignedProposition]:
    if place is None:
        yield AlignedProposition(None, "\n".join(group.propositions), flaw=NO_SENTENCE)
        return
    if not group.propositions:
        yield AlignedProposition(place, "", how, EMPTY_GROUP)
        return
    flaw = NOT_OPENED if not group.opened else None if group.closed else NOT_CLOSED
    for i, text in enumerate(group.propositions):
        last = i == len(group.propositions) - 1 and group.cut
        yield AlignedProposition(place, text, how, CUT if last else flaw)


def _loose(
    loose: PropositionGroup, overlap: SentenceOverlap, count: int, beside: bool
) -> Iterator[AlignedProposition]:
    """Align propositions outside of groups by their words."""
    place = 0
    for i, text in enumerate(loose.propositions):
        flaw = (
            CUT if loose.cut and i == len(loose.propositions) - 1 else OUTSIDE if beside else None
        )
        if count == 1 and not beside:
            yield AlignedProposition(0, text, ONLY, flaw)
            continue
        best, score = overlap.best(text, place if len(loose.propositions) > 1 else None)
        if score < LEAST:
            yield AlignedProposition(None, text, OVERLAP, NO_SENTENCE)
        else:
            place = best
            yield AlignedProposition(best, text, OVERLAP, flaw)


Place = tuple[int | None, str]


def _places(
    groups: Sequence[PropositionGroup], overlap: SentenceOverlap, count: int
) -> list[Place]:
    """Return the sentence of each group: by number, by order, or by words."""
    numbers = [group.number for group in groups]
    if (
        None not in numbers
        and len(set(numbers)) == len(numbers)
        and set(numbers) <= set(range(1, count + 1))
    ):
        return [(number - 1, NUMBER) for number in numbers if number is not None]
    scores = [overlap.scores(" ".join(group.propositions)) for group in groups]
    if len(groups) == count and not _wrong_order(scores):
        return [(i, ONLY if count == 1 else ORDER) for i in range(count)]
    return _by_words(groups, scores, count)


def _wrong_order(scores: Sequence[Sequence[float]]) -> bool:
    """Return True if a group fits another sentence clearly better than the one at its place."""
    return any(max(row) - row[i] > _BETTER for i, row in enumerate(scores))


def _by_words(
    groups: Sequence[PropositionGroup], scores: Sequence[Sequence[float]], count: int
) -> list[Place]:
    """Match groups and sentences greedily by score, each sentence once.

    A group without a match joins its best sentence if their overlap is large. An empty group takes
    the free place behind the group before it.
    """
    places: list[int | None] = [None] * len(groups)
    taken: set[int] = set()
    best = sorted(
        (
            (score, -abs(i - j), -i, j)
            for i, row in enumerate(scores)
            for j, score in enumerate(row)
            if score >= LEAST
        ),
        reverse=True,
    )
    for _, _, minus, j in best:
        if places[-minus] is None and j not in taken:
            places[-minus] = j
            taken.add(j)
    for i, group in enumerate(groups):
        if places[i] is None and group.propositions:
            top = max(scores[i], default=0.0)
            if top >= 2 * LEAST:
                places[i] = list(scores[i]).index(top)
        elif places[i] is None:
            before = places[i - 1] if i else -1
            free = None if before is None else before + 1
            if free is not None and free < count and free not in taken:
                places[i] = free
                taken.add(free)
    return [(place, "" if place is None else OVERLAP) for place in places]
