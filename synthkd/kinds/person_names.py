"""PersonX and PersonY bear names while a teacher reads, and lose them in what it wrote."""

from __future__ import annotations

import re

#: Thirty given names that go with any pronoun; a prompt draws pairs of them for its examples.
NAMES = (
    "Robin", "Taylor", "Jordan", "Casey", "Riley", "Morgan", "Avery", "Quinn", "Jamie", "Skyler",
    "Rowan", "Reese", "Finley", "Emerson", "Hayden", "Dakota", "Parker", "Sawyer", "Charlie", "Frankie",
    "Jessie", "Kendall", "Lane", "Marley", "Peyton", "Remy", "Sidney", "Tatum", "Drew", "Blake",
)  # fmt: skip
#: The pair that stands for PersonX and PersonY in the question itself (never drawn for an example).
QUERY = ("Alex", "Chris")


def put_names(text: str, x: str = QUERY[0], y: str = QUERY[1]) -> str:
    """``PersonX`` and ``PersonY`` as names."""
    return re.sub(r"\bPersonY\b", y, re.sub(r"\bPersonX\b", x, text))


def take_names(text: str, x: str = QUERY[0], y: str = QUERY[1]) -> str:
    """Names as ``PersonX`` and ``PersonY``."""
    return re.sub(rf"\b{y}\b", "PersonY", re.sub(rf"\b{x}\b", "PersonX", text))
