"""Which sentence a group or a proposition belongs to, where the teacher did not keep to the order.

Words of a sentence weigh by how few of the chunk's sentences have them: what all of them name tells nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthkd.kinds.proposition.groups import Group, Written
from synthkd.text.normal_forms import stored, word_pattern

#: Share of a group's words that its sentence must have, where neither order nor a number tells.
LEAST = 0.25
#: How much better another order must fit than the one that was written.
_BETTER = 0.35
_WORD = re.compile(word_pattern())

#: How a proposition found its sentence.
ORDER, NUMBER, ONLY, OVERLAP = "order", "number", "only", "overlap"
#: What else there is to say of a row: outcomes of sentences and groups, then mere remarks.
NO_TEXT, NOTHING_READ, NO_GROUP, EMPTY_GROUP, NO_SENTENCE, CUT, TOO_MANY = (
    "no_text", "nothing_read", "no_group", "empty_group", "no_sentence", "cut", "too_many",
)  # fmt: skip
NOT_CLOSED, NOT_OPENED, OUTSIDE = "not_closed", "not_opened", "outside_groups"


@dataclass(frozen=True, slots=True)
class Said:
    """A proposition and its sentence (by place in the chunk); either may be missing, and then ``flaw`` says why."""

    sentence: int | None
    proposition: str
    aligned_by: str = ""
    flaw: str | None = None


class Overlap:
    """How well texts fit the sentences of one chunk."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self.words = [set(words(sentence)) for sentence in sentences]
        seen = Counter(word for each in self.words for word in each)
        count = len(sentences)
        self._rarity = {word: math.log((1 + count) / times) for word, times in seen.items()}
        self._new = math.log(1 + count)

    def scores(self, text: str) -> list[float]:
        """Share of the text's words that each sentence has, by weight."""
        found = set(words(text))
        whole = sum(self._rarity.get(word, self._new) for word in found)
        if not whole:
            return [0.0] * len(self.words)
        return [sum(self._rarity[word] for word in found & each) / whole for each in self.words]

    def best(self, text: str, after: int | None = None) -> tuple[int, float]:
        """The sentence that fits best. Among equals the first that does not come before ``after``; where no order is
        known, the one of which the text has the most."""
        scores = self.scores(text)
        top = max(scores)
        equal = [i for i, score in enumerate(scores) if score >= top - 1e-9]
        if after is None:
            found = set(words(text))
            return max(
                equal, key=lambda i: (len(found & self.words[i]) / max(len(self.words[i]), 1), -i)
            ), top
        return next((i for i in equal if i >= after), equal[0]), top


def words(text: str) -> Iterator[str]:
    """Lower-case words; a plural's ending left out, so that `eggs` and `egg` meet."""
    for match in _WORD.finditer(stored(text).casefold()):
        word = match.group()
        yield word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")) else word


def align(written: Written, sentences: Sequence[str]) -> list[Said]:
    """All that was written, each with its sentence, and a row for each sentence of which nothing was said."""
    overlap = Overlap(sentences)
    found: list[Said] = []
    places = _places(written.groups, overlap, len(sentences))
    for group, (place, how) in zip(written.groups, places, strict=True):
        found += _of_group(group, place, how)
    found += _loose(written.loose, overlap, len(sentences), bool(written.groups))
    if not any(one.proposition for one in found) and not written.groups:
        return [Said(i, "", flaw=NOTHING_READ) for i in range(len(sentences))]
    if written.more:
        found.append(Said(None, "", flaw=TOO_MANY))
    told = {one.sentence for one in found}
    return found + [Said(i, "", flaw=NO_GROUP) for i in range(len(sentences)) if i not in told]


def _of_group(group: Group, place: int | None, how: str) -> Iterator[Said]:
    if place is None:
        yield Said(None, "\n".join(group.said), flaw=NO_SENTENCE)
        return
    if not group.said:
        yield Said(place, "", how, EMPTY_GROUP)
        return
    flaw = NOT_OPENED if not group.opened else None if group.closed else NOT_CLOSED
    for i, text in enumerate(group.said):
        last = i == len(group.said) - 1 and group.cut
        yield Said(place, text, how, CUT if last else flaw)


def _loose(loose: Group, overlap: Overlap, count: int, beside: bool) -> Iterator[Said]:
    """Propositions outside of groups: each goes to the sentence whose words it has."""
    place = 0
    for i, text in enumerate(loose.said):
        flaw = CUT if loose.cut and i == len(loose.said) - 1 else OUTSIDE if beside else None
        if count == 1 and not beside:
            yield Said(0, text, ONLY, flaw)
            continue
        best, score = overlap.best(text, place if len(loose.said) > 1 else None)
        if score < LEAST:
            yield Said(None, text, OVERLAP, NO_SENTENCE)
        else:
            place = best
            yield Said(best, text, OVERLAP, flaw)


Place = tuple[int | None, str]


def _places(groups: Sequence[Group], overlap: Overlap, count: int) -> list[Place]:
    """The sentence of each group: by number, by order, or else by words."""
    numbers = [group.number for group in groups]
    if None not in numbers and len(set(numbers)) == len(numbers) and set(numbers) <= set(range(1, count + 1)):
        return [(number - 1, NUMBER) for number in numbers if number is not None]
    scores = [overlap.scores(" ".join(group.said)) for group in groups]
    if len(groups) == count and not _wrong_order(scores):
        return [(i, ONLY if count == 1 else ORDER) for i in range(count)]
    return _by_words(groups, scores, count)


def _wrong_order(scores: Sequence[Sequence[float]]) -> bool:
    """Whether some group fits another sentence clearly better than the one at its place."""
    return any(max(row) - row[i] > _BETTER for i, row in enumerate(scores))


def _by_words(groups: Sequence[Group], scores: Sequence[Sequence[float]], count: int) -> list[Place]:
    """The best pairs first, each sentence once; what is left over joins its best sentence, or has none. An empty
    group takes the place that is left between its neighbours."""
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
        if places[i] is None and group.said:
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
