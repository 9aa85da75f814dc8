"""Negative triples from true ones: one slot of a true triple is replaced.

Replacements come from the same slot of other true triples, so frequent phrases are drawn often. A
negative that is known to be true, or nearly equals a true triple, is drawn again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.critics.triples.phrases import Triple, Vocabulary
from synthkd.critics.triples.reference import COLUMNS, check_reference_size, read_true_triples
from synthkd.critics.triples.vectors import WordVectors
from synthkd.errors import CriticError, require_extra
from synthkd.reporting.safe_text import csv_line, to_cell
from synthkd.storage import check_file, has_text, write_text

#: Number of nearest phrases to draw from, and of phrases searched for them.
NEAREST, POOL = 20, 10_000
#: A phrase more similar than this may mean the same, so its negative may be true: it is never
#: drawn.
ALIKE = 0.9


class Similar:
    """Finds up to `NEAREST` phrases similar to one in a slot, the nearest first.

    Args:
        known: True triples.
        vectors: Source of unit vectors of phrases: word vectors or an encoder (`triples.vectors`).
        vocabulary: Vocabulary of the triples.
        seed: Seed of the draw of phrases.
    """

    def __init__(
        self, known: Sequence[Triple], vectors: Any, vocabulary: Vocabulary, seed: int = 0
    ) -> None:
        self._vectors, self._vocabulary = vectors, vocabulary
        rng = np.random.default_rng(seed)
        self._pool: dict[int, tuple[list[str], Any]] = {}
        for slot in (0, 2):
            names = sorted({triple[slot] for triple in known})
            names = [names[place] for place in rng.permutation(len(names))[:POOL]]
            self._pool[slot] = names, self._of(names)
        self._memory: dict[tuple[str, int], list[str]] = {}

    @classmethod
    def of(cls, known: Sequence[Triple], seed: int = 0) -> Similar:
        """Find similar phrases by word vectors learned from the triples themselves."""
        vocabulary = Vocabulary.of(known)
        return cls(
            known, WordVectors.learn(vocabulary, vocabulary.read(known), seed), vocabulary, seed
        )

    def __call__(self, phrase: str, slot: int) -> list[str]:
        nearest = self._memory.get((phrase, slot))
        if nearest is None:
            names, vectors = self._pool[slot]
            near = vectors @ self._of([phrase])[0]
            near[near > ALIKE] = -1
            best = np.argsort(-near, kind="stable")[:NEAREST]
            nearest = self._memory[phrase, slot] = [
                names[place] for place in best if near[place] > 0
            ]
        return nearest

    def _of(self, names: Sequence[str]) -> Any:
        rows = self._vocabulary.read([(name, "", name) for name in names])
        return self._vectors.of(rows.phrases)[rows.head]


SLOTS = ("head", "relation", "tail")
#: Draws for one negative before giving up.
TRIES = 20
#: Words that do not change the meaning of a phrase.
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
    """Return the content words of a phrase; phrases of equal gist mean nearly the same."""
    words = re.findall(r"\w+", phrase.casefold())
    return frozenset(word for word in words if word not in _EMPTY) or frozenset(words)


@dataclass
class TrueTriples:
    """True triples; ``triple in true_triples`` also holds for triples that nearly equal one."""

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
        words = self._memory.get(phrase)
        if words is None:
            words = self._memory[phrase] = gist(phrase)
        return words


@dataclass(frozen=True)
class NegativeTriples:
    """Negatives, the index of each one's positive, and the replaced slot (0, 1, 2)."""

    triples: list[Triple]
    source: list[int]
    slot: list[int]


def corrupt(
    positives: Sequence[Triple],
    known: TrueTriples,
    each: int = 1,
    seed: int = 0,
    slots: Sequence[str] = SLOTS,
    similar: Callable[[str, int], Sequence[str]] | None = None,
    hard: float = 0.0,
) -> NegativeTriples:
    """Make negatives from positives by replacing one slot.

    A positive for which `TRIES` draws find no negative gets fewer.

    Args:
        positives: True triples.
        known: Triples that no negative may equal.
        each: Negatives of each positive.
        seed: Seed of the draws.
        slots: Slots to replace, equally often.
        similar: Returns phrases near to one in a slot (0: head, 2: tail), such as `Similar`.
        hard: Share of replaced heads and tails that are drawn from similar phrases.
    """
    unknown = [slot for slot in slots if slot not in SLOTS]
    if unknown or not slots:
        raise CriticError(f"slots {list(slots)}: name some of {', '.join(SLOTS)}")
    rng = np.random.default_rng(seed)
    places = [SLOTS.index(slot) for slot in slots]
    made = NegativeTriples([], [], [])

    def draw(replaced: str, slot: int) -> str:
        if similar and slot != 1 and rng.random() < hard and (near := similar(replaced, slot)):
            return near[int(rng.integers(len(near)))]
        return positives[int(rng.integers(len(positives)))][slot]

    for place, triple in enumerate(positives):
        for _ in range(each):
            slot = places[int(rng.integers(len(places)))]
            for _ in range(TRIES):
                negative = _replaced(triple, slot, draw(triple[slot], slot))
                if negative not in known:
                    made.triples.append(negative)
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


@dataclass(frozen=True)
class SheetCounts:
    """Numbers of distinct true triples, of negatives, and of negatives that no draw found."""

    true: int
    made: int
    missing: int


def write_negatives(
    positives: Path,
    out: Path,
    each: int = 1,
    hard: float = 0.0,
    seed: int = 0,
    known: Path | None = None,
    formulas: bool = False,
) -> SheetCounts:
    """Write a label sheet of true triples and negatives.

    Args:
        positives: File of true triples.
        out: CSV file to write.
        each: Negatives of each true triple.
        hard: Share of replaced heads and tails that are drawn from similar phrases.
        seed: Seed of the draws.
        known: File of more true triples, none of which may be a negative.
        formulas: Keep texts that a spreadsheet takes for formulas as they are.
    """
    if each < 1 or not 0 <= hard <= 1:
        raise CriticError(
            f"negatives: `each` is {each} and `hard` {hard}; 1 or more, and a share from 0 to 1"
        )
    if out.suffix != ".csv":
        raise CriticError(f"{out}: the sheet is a CSV file; name it so")
    check_file(out, has_text("head,relation,tail,label,made"), "a sheet of made negatives")
    true = check_reference_size(read_true_triples(positives), str(positives))
    others = read_true_triples(known) if known else []
    made = corrupt(
        true,
        TrueTriples([*true, *others]),
        each,
        seed,
        similar=_similar(true, hard, seed),
        hard=hard,
    )
    slots = dict(zip(made.triples, made.slot, strict=True))
    rows = [[*COLUMNS, "label", "made"]]
    rows += [[*triple, "true", ""] for triple in true]
    rows += [[*triple, "false", SLOTS[slot]] for triple, slot in slots.items()]
    write_text(out, "".join(csv_line(to_cell(cell, formulas) for cell in row) for row in rows))
    return SheetCounts(len(true), len(slots), len(true) * each - len(slots))


def _similar(true: list[tuple[str, str, str]], hard: float, seed: int) -> Similar | None:
    if not hard:
        return None
    require_extra("negatives by similarity", "critics", "sklearn")
    return Similar.of(true, seed)
