"""Normal forms of text, one function per purpose.

| function | purpose |
|---|---|
| `stored` | A text as a corpus stores it: NFC, no controls, joiners only if needed. |
| `normal_phrase` | Equality of short phrases: edges and a leading article do not count. |
| `normal_text` | Equality of longer texts: sentence punctuation does not count. |
| `shingles` | Character runs of a `normal_text`, for near-duplicate search. |
| `word_pattern` | Pattern of words of every script, with their combining marks. |
| `word_set` | Tables of words. |

Equality ignores case, spaces, compatibility forms (full width, ligatures), kinds of quotes and
dashes, and punctuation that only closes or separates. It keeps signs that carry meaning: `+ # % $
€`, a minus before a number, a dot that begins a name (`.NET`), apostrophes inside words (`it's`,
`its`), powers (`10²` is `10^2`, not `102`), symbols, emoji and emoticons; and all combining marks:
vowel signs, accents (`resume` is not `résumé`), tone and cantillation. See UAX #15 for the forms,
UAX #31 for joiners, and UTS #51 for sequences of emoji.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

#: Characters of a shingle.
SHINGLE = 4

# --- stored ---

_ASCII_CONTROLS = dict.fromkeys((*range(32), 127), " ")
_JOINERS = "\u200c\u200d"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_ODD = re.compile(
    # Controls, ends of lines and every space but the plain one.
    r"(?P<space>[\x00-\x1f\x7f-\x9f\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000])"
    # The flags of England, Scotland and Wales are spelled with tags; elsewhere tags are hidden
    # text.
    r"|(?P<flag>\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f)"
    rf"|(?P<joiner>[{_JOINERS}]+)"
    # Invisible: soft hyphens, zero-width spaces, marks of direction, tags.
    r"|(?P<hidden>[\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f])"
    # One selector of a variant follows a character; more of them are hidden text.
    rf"|(?P<variant>[{_SELECTORS}])[{_SELECTORS}]+"
    r"|(?P<broken>[\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff])"
)  # fmt: skip
_VIRAMA = 9


def stored(text: str) -> str:
    """Return a text as a corpus stores it.

    NFC; controls and unusual spaces become spaces; invisible characters are removed. Joiners stay
    if they shape a word (Persian, Indic scripts) or an emoji. Lone surrogates and private-use
    characters become U+FFFD.
    """
    if text.isascii():
        return text if text.isprintable() else text.translate(_ASCII_CONTROLS)
    if not text.isprintable() or _VARIANTS.search(text):
        text = _ODD.sub(_mended, text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


_VARIANTS = re.compile(rf"[{_SELECTORS}]{{2}}")


def _mended(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind == "space":
        return " "
    if kind == "flag":
        return match.group()
    if kind == "variant":
        return match["variant"]
    if kind == "broken":
        return "\ufffd"
    return match.group()[0] if kind == "joiner" and _shapes(match) else ""


def _shapes(match: re.Match[str]) -> bool:
    """Return True if a joiner shapes its text: after a virama, or between joining characters."""
    before, after = (
        match.string[match.start() - 1 : match.start()],
        match.string[match.end() : match.end() + 1],
    )
    if before and unicodedata.combining(before) == _VIRAMA:
        return True
    return all(
        one > "\x7f" and unicodedata.category(one)[0] in "LMS" for one in (before, after) if one
    ) and bool(before and after)


# --- equality ---

_QUOTES = {**dict.fromkeys(map(ord, "’‘‛ʼ´`′"), "'"), **dict.fromkeys(map(ord, "“”„‟«»″"), '"')}
_FOLDED = {
    **_QUOTES,
    **dict.fromkeys(map(ord, "‐‑‒–—―−﹣－"), "-"),
    # Presentation alone: variation selectors, and the Arabic tatweel.
    **dict.fromkeys((0xFE0E, 0xFE0F, 0x0640), None),
    ord("\u2044"): "/",
}
_POWER = re.compile(r"(?<=[\d)])[⁺⁻]?[⁰¹²³⁴-⁹ⁿ]+")
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞↉])")
_ARTICLE = re.compile(r"(?:a|an|the)\s+(?=\S)")
_EDGE = " .,;:!\"'"
#: Kept at a beginning: a dot before a word or number, and the eyes of an emoticon.
_LEADING = re.compile(r"(?:[ ,;!\"']|\.{2,}|\.(?![^\W_])|:(?!['^-]?(?:[()\[\]/\\|]|[dp](?!\w))))+")
#: Removed from an end, besides quotes that are not inches.
_CLOSING = " .,;:!"


def _folded(text: str) -> str:
    """Fold case, spaces, compatibility forms, quotes and dashes; keep powers apart from digits."""
    if not text.isascii():
        text = stored(text).translate(_FOLDED)
        text = _VULGAR.sub(" ", _POWER.sub(_power, text))
        text = unicodedata.normalize("NFKC", text).translate(_FOLDED).casefold()
        text = unicodedata.normalize("NFKC", text)
    elif "`" in text:
        text = text.replace("`", "'").lower()
    else:
        text = text.lower()
    return " ".join(text.split())


def _power(match: re.Match[str]) -> str:
    return "^" + unicodedata.normalize("NFKC", match.group()).replace("−", "-")


@lru_cache(1 << 12)
def normal_phrase(text: str) -> str:
    """Return the form under which two phrases are equal; idempotent.

    Case, spaces, punctuation around the phrase and a leading article do not count.
    """
    while True:
        plain = _folded(text)
        if plain and (plain[0] in _EDGE or plain[-1] in _EDGE):
            plain = _without_edges(plain)
        if match := _ARTICLE.match(plain):
            plain = plain[match.end() :]
        if plain == text:
            return plain
        text = plain


def _without_edges(plain: str) -> str:
    if len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "\"'":
        return plain[1:-1].strip()
    if match := _LEADING.match(plain):
        plain = plain[match.end() :]
    # No pattern: a run anchored at the end would take quadratic time.
    end = len(plain)
    while end and (
        plain[end - 1] in _CLOSING
        or (plain[end - 1] in "\"'" and not plain[end - 2 : end - 1].isdecimal())
    ):
        end -= 1
    return plain[:end]


_PERCENT = re.compile(r"(?<=\d) (?=[%‰])")
_PLAIN_TEXT = re.compile(r"[a-z0-9 ]*", re.ASCII)
#: Punctuation with a meaning, in order of precedence.
_KEPT = re.compile(
    r"(?:(?<=[\s\w])|^)[:;=8]['^-]?[()\[\]/\\|]+(?!\w)|(?<!\S)[()\[\]]['^-]?[:;=8](?!\S)|<3"
    # Inside a word or number: apostrophes, dots and other signs between letters or digits.
    r"|(?<=[^\W_])['.·׳״@/_&](?=[^\W_])|(?<=\d)[,:*-](?=\d)"
    # The beginning of a name or number, and a sign before it.
    r"|(?:(?<![^\s(\[\"'])\.(?=[^\W_]))|(?<![^\s(\[\"'$€£¥=<>+*/])-(?=[\d.$€£¥])|[#@](?=[^\W_])"
    # Behind a letter or digit: C#, A-, 50%.
    r"|(?<=[^\W\d_])#|(?<=\d)[%‰]|&"
    r"|(?:(?<=(?<![^\W_])[^\W\d_])|(?<=(?<![^\W_])[^\W\d_]{2}))-(?![^\W_])"
)


@lru_cache(1 << 12)
def normal_text(text: str) -> str:
    """Return the form under which two texts are equal: words, numbers and signs with single spaces.

    Case, spaces and sentence punctuation do not count. A text of punctuation alone is only folded.
    """
    folded = _folded(text)
    if _PLAIN_TEXT.fullmatch(folded):
        return folded
    if " %" in folded or " ‰" in folded:
        folded = _PERCENT.sub("", folded)
    kept = {place for match in _KEPT.finditer(folded) for place in range(*match.span())}
    # Feet and inches: a quote behind a digit that nothing opened.
    for mark in "\"'":
        if mark in folded and not re.search(rf"(?<![^\s(]){mark}", folded):
            kept.update(match.start() for match in re.finditer(rf"(?<=\d){mark}", folded))
    plain = "".join(ch if place in kept or _speaks(ch) else " " for place, ch in enumerate(folded))
    return " ".join(plain.split()) or folded


@lru_cache(1 << 12)
def _speaks(ch: str) -> bool:
    """Return True for characters that always count: letters, marks, numbers, joiners, symbols."""
    group = unicodedata.category(ch)
    return (
        group[0] in "LMN"
        or group in ("Sm", "Sc", "So", "Co", "Cn")
        or group == "Cf"
        or ch == "^"
        or "🏻" <= ch <= "🏿"
    )


# --- tokens ---


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set, for tables of words."""
    return frozenset(text.split())


