"""Validation and test rows never enter a prompt: texts are held against them, equal or nearly.

The search is exact and needs no package: two sets of n runs of characters whose Jaccard similarity is t or more share
one of their n - ceil(t n) + 1 rarest runs (prefix filtering; Chaudhuri et al. 2006), so only texts that do are compared.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from synthkd.errors import InputError
from synthkd.text.near_duplicates import jaccard, normal_text, shingles

#: Rows that an error names.
_NAMED = 3
#: Below this similarity nearly every text would have to be compared with every other.
LEAST = 0.3


class NearCopy(NamedTuple):
    """The held text that a text is nearest to: its number, and the Jaccard similarity (1 where they are equal)."""

    number: int
    similarity: float


class NearCopyIndex:
    """Texts that others are compared with. ``threshold``: Jaccard similarity, of the runs of four characters in the
    normalised texts, from which two are nearly the same; 1 finds equal ones only."""

    def __init__(self, texts: Sequence[str] = (), threshold: float = 0.8) -> None:
        if not LEAST <= threshold <= 1:
            raise ValueError(f"near: a similarity from {LEAST} to 1 is needed, not {threshold!r}")
        self.threshold = threshold
        forms = [normal_text(text) for text in texts]
        self._runs = [shingles(form) for form in forms] if threshold < 1 else []
        # The first of equal texts stands for them.
        self._equal = {form: number for number, form in reversed(list(enumerate(forms)))}
        self._often = Counter(run for runs in self._runs for run in runs)
        self._holding: dict[str, list[int]] = {}
        for number, runs in enumerate(self._runs):
            for run in self._rarest(runs):
                self._holding.setdefault(run, []).append(number)

    def _rarest(self, runs: frozenset[str]) -> list[str]:
        order = sorted(runs, key=lambda run: (self._often[run], run))
        # Rounded, so that 0.8 * 15 is 12 and not a hair more.
        return order[: len(runs) - math.ceil(round(self.threshold * len(runs), 9)) + 1]

    def find(self, text: str) -> NearCopy | None:
        """The nearest text that is near enough; of equally near ones the first. None where none is."""
        form = normal_text(text)
        if (number := self._equal.get(form)) is not None:
            return NearCopy(number, 1.0)
        near = [found for found in self._candidates(shingles(form)) if found.similarity >= self.threshold]
        return min(near, key=lambda found: (-found.similarity, found.number), default=None)

    def _candidates(self, runs: frozenset[str]) -> Iterable[NearCopy]:
        if not self._runs:
            return
        for number in {n for run in self._rarest(runs) for n in self._holding.get(run, ())}:
            yield NearCopy(number, jaccard(runs, self._runs[number]))


class EvaluationTexts:
    """Texts of validation and test rows. ``near``: similarity from which a text counts as a copy of one; ``places``: what an
    error calls each of them."""

    def __init__(self, texts: Sequence[str], near: float = 0.8, places: Sequence[str] | None = None) -> None:
        self.texts, self.places = tuple(texts), tuple(places or ())
        self._near = NearCopyIndex(self.texts, near)
        #: What was found before: the same examples are shown round after round.
        self._known: dict[str, NearCopy | None] = {}

    def find(self, text: str) -> NearCopy | None:
        """The held row that a text copies; None where it copies none."""
        if text not in self._known:
            self._known[text] = self._near.find(text)
        return self._known[text]

    def refuse(self, rows: Iterable[str | Mapping[str, Any]], what: str) -> None:
        """Raise `InputError` where one of the rows (texts, or rows with a `text`) copies a held one. ``what`` says where the
        rows stand."""
        found: list[str] = []
        for number, row in enumerate(rows, 1):
            text = row if isinstance(row, str) else str(row.get("text") or "")
            if (copy := self.find(text)) is not None:
                found.append(f"row {number} {text[:60]!r} {self.told(copy)}")
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise InputError(
                f"{what}: {'; '.join(found[:_NAMED])}{more}; validation and test rows are never shown to a teacher:"
                " take the row out of one of the two, or raise loop.near"
            )

    def told(self, copy: NearCopy) -> str:
        """In words: which held row it is, and how near."""
        place = self.places[copy.number] if self.places else f"validation or test row {copy.number + 1}"
        how = "is" if copy.similarity == 1 else f"is nearly ({copy.similarity:.2f})"
        return f"{how} {place}"


def near_copy_groups(texts: Sequence[str], threshold: float = 0.8) -> list[int]:
    """A number for each text; texts that are nearly the same, or connected by such ones, share it."""
    root = list(range(len(texts)))

    def top(place: int) -> int:
        while root[place] != place:
            root[place] = place = root[root[place]]
        return place

    index, first = NearCopyIndex(texts, threshold), dict[str, int]()
    for place, text in enumerate(texts):
        root[top(place)] = top(first.setdefault(normal_text(text), place))
        for found in index._candidates(index._runs[place]) if index._runs else ():
            if found.similarity >= threshold:
                a, b = sorted((top(place), top(found.number)))
                root[b] = a
    return [top(place) for place in range(len(texts))]
