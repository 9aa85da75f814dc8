"""What an annotator may say of a row, and the words that stand for it in files."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

ACCEPT, REJECT, UNSURE = "accept", "reject", "unsure"
VERDICTS = (ACCEPT, REJECT, UNSURE)
#: The spellings of each verdict, in any case: people's words, what tools and languages print for true and false, and
#: what spreadsheets print for them in other countries.
_WORDS = {
    ACCEPT: (
        "accept", "accepted", "true", "t", "1", "yes", "y", "valid", "correct", "right", "good", "pass", "passed",
        "positive", "pos", "approve", "approved", "keep", "ok", "okay", "✓", "✔", "✅", "☑", "👍",
        "kept", "plausible", "thumbs up", "да", "верно", "是", "对", "正确", "有效", "はい", "정확", "evet", "tak", "हाँ", "نعم",
        "ja", "wahr", "richtig", "oui", "vrai", "sí", "si", "sì", "verdadero", "vero", "sim", "verdadeiro", "waar",
    ),
    REJECT: (
        "reject", "rejected", "false", "f", "0", "no", "n", "invalid", "incorrect", "wrong", "bad", "fail", "failed",
        "negative", "neg", "disapprove", "disapproved", "drop", "✗", "✘", "❌", "✖", "✕", "☒", "👎",
        "discard", "discarded", "denied", "implausible", "thumbs down", "not ok", "not okay", "not valid", "not correct",
        "not accepted", "нет", "неверно", "否", "错", "错误", "无效", "いいえ", "hayır", "nie", "नहीं", "لا",
        "nein", "falsch", "non", "faux", "falso", "não", "nao", "nee", "onwaar",
    ),
    UNSURE: ("unsure", "not sure", "unknown", "unclear", "undecided", "maybe", "don't know", "?"),
}  # fmt: skip
_KNOWN = {word: verdict for verdict, words in _WORDS.items() for word in words}
#: What tools write for an empty cell.
EMPTY = frozenset({"", "na", "n/a", "#n/a", "nan", "none", "null", "<na>"})
_WHOLE = re.compile(r"[01]\.0+")
#: For messages.
SPELLINGS = "accept, yes, true, valid, correct, y, 1 or ✓; reject, no, false, invalid, incorrect, n, 0 or ✗; unsure or ?"
#: Characters that change no verdict: variation selectors, joiners, marks of byte order, tones of skin.
_UNSEEN = dict.fromkeys([0xFE0E, 0xFE0F, 0x200B, 0x200C, 0x200D, 0xFEFF, *range(0x1F3FB, 0x1F400)])


def verdict_of(value: Any) -> str | None:
    """``accept``, ``reject`` or ``unsure``; ``""`` for an empty cell; ``None`` for a word that is none of them."""
    if value is None:
        return ""
    if isinstance(value, int | float):  # a truth value too
        if value != value:
            return ""
        return ACCEPT if value == 1 else REJECT if value == 0 else None
    if not isinstance(value, str):
        return None if isinstance(value, list | tuple | dict | bytes) else _spelt(str(value))
    return _spelt(value)


def _spelt(text: str) -> str | None:
    # Folded after the compatibility form, in which a letter may be a capital again.
    folded = unicodedata.normalize("NFKC", text.translate(_UNSEEN)).casefold()
    word = " ".join(folded.split()).strip("\"'`“”‘’«»").strip()
    word = word.rstrip(".!") or word
    if word in EMPTY:
        return ""
    # 1.0 is how a column of numbers with gaps is written.
    return _KNOWN.get(word[0] if _WHOLE.fullmatch(word) else word)
