"""What an annotator may say of a row, and the words that stand for it in files."""

from __future__ import annotations

from typing import Any

ACCEPT, REJECT, UNSURE = "accept", "reject", "unsure"
VERDICTS = (ACCEPT, REJECT, UNSURE)
_WORDS = {
    ACCEPT: {"accept", "accepted", "true", "1", "1.0", "yes", "valid"},
    REJECT: {"reject", "rejected", "false", "0", "0.0", "no", "invalid"},
    UNSURE: {"unsure", "unknown", "?"},
}
_KNOWN = {word: verdict for verdict, words in _WORDS.items() for word in words}


def verdict_of(value: Any) -> str | None:
    """``accept``, ``reject`` or ``unsure``; ``""`` for an empty cell; ``None`` for a word that is none of them."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    word = str(value).strip().casefold()
    return _KNOWN.get(word) if word else ""
