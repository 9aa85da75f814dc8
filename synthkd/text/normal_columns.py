"""Normal forms of whole columns of texts, equal to `normal_text` of each.

ASCII texts, also with typographic quotes and dashes, are decided together, as arrays of bytes. A
text goes through `normal_text` where more than a byte and its neighbours decides: other
characters, emoticons, inches, a space before a percent sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.text.normal_forms import normal_text

Numbers = np.ndarray[Any, Any]
#: What typographic signs are equal to, in texts that are otherwise ASCII.
_TYPOGRAPHIC = (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("–", "-"), ("—", "-"))


def normal_texts(texts: pa.Array) -> pa.Array:
    """Return the normal form of every text.

    Args:
        texts: Strings without nulls.
    """
    texts = texts.cast(pa.large_string())
    is_ascii = pc.string_is_ascii(texts).to_numpy(zero_copy_only=False)
    plain = texts if is_ascii.all() else _without_typography(texts, is_ascii)
    forms, slow = _ascii_forms(plain)
    return _replaced(forms, np.flatnonzero(slow), texts)


def _without_typography(texts: pa.Array, is_ascii: Numbers) -> pa.Array:
    """Return texts whose typographic signs are ASCII where nothing else is left then."""
    places = np.flatnonzero(~is_ascii)
    plain = texts.take(pa.array(places))
    for sign, equal in _TYPOGRAPHIC:
        plain = pc.replace_substring(plain, sign, equal)
    done = pc.string_is_ascii(plain).to_numpy(zero_copy_only=False)
    source = np.arange(len(texts))
    source[places[done]] = len(texts) + np.arange(int(done.sum()))
    return pa.concat_arrays([texts, plain.filter(pa.array(done))]).take(pa.array(source))


def _replaced(forms: pa.Array, places: Numbers, texts: pa.Array) -> pa.Array:
    """Return forms in which those at some places are of `normal_text`."""
    if not len(places):
        return forms
    slow = [normal_text(text) for text in texts.take(pa.array(places)).to_pylist()]
    source = np.arange(len(forms))
    source[places] = len(forms) + np.arange(len(places))
    return pa.concat_arrays([forms, pa.array(slow, pa.large_string())]).take(pa.array(source))


# --- bytes ---


def _table(*values: tuple[str, int]) -> Numbers:
    table = np.zeros(256, np.uint8)
    for characters, value in values:
        for character in characters:
            table[ord(character)] |= value
    return table


_LETTERS, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
#: Lower case and plain spaces and quotes; 0 is what lies between texts.
_FOLD = np.arange(256, dtype=np.uint8)
_FOLD[ord("A") : ord("Z") + 1] += 32
_FOLD[list(b"\t\n\r")] = ord(" ")
_FOLD[ord("`")] = ord("'")
_LETTER, _DIGIT, _SPACE, _SPEAKS, _EYES, _MOUTH, _NOSE, _ODD = (1 << bit for bit in range(8))
_CLASS = _table(
    (_LETTERS, _LETTER | _SPEAKS),
    (_DIGITS, _DIGIT | _SPEAKS),
    (" \0", _SPACE),
    ("+<=>|~$^&", _SPEAKS),
    (":;=8", _EYES),
    ("()[]/\\|", _MOUTH),
    ("'^-", _NOSE),
)
_CLASS[[*range(1, 32), *range(127, 256)]] |= _ODD
#: Signs that stay in some places; the bits name the places.
_BETWEEN, _IN_NUMBER, _BEFORE, _DOT, _MINUS, _HASH, _PERCENT = (1 << bit for bit in range(7))
_SIGN = _table(
    ("'.@/_&", _BETWEEN), (",:*-", _IN_NUMBER), ("#@", _BEFORE), (".", _DOT), ("-", _MINUS),
    ("#", _HASH), ("%", _PERCENT),
)  # fmt: skip
#: What may stand before a dot or a minus that begins a name or a number.
_OPENS_NAME = _table((" \0([\"'", 1)).astype(bool)
_OPENS_NUMBER = _table((" \0([\"'$=<>+*/", 1)).astype(bool)
_NUMBER = _table(("0123456789.$", 1)).astype(bool)
_QUOTE = _table(("\"'", 1)).astype(bool)


def _ascii_forms(texts: pa.Array) -> tuple[pa.Array, Numbers]:
    """Return the forms of ASCII texts, and which texts have to be decided alone."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64, len(texts) + 1, texts.offset * 8)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    # Three zeros around every text, so that a neighbour is never one of another text.
    gap = 3
    lengths = np.diff(offsets)
    ends = np.cumsum(lengths + gap) + gap
    between = np.zeros(int(ends[-1]) if len(ends) else gap, dtype=bool)
    between[:gap] = True
    for shift in range(1, gap + 1):
        between[ends - shift] = True
    signs = np.zeros(len(between), np.uint8)
    zeros_inside = bool((data == 0).any())
    signs[~between] = _FOLD[data]
    classes = _CLASS[signs]
    if zeros_inside:
        classes[~between & (signs == 0)] |= _ODD
    stays = (classes & _SPEAKS) != 0
    special = np.flatnonzero(~stays & ((classes & _SPACE) == 0))
    stays[special] = _kept(signs, classes, special)
    slow = np.zeros(len(texts), dtype=bool)
    slow[np.searchsorted(ends, _undecided(signs, classes, special), "right")] = True
    return _collapsed(signs, stays, between, ends, slow), slow


