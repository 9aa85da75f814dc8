"""The verdicts of an annotator, and their spellings in files."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

ACCEPT, REJECT, UNSURE = "accept", "reject", "unsure"
VERDICTS = (ACCEPT, REJECT, UNSURE)
#: Spellings of each verdict, in any case: words of people, of tools, of programming languages, and
#: of spreadsheets in other languages.
_SPELLINGS = {
    ACCEPT: (
        "accept", "accepted", "true", "t", "1", "yes", "y", "valid", "correct", "right", "good",
        "pass", "passed", "positive", "pos", "approve", "approved", "keep", "ok", "okay", "✓",
        "✔", "✅", "☑", "👍", "kept", "plausible", "thumbs up", "да", "верно", "是", "对",
        "正确", "有效", "はい", "정확", "evet", "tak", "हाँ", "نعم", "ja", "wahr", "richtig",
        "oui", "vrai", "sí", "si", "sì", "verdadero", "vero", "sim", "verdadeiro", "waar",
    ),
    REJECT: (
        "reject", "rejected", "false", "f", "0", "no", "n", "invalid", "incorrect", "wrong",
        "bad", "fail", "failed", "negative", "neg", "disapprove", "disapproved", "drop", "✗",
        "✘", "❌", "✖", "✕", "☒", "👎", "discard", "discarded", "denied", "implausible",
        "thumbs down", "not ok", "not okay", "not valid", "not correct", "not accepted", "нет",
        "неверно", "否", "错", "错误", "无效", "いいえ", "hayır", "nie", "नहीं", "لا", "nein",
        "falsch", "non", "faux", "falso", "não", "nao", "nee", "onwaar",
    ),
    UNSURE: ("unsure", "not sure", "unknown", "unclear", "undecided", "maybe", "don't know", "?"),
}  # fmt: skip
_VERDICTS = {word: verdict for verdict, words in _SPELLINGS.items() for word in words}
#: Spellings of an empty cell.
EMPTY = frozenset({"", "na", "n/a", "#n/a", "nan", "none", "null", "<na>"})
_TRUTH_VALUE = re.compile(r"[01]\.0+")
#: Common spellings, for messages.
SPELLINGS = (
    "accept, yes, true, valid, correct, y, 1 or ✓; reject, no, false, invalid, incorrect,"
    " n, 0 or ✗; unsure or ?"
)
#: Characters that change no verdict: variation selectors, joiners, byte order marks, skin tones.
_IGNORED = dict.fromkeys([0xFE0E, 0xFE0F, 0x200B, 0x200C, 0x200D, 0xFEFF, *range(0x1F3FB, 0x1F400)])


def verdict_of(value: Any) -> str | None:
    """Return the verdict that a cell spells; ``""`` for an empty cell, None for an unknown word."""
    if value is None:
        return ""
    if isinstance(value, int | float):  # includes bool
        if value != value:
            return ""
        return ACCEPT if value == 1 else REJECT if value == 0 else None
    if not isinstance(value, str):
        return (
            None if isinstance(value, list | tuple | dict | bytes) else _verdict_of_text(str(value))
        )
    return _verdict_of_text(value)


def _verdict_of_text(text: str) -> str | None:
    # Fold after NFKC, which can make capitals.
    folded = unicodedata.normalize("NFKC", text.translate(_IGNORED)).casefold()
    word = " ".join(folded.split()).strip("\"'`“”‘’«»").strip()
    word = word.rstrip(".!") or word
    if word in EMPTY:
        return ""
    # Pandas writes a column of 0 and 1 with gaps as 0.0 and 1.0.
    return _VERDICTS.get(word[0] if _TRUTH_VALUE.fullmatch(word) else word)
