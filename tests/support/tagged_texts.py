"""Texts with spans, and an encoder that knows their words."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.tiny_encoder import write_bert
from synthkd.students.spans import TaggedTexts, TypedSpan

PEOPLE, PLACES = ["ada", "bob", "eve"], ["rome", "oslo", "lima"]
WORDS = [*PEOPLE, *PLACES, "left", "for", "saw", "the", "map", "of", ".", ","]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("tiny-bert"), WORDS, 48)


def marked(text: str) -> tuple[TypedSpan, ...]:
    """Return the spans of a text of these words."""
    spans, place = [], 0
    for word in text.split(" "):
        bare = word.strip(".,")
        name = "person" if bare in PEOPLE else "place" if bare in PLACES else ""
        if name:
            spans.append(TypedSpan(place, place + len(bare), name))
        place += len(word) + 1
    return tuple(spans)


def tagged(mark: str = " .") -> TaggedTexts:
    """Return sentences with a person and a place each, and some without."""
    texts = [f"{who} left for {where}{mark}" for who in PEOPLE for where in PLACES]
    texts += [f"the map of {where}, {who} saw{mark}" for who in PEOPLE for where in PLACES]
    texts += [f"the map left{mark}", f"saw the map{mark}"]
    return TaggedTexts(tuple(texts), tuple(map(marked, texts)))
