"""Words of a text as units, their BIO labels, and the best sequence of labels.

Label 0 is outside of spans; 1 + 2t begins a span of type t, 2 + 2t continues it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from synthkd.students.base import Floats, Ints
from synthkd.students.spans import Spans, TaggedTexts, TypedSpan

_BLANKS, _WORDS = re.compile(r"\S+"), re.compile(r"\w+|[^\w\s]")
#: The label of a unit that no loss is taken of.
UNLABELLED = -100
Places = list[tuple[int, int]]


def text_units(text: str, by_blanks: bool) -> Places:
    """Return start and end of each unit: between blanks, or words and marks apart."""
    return [match.span() for match in (_BLANKS if by_blanks else _WORDS).finditer(text)]


def divided_by_blanks(rows: TaggedTexts) -> bool:
    """Return True if every span begins and ends at a blank, as in corpora of tokens."""
    return all(
        (span.start == 0 or text[span.start - 1].isspace())
        and (span.end == len(text) or text[span.end].isspace())
        for text, spans in zip(rows.texts, rows.spans, strict=True)
        for span in spans
    )


def unit_labels(units: Places, spans: Spans, types: Sequence[str]) -> Ints:
    """Return the (n,) label of each unit; a unit that a span touches is a part of it."""
    labels = np.zeros(len(units), np.int64)
    index = {name: number for number, name in enumerate(types)}
    place = 0
    for span in spans:
        begun = False
        while place < len(units) and units[place][1] <= span.start:
            place += 1
        while place < len(units) and units[place][0] < span.end:
            labels[place] = 1 + 2 * index[span.type] + begun
            begun = True
            place += 1
    return labels


def best_labels(log_probabilities: Floats) -> Ints:
    """Return the (n,) most likely labels in which a span continues only one of its own type.

    Args:
        log_probabilities: (n, 1 + 2T), each row of a unit.
    """
    count = len(log_probabilities)
    if not count:
        return np.zeros(0, np.int64)
    width = log_probabilities.shape[1]
    inner = np.arange(2, width, 2)
    score = log_probabilities[0].copy()
    score[inner] = -np.inf
    back = np.zeros((count, width), np.int64)
    for place in range(1, count):
        best = int(score.argmax())
        back[place] = best
        new = np.full(width, score[best])
        continues = score[inner] > score[inner - 1]
        new[inner] = np.where(continues, score[inner], score[inner - 1])
        back[place, inner] = np.where(continues, inner, inner - 1)
        score = new + log_probabilities[place]
    labels = np.zeros(count, np.int64)
    labels[-1] = int(score.argmax())
    for place in range(count - 1, 0, -1):
        labels[place - 1] = back[place, labels[place]]
    return labels


def label_spans(
    labels: Ints, units: Places, types: Sequence[str], log_probabilities: Any = None
) -> Spans:
    """Return the spans of labels; the confidence is the geometric mean over a span's units."""
    spans = list[TypedSpan]()
    place = 0
    while place < len(labels):
        label = int(labels[place])
        begin = place
        place += 1
        if label <= 0:
            continue
        name = (label - 1) // 2
        while place < len(labels) and labels[place] == 2 + 2 * name:
            place += 1
        confidence = 1.0
        if log_probabilities is not None:
            chosen = log_probabilities[np.arange(begin, place), labels[begin:place]]
            confidence = float(np.exp(chosen.mean()))
        spans.append(TypedSpan(units[begin][0], units[place - 1][1], types[name], confidence))
    return tuple(spans)
