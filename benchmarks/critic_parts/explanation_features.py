"""What can be read off an explanation without any label: likelihood, form, overlap, agreement with its siblings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Columns = dict[str, Any]
_COMMON = (
    "a an the of in on at to is are was were be been and or for with that this it its as by from can you your they"
    " there he she his her their one not would will if"
)
_STOP = frozenset(_COMMON.split())
#: Groups of words whose counts (at most 2) are features.
_WORDS = (
    r"\bnot\b|\bno\b|\bnever\b|\bcannot\b", r"n't", r"\bbecause\b|\bsince\b|\bso\b", r"\bif\b",
    r"\bmeans?\b|\bimply\b|\bimplies\b", r"\bnecessarily\b", r"\bcould\b|\bmight\b|\bmay\b|\bcan\b",
    r"\bi\b|\bmy\b|\bwe\b|\bour\b", r"the (question|answer|sentence|statement|picture|hypothesis)",
    r"\band\b|\bor\b", r"\bwhich\b|\bthat\b|\bwho\b", r"\bsame\b|\bdifferent\b", r"\bis\b|\bare\b",
)  # fmt: skip


def words(text: str) -> list[str]:
    """Lower-case words."""
    return re.findall(r"[a-z0-9']+", text.lower())


def content(text: str) -> set[str]:
    """Words that are not among the commonest."""
    return set(words(text)) - _STOP


def form(texts: Sequence[str], nll: Floats) -> Columns:
    """Likelihood, length, punctuation, variety and telling words of each explanation."""
    count = np.array([len(words(text)) for text in texts])
    found: Columns = {
        "nll": nll, "total_nll": nll * np.maximum(count, 1), "words": np.log1p(count),
        "length": [np.log1p(len(text)) for text in texts],
        "ends": [text.strip()[-1:] in (".", "!", "?") for text in texts],
        "odd_characters": [len(re.findall(r"[^a-zA-Z ,.']", text)) / (len(text) + 1) for text in texts],
        "sentences": [len(re.findall(r"[.!?]", text)) for text in texts],
        "asks": ["?" in text for text in texts], "capital": [text[:1].isupper() for text in texts],
        "variety": [len(set(words(text))) / max(1, len(words(text))) for text in texts],
        "word_length": [len(text) / (len(words(text)) + 1) for text in texts],
    }  # fmt: skip
    for number, pattern in enumerate(_WORDS):
        found[f"says_{number}"] = [min(2, len(re.findall(pattern, text.lower()))) for text in texts]
    return found


def overlap(texts: Sequence[str], left: Sequence[str], right: Sequence[str]) -> Columns:
    """Words shared with the two parts of the input (question and answer, premise and hypothesis)."""
    said = [content(text) for text in texts]
    a, b = [content(text) for text in left], [content(text) for text in right]
    found: Columns = {}
    for name, part, whole in (("left", a, left), ("right", b, right)):
        found[f"covers_{name}"] = [len(s & p) / max(1, len(p)) for s, p in zip(said, part, strict=True)]
        found[f"from_{name}"] = [len(s & p) / max(1, len(s)) for s, p in zip(said, part, strict=True)]
        found[f"repeats_{name}"] = [
            w.lower().strip(" .?") in t.lower() for w, t in zip(whole, texts, strict=True)
        ]
    three = list(zip(said, a, b, strict=True))
    found["covers_right_only"] = [len(s & (y - x)) / max(1, len(y - x)) for s, x, y in three]
    found["new_words"] = [len(s - x - y) for s, x, y in three]
    found["new_share"] = [len(s - x - y) / max(1, len(s)) for s, x, y in three]
    return found


def choices(
    texts: Sequence[str], options: Sequence[Sequence[str]], answers: Sequence[str], cosines: Floats
) -> Columns:
    """How clearly an explanation speaks for the answer. ``cosines``: (n, 5) with each choice."""
    place = np.array([list(o).index(a) if a in o else 0 for o, a in zip(options, answers, strict=True)])
    every = np.arange(len(texts))
    others = cosines.copy()
    others[every, place] = -np.inf
    return {
        "margin": cosines[every, place] - others.max(1),
        "names_other": [
            max(len(set(words(o)) & content(t)) / max(1, len(set(words(o)))) for o in os if o != a)
            for t, os, a in zip(texts, options, answers, strict=True)
        ],
        "where_answer": [
            t.lower().find(a.lower()) / (len(t) + 1) if a.lower() in t.lower() else 1.5
            for t, a in zip(texts, answers, strict=True)
        ],
    }


def siblings(items: Any, texts: Sequence[str], nll: Floats, greedy: Any, vectors: Floats) -> Columns:
    """Agreement among the explanations of one item: like recurrence, it needs no label.

    ``greedy`` (n,) bool: the explanation that was not sampled. ``vectors`` (n, d) are unit vectors.
    """
    said = [content(text) for text in texts]
    count = np.array([np.log1p(len(words(text))) for text in texts])
    names = ("mean", "max", "likely", "greedy", "words", "item")
    found = {f"agrees_{name}": np.zeros(len(texts)) for name in names}
    found |= {
        name: np.zeros(len(texts)) for name in ("nll_rank", "nll_off", "nll_item", "nll_greedy", "longer")
    }
    for item in sorted(set(items)):
        here = np.flatnonzero(items == item)
        cosines = vectors[here] @ vectors[here].T
        apart = ~np.eye(len(here), dtype=bool)
        others = cosines[apart].reshape(len(here), -1)
        likely = np.exp(-nll[here]) * apart
        first = int(np.flatnonzero(greedy[here])[0])
        found["agrees_mean"][here], found["agrees_max"][here] = others.mean(1), others.max(1)
        found["agrees_likely"][here] = (cosines * likely).sum(1) / likely.sum(1)
        found["agrees_greedy"][here], found["agrees_item"][here] = cosines[:, first], others.mean()
        found["agrees_words"][here] = _shared_words([said[i] for i in here])
        found["nll_rank"][here] = nll[here].argsort().argsort()
        found["nll_off"][here], found["nll_item"][here] = nll[here] - nll[here].mean(), nll[here].mean()
        found["nll_greedy"][here], found["longer"][here] = nll[here][first], count[here] - count[here].mean()
    return found


def _shared_words(said: list[set[str]]) -> list[float]:
    """Mean Jaccard similarity of each set of words with the others."""
    return [
        float(np.mean([len(a & b) / max(1, len(a | b)) for j, b in enumerate(said) if j != i]))
        for i, a in enumerate(said)
    ]


def matrix(*parts: Columns) -> Floats:
    """(n, features) numbers."""
    together = {name: values for part in parts for name, values in part.items()}
    return np.stack([np.asarray(values, dtype=np.float64) for values in together.values()], axis=1)
