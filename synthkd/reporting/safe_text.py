"""Text from outside, made safe where it is shown: terminals, JSON lines, Markdown, HTML, spreadsheets.

What a server, a model, an input or another's file says may steer a terminal, reorder a line, hide letters, or be live
markup in a page. Nothing is dropped: what cannot be shown as it is stands as its Python escape, such as ``\\x1b``.
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

# --- plain text ---------------------------------------------------------------------------------------------------

#: Control characters, bidi controls, line separators, half surrogates, and characters that cannot be seen.
_UNSEEN = (
    "\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_ONE_LINE = re.compile(f"[\\x00-\\x0a{_UNSEEN}]")
_LINES = re.compile(f"[\\x00-\\x08{_UNSEEN}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: Ranges of characters, ends included: a run of two is one range.
_PICTURES = (
    "\xa9\xa9\xae\xae\u203c\u203c\u2049\u2049\u2122\u2122\u2139\u2139\u2190\u2bff\u3030\u3030\u303d\u303d\u3297\u3297\u3299\u3299"
    "\U0001f000\U0001faff"
)
_JOINED = "\u0620\u08ff\u0900\u0dff\u0f00\u109f\u1780\u18af\ufb50\ufdff\ufe70\ufefc"
_IDEOGRAPHS = "\u2e80\u9fff\uf900\ufaff\U00020000\U0003ffff"
#: What may belong to the spelling.
_SPELLING = "\u180b\u180d\u180f\u180f\u200c\u200d\ufe00\ufe0f\U000e0100\U000e01ef"


def clean(text: object, limit: int | None = None) -> str:
    """Return text as one line that cannot steer a terminal; line ends and tabs are escaped too.

    Args:
        text: What is shown; anything but a string is converted.
        limit: Most characters of the result; a longer one ends in an ellipsis.
    """
    # A character becomes one or more, so what lies beyond the limit need not be looked at.
    said = str(text) if limit is None else str(text)[: limit + 1]
    said = _ONE_LINE.sub(_visible, said)
    return said if limit is None or len(said) <= limit else said[: max(limit - 1, 0)] + "…"


def clean_lines(text: object, indent: str = "") -> str:
    """Return text of several lines, such as a prompt, that cannot steer a terminal.

    Args:
        text: What is shown; line feeds and tabs stay, ``\\r\\n`` is a line feed.
        indent: Stands before each line but the first, so that no line can pass for one of ours.
    """
    said = _LINES.sub(_visible, str(text).replace("\r\n", "\n"))
    return said.replace("\n", f"\n{indent}") if indent else said


def _visible(match: re.Match[str]) -> str:
    return match[0] if _spelt(match) else _escaped(match[0])


def _spelt(match: re.Match[str]) -> bool:
    """Whether a character belongs to the spelling, by its neighbours."""
    char, place, text = match[0], match.start(), match.string
    if not place or not _in(_SPELLING, char):
        return False
    before, after = text[place - 1], text[place + 1 : place + 2]
    if char in "\u200c\u200d":
        # Joiners in words of scripts that need them, one at a time, and in emoji sequences.
        if _in(_JOINED, before):
            return after not in ("\u200c", "\u200d")
        return char == "\u200d" and (before == "\ufe0f" or _in(_PICTURES, before)) and _in(_PICTURES, after)
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
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


# --- JSON ---------------------------------------------------------------------------------------------------------


def json_text(value: Any, **options: Any) -> str:
    """Return JSON that a machine reads exactly and that cannot steer a terminal.

    Args:
        value: What is written.
        options: Of `json.dumps`.
    """
    return _LINES.sub(_json_visible, json.dumps(value, ensure_ascii=False, **options))


def _json_visible(match: re.Match[str]) -> str:
    if _spelt(match):
        return match[0]
    return "\\u007f" if match[0] == "\x7f" else json.dumps(match[0])[1:-1]


# --- Markdown and HTML --------------------------------------------------------------------------------------------

#: Words that some renderer makes a link, a mention or an emoji of, whatever is escaped in them; and those with a backtick.
_LIVE = re.compile(r":\S|//|@|#\d|`|\.[^\W\d_]|www", re.IGNORECASE)
#: Signs that are never left as they are, in code neither: tags, links, cells.
_SIGNS = {"<": "&lt;", ">": "&gt;", "[": "&#91;", "]": "&#93;", "|": "\\|"}
_PLAIN = _SIGNS | {"&": "&amp;", "\\": "&#92;"} | {sign: f"\\{sign}" for sign in "*~$^{}"}
_PLAIN_SIGN = re.compile("[" + re.escape("".join(_PLAIN)) + r"]|(?<![^\W_])_|_(?![^\W_])")
#: Words that begin a heading, a list or a rule where they stand first in a line.
_FIRST = re.compile(r"(\d*)([#=+.)-][#=+-]*)")


def markdown(text: object) -> str:
    """Return text as one line of Markdown that is read as that text: in a paragraph, a heading or a table's cell.

    Words that renderers link by themselves (addresses, mentions) stand as code.
    """
    first, *others = _in_one_line(text).split(" ")
    begun = _FIRST.sub(r"\1\\\2", first) if _FIRST.fullmatch(first) else _word(first)
    return " ".join([begun, *map(_word, others)])


def markdown_code(text: object) -> str:
    """Return text as Markdown code in a line that is no table's."""
    return _code(_in_one_line(text), "<>[]")