def _kept(signs: Numbers, classes: Numbers, at: Numbers) -> Numbers:
    """Return which signs with a meaning in some places stand in such a place."""
    sign = _SIGN[signs[at]]
    before, after = classes[at - 1], classes[at + 1]
    word, number = _LETTER | _DIGIT, _DIGIT
    word_before, word_after = (before & word) != 0, (after & word) != 0
    kept: Numbers = ((sign & _BETWEEN) != 0) & word_before & word_after
    kept |= ((sign & _IN_NUMBER) != 0) & ((before & number) != 0) & ((after & number) != 0)
    kept |= ((sign & _BEFORE) != 0) & word_after
    kept |= ((sign & _DOT) != 0) & word_after & _OPENS_NAME[signs[at - 1]]
    minus = (sign & _MINUS) != 0
    kept |= minus & _OPENS_NUMBER[signs[at - 1]] & _NUMBER[signs[at + 1]]
    letter_before = (before & _LETTER) != 0
    kept |= ((sign & _HASH) != 0) & letter_before
    kept |= ((sign & _PERCENT) != 0) & ((before & number) != 0)
    # A-, as a grade or a blood group: after a word of one or two letters.
    second, third = classes[at - 2], classes[at - 3]
    short = (second & word) == 0
    short |= ((second & _LETTER) != 0) & ((third & word) == 0)
    kept |= minus & letter_before & short & ~word_after
    return kept


def _undecided(signs: Numbers, classes: Numbers, special: Numbers) -> Numbers:
    """Return places that `normal_text` has to see."""
    odd = np.flatnonzero(classes & _ODD)
    quotes = special[_QUOTE[signs[special]]]
    inches = quotes[(classes[quotes - 1] & _DIGIT) != 0]
    percent = special[signs[special] == ord("%")]
    percent = percent[signs[percent - 1] == ord(" ")]
    faces = []
    eyes = np.flatnonzero(classes & _EYES)
    for step in (1, -1):
        nose = (classes[eyes + step] & _NOSE) != 0
        mouth = (classes[eyes + step] & _MOUTH) != 0
        faces.append(eyes[mouth | (nose & ((classes[eyes + 2 * step] & _MOUTH) != 0))])
    return np.concatenate([odd, inches, percent, *faces])


def _collapsed(
    signs: Numbers, stays: Numbers, between: Numbers, ends: Numbers, slow: Numbers
) -> pa.Array:
    """Return texts with single spaces where signs were removed; mark empty ones as slow."""
    # A space stays before a sign that stays; at the beginning of a text it is removed below.
    kept = stays.copy()
    kept[:-1] |= stays[1:] & ~between[:-1]
    begins = np.concatenate([[3], ends[:-1]])
    place = np.cumsum(kept, dtype=np.int64)
    before = np.where(begins > 0, place[begins - 1], 0)
    lengths = place[ends - 3] - before
    slow |= lengths == 0
    chosen = np.where(stays, signs, np.uint8(32))[kept]
    filled = np.flatnonzero(lengths)
    led = filled[chosen[before[filled]] == 32]
    if len(led):
        chosen = np.delete(chosen, before[led])
        lengths[led] -= 1
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return pa.LargeStringArray.from_buffers(
        len(lengths), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(chosen))
    )
