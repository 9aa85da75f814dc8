"""Find texts that are nearly equal, exactly and without a package.

| name | finds |
|---|---|
| `NearCopyIndex` | The indexed text that a text nearly equals. |
| `near_copy_groups` | Groups of texts that are connected by near copies. |
| `twins` | Pairs of texts with equal content words, or of long texts with small changes. |

Similarity is the Jaccard similarity of sets of character runs (shingles). Two sets of n runs whose
similarity is t or more share one of their n - ceil(t n) + 1 rarest runs (prefix filtering;
Chaudhuri et al. 2006; Bayardo, Ma and Srikant 2007), so only texts that share such a run are
compared; none is lost. `minhash` searches larger sets of texts approximately.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from synthkd.text.normal_forms import normal_text, shingles, word_pattern

#: The least threshold: below it, nearly every text would be compared with every other.
LEAST = 0.3


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the shared runs over all runs of two sets."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


class NearCopy(NamedTuple):
    """The number of an indexed text, and its similarity to a text (1 for equal texts)."""

    number: int
    similarity: float


class RunIndex:
    """Sets of runs, searched by similarity.

    Args:
        sets: The indexed sets.
        threshold: Jaccard similarity of two near copies, at least.
    """

    def __init__(self, sets: Sequence[frozenset[str]], threshold: float) -> None:
        self.sets, self.threshold = sets, threshold
        self._counts = Counter(run for runs in sets for run in runs)
        self._numbers: dict[str, list[int]] = {}
        for number, runs in enumerate(sets):
            for run in self._rarest(runs):
                self._numbers.setdefault(run, []).append(number)

    def _rarest(self, runs: frozenset[str]) -> list[str]:
        order = sorted(runs, key=lambda run: (self._counts[run], run))
        # Rounded, so that 0.8 * 15 is not above 12.
        return order[: len(runs) - math.ceil(round(self.threshold * len(runs), 9)) + 1]

    def near(self, runs: frozenset[str]) -> Iterator[NearCopy]:
        """Yield the indexed sets that are near copies, in no order."""
        for number in {n for run in self._rarest(runs) for n in self._numbers.get(run, ())}:
            similarity = jaccard(runs, self.sets[number])
            if similarity >= self.threshold:
                yield NearCopy(number, similarity)


class NearCopyIndex:
    """Texts, searched by the runs of four characters in their normal forms.

    Args:
        texts: The indexed texts.
        threshold: Jaccard similarity of two near copies, at least; 1 finds equal texts only.
    """

    def __init__(self, texts: Sequence[str] = (), threshold: float = 0.8) -> None:
        if not LEAST <= threshold <= 1:
            raise ValueError(f"near: a similarity from {LEAST} to 1 is needed, not {threshold!r}")
        forms = [normal_text(text) for text in texts]
        self._index = RunIndex(
            [shingles(form) for form in forms] if threshold < 1 else [], threshold
        )
        # The first of equal texts represents them.
        self._equal = {form: number for number, form in reversed(list(enumerate(forms)))}

    def find(self, text: str) -> NearCopy | None:
        """Return the nearest copy of a text, the first of equally near ones; None without one."""
        form = normal_text(text)
        if (number := self._equal.get(form)) is not None:
            return NearCopy(number, 1.0)
        near = self._index.near(shingles(form))
        return min(near, key=lambda copy: (-copy.similarity, copy.number), default=None)


def near_copy_groups(texts: Sequence[str], threshold: float = 0.8) -> list[int]:
    """Return a group number for each text, shared by near copies and texts connected by them."""
    root = list(range(len(texts)))

    def top(place: int) -> int:
        while root[place] != place:
            root[place] = place = root[root[place]]
        return place

    if not LEAST <= threshold <= 1:
        raise ValueError(f"near: a similarity from {LEAST} to 1 is needed, not {threshold!r}")
    forms = [normal_text(text) for text in texts]
    index = RunIndex([shingles(form) for form in forms] if threshold < 1 else [], threshold)
    first: dict[str, int] = {}
    for place, form in enumerate(forms):
        root[top(place)] = top(first.setdefault(form, place))
        for copy in index.near(index.sets[place]) if index.sets else ():
            a, b = sorted((top(place), top(copy.number)))
            root[b] = a
    return [top(place) for place in range(len(texts))]


# --- twins ---

#: Similarity of twins, and their least length in characters: in short texts such as triples, one
#: word of another meaning is a small change too.
SIMILAR, LONG = 0.8, 60
_RUN = 4
_WORD = re.compile(word_pattern(underscore=True))
_EMPTY = {"a", "an", "the", "is", "are", "be", "to", "of", "and"}


def word_key(text: str) -> str:
    """Return the content words of a text without simple endings, sorted.

    Texts that differ in case, punctuation, order, articles and simple endings have equal keys.
    """
    words = _WORD.findall(text.casefold())
    return " ".join(sorted(_stem(word) for word in words if word not in _EMPTY)) or " ".join(words)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def twins(texts: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Find texts with equal word keys, and long texts with small changes.

    Returns:
        Pairs ``(i, j)`` of ``texts[i]`` and the first twin ``others[j]``, in order of i.
    """
    keys: dict[str, int] = {}
    for j, text in enumerate(others):
        keys.setdefault(word_key(text), j)
    partner = {i: keys[key] for i, key in enumerate(map(word_key, texts)) if key in keys}
    index = RunIndex([long_runs(text) for text in others], SIMILAR)
    for i, text in enumerate(texts):
        for near in index.near(long_runs(text)):
            partner[i] = min(near.number, partner.get(i, near.number))
    return sorted(partner.items())


def long_runs(text: str) -> frozenset[str]:
    """Return the runs of a long text; nothing for a short one."""
    flat = " ".join(_WORD.findall(text.casefold()))
    if len(flat) < LONG:
        return frozenset()
    return frozenset(flat[i : i + _RUN] for i in range(len(flat) - _RUN + 1))
