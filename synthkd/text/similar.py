"""Find texts that say nearly the same: by their words, and by shared runs of characters.

The word key joins texts that differ in case, punctuation, order, articles and simple endings only. Equal keys make
groups at once, in any order of rows. `twins` also finds long texts with small changes: pairs of at least `LONG`
characters whose sets of four-character runs have a Jaccard similarity of at least `SIMILAR`. (In short texts such
as triples one word of another meaning is a small change too.) It looks only at pairs that share a rare run
(prefix filtering: Bayardo, Ma and Srikant, WWW 2007), which loses none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from synthkd.text.normal_forms import word_pattern

#: Share of common runs from which two texts are near-duplicates.
SIMILAR = 0.8
#: Characters from which runs are looked at.
LONG = 60
_RUN = 4
_WORD = re.compile(word_pattern(underscore=True))
_EMPTY = {"a", "an", "the", "is", "are", "be", "to", "of", "and"}


def word_key(text: str) -> str:
    """The text's content words without simple endings, sorted: equal for texts that say the same in form."""
    words = _WORD.findall(text.casefold())
    return " ".join(sorted(_stem(word) for word in words if word not in _EMPTY)) or " ".join(words)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def twins(texts: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs ``(i, j)`` where ``texts[i]`` is nearly ``others[j]``: the first such j for each i, in order of i."""
    keys: dict[str, int] = {}
    for j, text in enumerate(others):
        keys.setdefault(word_key(text), j)
    found = {i: keys[key] for i, key in enumerate(map(word_key, texts)) if key in keys}
    for i, j in _similar(texts, others):
        found[i] = min(j, found.get(i, j))
    return sorted(found.items())


def _similar(texts: Sequence[str], others: Sequence[str]) -> Iterable[tuple[int, int]]:
    left, right = [_runs(text) for text in texts], [_runs(text) for text in others]
    common = Counter(run for runs in (*left, *right) for run in runs)
    index: dict[str, list[int]] = {}
    for j, runs in enumerate(right):
        for run in _rarest(runs, common):
            index.setdefault(run, []).append(j)
    for i, runs in enumerate(left):
        near = sorted({j for run in _rarest(runs, common) for j in index.get(run, ())})
        for j in near:
            if _alike(runs, right[j]):
                yield i, j
                break


def _alike(one: set[str], other: set[str]) -> bool:
    both = len(one & other)
    return both >= SIMILAR * (len(one) + len(other) - both)


def _rarest(runs: set[str], common: Counter[str]) -> list[str]:
    """So many of the rarest runs that two similar texts must share one of them; none for a short text."""
    count = len(runs) - math.ceil(SIMILAR * len(runs)) + 1
    return sorted(runs, key=lambda run: (common[run], run))[:count]


def _runs(text: str) -> set[str]:
    """Four-character runs of a long text; nothing for a short one."""
    flat = " ".join(_WORD.findall(text.casefold()))
    return {flat[i : i + _RUN] for i in range(len(flat) - _RUN + 1)} if len(flat) >= LONG else set()
