"""Invalid triples for those who have valid ones only: one slot of a known triple is replaced.

What is drawn for a slot comes from the same slot of other known triples, so common phrases are drawn often, as
they occur often. A negative that is known to be true, or says nearly the same as a known triple, is drawn again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from synthkd.errors import CriticError

Triple = tuple[str, str, str]
SLOTS = ("head", "relation", "tail")
#: Draws for one negative before it is given up.
TRIES = 20
#: Words that change nothing in what a phrase names.
_EMPTY = frozenset(
    [
        "a",
        "an",
        "the",
        "your",
        "my",
        "his",
        "her",
        "their",
        "its",
        "our",
        "one",
        "some",
        "of",
        "to",
        "in",
        "on",
        "at",
    ]
)


def gist(phrase: str) -> frozenset[str]:
    """The words that carry a phrase; phrases of equal gist say nearly the same."""
    words = re.findall(r"\w+", phrase.casefold())
    return frozenset(word for word in words if word not in _EMPTY) or frozenset(words)


@dataclass
class Known:
    """Triples that are true. ``triple in known`` holds for these and for those that say nearly the same."""

    triples: Collection[Triple]
    _gists: set[tuple[frozenset[str], str, frozenset[str]]] = field(init=False)
    _memory: dict[str, frozenset[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._gists = {self._form(triple) for triple in self.triples}

    def __contains__(self, triple: Triple) -> bool:
        return self._form(triple) in self._gists

    def _form(self, triple: Triple) -> tuple[frozenset[str], str, frozenset[str]]:
        return self._gist(triple[0]), triple[1], self._gist(triple[2])

    def _gist(self, phrase: str) -> frozenset[str]:
        found = self._memory.get(phrase)
        if found is None:
            found = self._memory[phrase] = gist(phrase)
        return found


@dataclass(frozen=True)
class Made:
    """Negatives, the place of the positive that each was made from, and the slot (0, 1, 2) that was replaced."""

    triples: list[Triple]
    source: list[int]
    slot: list[int]


def corrupt(
    positives: Sequence[Triple],
    known: Known,
    each: int = 1,
    seed: int = 0,
    slots: Sequence[str] = SLOTS,
    similar: Callable[[str, int], Sequence[str]] | None = None,
    hard: float = 0.0,
) -> Made:
    """``each`` negatives of each positive, one slot replaced, the slots equally often.

    ``similar(phrase, slot)`` names phrases near to one (`kb.similar.Similar`); a share ``hard`` of the head and tail swaps draws from these. A positive
    for which `TRIES` draws found nothing false gets fewer negatives.
    """
    unknown = [slot for slot in slots if slot not in SLOTS]
    if unknown or not slots:
        raise CriticError(f"slots {list(slots)}: name some of {', '.join(SLOTS)}")
    rng = np.random.default_rng(seed)
    places = [SLOTS.index(slot) for slot in slots]
    made = Made([], [], [])

    def draw(replaced: str, slot: int) -> str:
        if similar and slot != 1 and rng.random() < hard and (near := similar(replaced, slot)):
            return near[int(rng.integers(len(near)))]
        return positives[int(rng.integers(len(positives)))][slot]

    for place, triple in enumerate(positives):
        for _ in range(each):
            slot = places[int(rng.integers(len(places)))]
            for _ in range(TRIES):
                found = _replaced(triple, slot, draw(triple[slot], slot))
                if found not in known:
                    made.triples.append(found)
                    made.source.append(place)
                    made.slot.append(slot)
                    break
    return made


def _replaced(triple: Triple, slot: int, drawn: str) -> Triple:
    head, relation, tail = triple
    return (
        (drawn, relation, tail)
        if slot == 0
        else (head, drawn, tail)
        if slot == 1
        else (head, relation, drawn)
    )
