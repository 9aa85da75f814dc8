"""Labelled rows and a small encoder for tests of encoder students."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.tiny_encoder import write_bert
from synthkd.students.base import LabelledTexts

WORDS = ["card", "cash", "rate", "my", "the", "is", "where", "lost"]


TEXTS = ["my card", "the cash", "is the rate", "", "\udcff" + "card " * 100]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("small-bert"), WORDS, 48)


def rows(*labels: str, each: int = 8, **more: Any) -> LabelledTexts:
    names = labels or ("card", "cash", "rate")
    found = [
        (f"{a} {word} {b}", word)
        for word in names
        for a in ("my", "the", "is")
        for b in ("x", "yy", "z")
    ]
    found = [pair for word in names for pair in [one for one in found if one[1] == word][:each]]
    return LabelledTexts(
        tuple(text for text, _ in found), tuple(label for _, label in found), **more
    )