_CLOSED = dict.fromkeys(map(ord, "'" + _JOINERS))


def shingles(text: str, size: int = SHINGLE) -> frozenset[str]:
    """Return the runs of ``size`` characters of a `normal_text`, with marked ends.

    A shorter text is one run. Apostrophes and joiners close up, so that *can't* and *cant* are
    near.
    """
    if "'" in text or not text.isascii():
        text = text.translate(_CLOSED)
    marked = f" {text} "
    return frozenset(marked[i : i + size] for i in range(max(1, len(marked) - size + 1)))


@cache
def marks() -> str:
    """Return combining marks and joiners, which `\\w` leaves out, for a character class."""
    ranges, start = list[str](), None
    # Blocks without ideographs and Hangul, which have no marks.
    for block in (
        (0x300, 0x3400),
        (0xA000, 0xAC00),
        (0xFB00, 0x12000),
        (0x16000, 0x1F000),
        (0xE0100, 0xE01F1),
    ):
        for code, group in zip(
            range(*block), map(unicodedata.category, map(chr, range(*block))), strict=True
        ):
            is_mark = group[0] == "M"
            if is_mark and start is None:
                start = code
            elif not is_mark and start is not None:
                ranges.append(chr(start) if code - start == 1 else f"{chr(start)}-{chr(code - 1)}")
                start = None
    return "".join(ranges) + _JOINERS


@cache
def word_pattern(digits: bool = True, underscore: bool = False) -> str:
    """Return a pattern of words in any script: letters (digits, underscores) with their marks."""
    letter = r"\w" if underscore else r"[^\W_]" if digits else r"[^\W\d_]"
    return rf"{letter}+(?:[{marks()}]+{letter}*)*"
