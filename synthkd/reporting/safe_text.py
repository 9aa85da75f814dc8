"""Escape text of unknown origin for terminals, JSON, Markdown, HTML and spreadsheets.

The text of a server, a model, an input or a file may steer a terminal, reorder a line, hide
letters, or be live markup in a page. Nothing is dropped: a character that cannot be shown becomes
its Python escape, such as ``\\x1b``.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from html import escape
from typing import Any, TextIO

# Plain text

#: Control characters, bidi controls, line separators, lone surrogates, and invisible characters.
_INVISIBLE = (
    "\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_ONE_LINE = re.compile(f"[\\x00-\\x0a{_INVISIBLE}]")
_LINES = re.compile(f"[\\x00-\\x08{_INVISIBLE}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: Emoji and other pictures. Each pair of characters is a range, ends included.
_PICTURES = (
    "\xa9\xa9\xae\xae\u203c\u203c\u2049\u2049\u2122\u2122\u2139\u2139\u2190\u2bff\u3030\u3030\u303d\u303d\u3297\u3297\u3299\u3299"
    "\U0001f000\U0001faff"
)
#: Scripts that need joiners within words.
_JOINED = "\u0620\u08ff\u0900\u0dff\u0f00\u109f\u1780\u18af\ufb50\ufdff\ufe70\ufefc"
_IDEOGRAPHS = "\u2e80\u9fff\uf900\ufaff\U00020000\U0003ffff"
#: Joiners and variation selectors, which may belong to the spelling of a word.
_SPELLING = "\u180b\u180d\u180f\u180f\u200c\u200d\ufe00\ufe0f\U000e0100\U000e01ef"


def clean(text: object, limit: int | None = None) -> str:
    """Return text as one line that cannot steer a terminal; line ends and tabs are escaped too.

    Args:
        text: The text; any other value is converted.
        limit: Characters of the result at most; a longer result ends in an ellipsis.
    """
    # Escaping never shortens, so characters beyond the limit need not be escaped.
    shown = str(text) if limit is None else str(text)[: limit + 1]
    shown = _ONE_LINE.sub(_visible, shown)
    return shown if limit is None or len(shown) <= limit else shown[: max(limit - 1, 0)] + "…"


def clean_lines(text: object, indent: str = "") -> str:
    """Return text of several lines, such as a prompt, that cannot steer a terminal.

    Args:
        text: The text; line feeds and tabs stay, and ``\\r\\n`` becomes a line feed.
        indent: Prefix of each line but the first, so that no line can imitate the program's own
            output.
    """
    shown = _LINES.sub(_visible, str(text).replace("\r\n", "\n"))
    return shown.replace("\n", f"\n{indent}") if indent else shown


def _visible(match: re.Match[str]) -> str:
    return match[0] if _belongs_to_spelling(match) else _escaped(match[0])


def _belongs_to_spelling(match: re.Match[str]) -> bool:
    """Tell by its neighbours if an invisible character belongs to the spelling of a word."""
    char, place, text = match[0], match.start(), match.string
    if not place or not _in(_SPELLING, char):
        return False
    before, after = text[place - 1], text[place + 1 : place + 2]
    if char in "\u200c\u200d":
        # Joiners in words of scripts that need them, one at a time, and in emoji sequences.
        if _in(_JOINED, before):
            return after not in ("\u200c", "\u200d")
        return (
            char == "\u200d"
            and (before == "\ufe0f" or _in(_PICTURES, before))
            and _in(_PICTURES, after)
        )
    # Variation selectors, one at a time.
    if char in "\ufe0e\ufe0f" and (before in "#*0123456789" or _in(_PICTURES, before)):
        return True
    return _in("\u1820\u18aa" if char < "\u200c" else _IDEOGRAPHS, before)


@lru_cache(1 << 16)
def _in(ranges: str, char: str) -> bool:
    return any(low <= char <= high for low, high in zip(ranges[::2], ranges[1::2], strict=True))


@lru_cache(1 << 16)
def _escaped(char: str) -> str:
    code = ord(char)
    return _SHORT.get(char) or (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


# JSON


def json_text(value: Any, **options: Any) -> str:
    """Return JSON that cannot steer a terminal, and is read back exactly.

    Args:
        value: The value.
        options: Options of `json.dumps`.
    """
    return _LINES.sub(_json_visible, json.dumps(value, ensure_ascii=False, **options))


def _json_visible(match: re.Match[str]) -> str:
    if _belongs_to_spelling(match):
        return match[0]
    return "\\u007f" if match[0] == "\x7f" else json.dumps(match[0])[1:-1]


# Markdown and HTML

#: Words that some renderers turn into a link, a mention or an emoji, even if escaped; and words
#: with a backtick.
_LIVE = re.compile(r":\S|//|@|#\d|`|\.[^\W\d_]|www", re.IGNORECASE)
#: Signs that are escaped even in code: of tags, links and cells.
_SIGNS = {"<": "&lt;", ">": "&gt;", "[": "&#91;", "]": "&#93;", "|": "\\|"}
_PLAIN = _SIGNS | {"&": "&amp;", "\\": "&#92;"} | {sign: f"\\{sign}" for sign in "*~$^{}"}
_PLAIN_SIGN = re.compile("[" + re.escape("".join(_PLAIN)) + r"]|(?<![^\W_])_|_(?![^\W_])")
#: Words that begin a heading, a list or a rule at the start of a line.
_FIRST = re.compile(r"(\d*)([#=+.)-][#=+-]*)")


def markdown(text: object) -> str:
    """Return text as one line of Markdown, for a paragraph, a heading or a table's cell.

    Words that renderers link by themselves (addresses, mentions) become code.
    """
    first, *others = _in_one_line(text).split(" ")
    begun = _FIRST.sub(r"\1\\\2", first) if _FIRST.fullmatch(first) else _word(first)
    return " ".join([begun, *map(_word, others)])


def markdown_code(text: object) -> str:
    """Return text as Markdown code in a line outside of tables."""
    return _code(_in_one_line(text), "<>[]")


def markdown_block(text: object, language: str = "") -> str:
    """Return text as a block of Markdown code, with a fence longer than any in the text."""
    shown = clean_lines(text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}{language}\n{shown}\n{fence}"


def html_text(text: object) -> str:
    """Return text as HTML or XML, for an element or a quoted attribute."""
    return escape(clean(text))


def html_lines(text: object) -> str:
    """Return text of several lines as HTML or XML."""
    return escape(clean_lines(text))


def _in_one_line(text: object) -> str:
    return clean(re.sub(r"[ \t\r\n]+", " ", str(text)).strip(" "))


def _word(word: str) -> str:
    return (
        _code(word)
        if _LIVE.search(word)
        else _PLAIN_SIGN.sub(lambda m: _PLAIN.get(m[0], f"\\{m[0]}"), word)
    )


def _code(text: str, signs: str = "<>[]|") -> str:
    """Return code spans; signs that must be escaped stand between the spans."""
    parts = re.split(f"([{re.escape(signs)}])", text)
    return "".join(_SIGNS[part] if part in signs else _span(part) for part in parts if part)


def _span(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    padding = " " if text.strip(" ") and (text[0] in "` " or text[-1] in "` ") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


# Spreadsheets

#: Prefix of a text that a spreadsheet would take for a formula: an apostrophe and a word joiner. No
#: other program writes this prefix, so that `from_cell` can remove it.
CELL_MARK = "'\u2060"
#: A formula may follow blanks, quotes or invisible characters; some programs read full-width signs
#: too.
_FORMULA = re.compile(
    f"[\\t\\r\\n]|[\\s\"'\u2018\u2019\u201c\u201d\\x00-\\x0a{_INVISIBLE}]*"
    "[=+\\-@\u207a\u207b\u207c\u208a\u208b\u208c\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]"
)


def to_cell(value: Any, formulas: bool = False) -> Any:
    """Return a cell for a CSV file that no spreadsheet takes for a formula.

    `from_cell` restores a text exactly.

    Args:
        value: A text gets the prefix `CELL_MARK` if it would be a formula; other values stay
            unchanged.
        formulas: Leave formulas unchanged.
    """
    if isinstance(value, str) and (
        value.startswith(CELL_MARK) or (not formulas and _FORMULA.match(value))
    ):
        return CELL_MARK + value
    return value


def from_cell(text: str) -> str:
    """Return the text of a cell of `to_cell`; other texts stay unchanged."""
    return text[2:] if text[:2] == CELL_MARK else text


def csv_line(cells: Iterable[Any]) -> str:
    """Return a line of a CSV file with its line feed.

    A carriage return in a cell is quoted, as a line feed is.
    """
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow(list(cells))
    return out.getvalue().removesuffix("\r\n") + "\n"


# Streams


class CleanStream:
    """A text stream that escapes what could steer a terminal.

    A carriage return at the start or end of an otherwise empty line stays: progress bars of
    libraries redraw themselves with it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.inner = stream
        self._redrawn = True

    def write(self, text: str) -> int:
        """Write text with escapes."""
        head, body, tail = "", text, ""
        if self._redrawn and "\r" in text:
            body = text.lstrip("\r")
            head = "\r" * (len(text) > len(body))
            stripped = body.rstrip("\r")
            tail, body = "\r" * (len(body) > len(stripped)), stripped
        shown = head + clean_lines(body) + tail
        # Characters outside of the encoding become escapes.
        encoding = self.encoding or "utf-8"
        self.inner.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        if text:
            self._redrawn = text.endswith("\n") or (self._redrawn and bool(head or tail))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self.inner.flush()

    def isatty(self) -> bool:
        return self.inner.isatty()

    def fileno(self) -> int:
        return self.inner.fileno()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    @property
    def encoding(self) -> str:
        return self.inner.encoding

    @property
    def errors(self) -> str | None:
        return self.inner.errors

    @property
    def closed(self) -> bool:
        return self.inner.closed

    @property
    def name(self) -> str:
        return self.inner.name


def guard_streams(*names: str) -> None:
    """Pass ``stdout`` and ``stderr``, or the named streams, through `CleanStream`."""
    for name in names or ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, CleanStream):
            setattr(sys, name, CleanStream(stream))


def raw_stream(stream: Any) -> TextIO:
    """Return the stream below a `CleanStream`, for CSV in a pipe and the live display."""
    return stream.inner if isinstance(stream, CleanStream) else stream