def markdown_block(text: object, language: str = "") -> str:
    """Return text as a block of Markdown code, in a fence that nothing in it can close."""
    said = clean_lines(text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", said)), default=0))
    return f"{fence}{language}\n{said}\n{fence}"


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
        _code(word) if _LIVE.search(word) else _PLAIN_SIGN.sub(lambda m: _PLAIN.get(m[0], f"\\{m[0]}"), word)
    )


def _code(text: str, signs: str = "<>[]|") -> str:
    """Code spans, with the signs that may not stand in them between."""
    parts = re.split(f"([{re.escape(signs)}])", text)
    return "".join(_SIGNS[part] if part in signs else _span(part) for part in parts if part)


def _span(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    padding = " " if text.strip(" ") and (text[0] in "` " or text[-1] in "` ") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


# --- spreadsheets -------------------------------------------------------------------------------------------------

#: Stands before a text that a spreadsheet would take for a formula: an apostrophe and a word joiner, which no
#: other writer puts there, so that reading can take it away again.
CELL_MARK = "'\u2060"
#: A formula may follow blanks, quotes or characters that cannot be seen; some programs read full-width signs too.
_FORMULA = re.compile(
    f"[\\t\\r\\n]|[\\s\"'\u2018\u2019\u201c\u201d\\x00-\\x0a{_UNSEEN}]*"
    "[=+\\-@\u207a\u207b\u207c\u208a\u208b\u208c\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]"
)


def to_cell(value: Any, formulas: bool = False) -> Any:
    """Return a cell for a CSV file that no spreadsheet takes for a formula; numbers stay as they are.

    Args:
        value: A text is marked with `CELL_MARK` where it would be a formula. `from_cell` gives it back exactly.
        formulas: Leave formulas as they are.
    """
    if isinstance(value, str) and (value.startswith(CELL_MARK) or (not formulas and _FORMULA.match(value))):
        return CELL_MARK + value
    return value


def from_cell(text: str) -> str:
    """Return the text of a cell that `to_cell` may have made; other texts come back as they are."""
    return text[2:] if text[:2] == CELL_MARK else text


def csv_line(cells: Iterable[Any]) -> str:
    """Return a line of a CSV file with its line feed; a carriage return in a cell is quoted as a line feed is."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow(list(cells))
    return out.getvalue().removesuffix("\r\n") + "\n"


# --- streams ------------------------------------------------------------------------------------------------------


class CleanStream:
    """A text stream that escapes what could steer a terminal, whoever writes.

    A carriage return at either end of what is written stays if nothing else stands in that line: progress bars of
    libraries draw themselves anew with it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.inner = stream
        self._redrawn = True

    def write(self, text: str) -> int:
        """Write text, cleaned."""
        head, body, tail = "", text, ""
        if self._redrawn and "\r" in text:
            body = text.lstrip("\r")
            head = "\r" * (len(text) > len(body))
            stripped = body.rstrip("\r")
            tail, body = "\r" * (len(body) > len(stripped)), stripped
        said = head + clean_lines(body) + tail
        # In a narrow encoding, an escape rather than an error.
        encoding = self.encoding or "utf-8"
        self.inner.write(said.encode(encoding, "backslashreplace").decode(encoding))
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
    """Let all that the process writes pass through `CleanStream`: on ``stdout`` and ``stderr``, or those named."""
    for name in names or ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, CleanStream):
            setattr(sys, name, CleanStream(stream))


def raw_stream(stream: Any) -> TextIO:
    """Return the stream below a `CleanStream`: for what is exact (CSV in a pipe), and for a display of our own."""
    return stream.inner if isinstance(stream, CleanStream) else stream
