"""Remove the decorations of an answer: list marks, labels, quotes, emphasis and prefaces."""

from __future__ import annotations

import re
from functools import cache

from synthkd.text.normal_forms import stored

__all__ = ["LABELS", "answer_lines", "as_line", "clean_line", "peel", "without_emphasis"]

_BULLET = r"[•●○◦▪▫■□◆◇▸▹►▻▶‣∙⁃➤➢➔→✓✔✅☑👉🔹🔸▷·]\ufe0f?"
#: A hyphen before a digit needs a space, since it may be a minus; a number always needs one (3.5,
#: 10:30).
_LIST_MARK = re.compile(
    rf"(?:{_BULLET}\s*)+|[-*+–—―>]+\s+(?:\[[ xX]?\]\s+)?|[–—―]+(?=[^\W\d])|\#{{1,6}}\s+"
    r"|(?P<bold>\*\*|__)?(?:\(?\d{1,3}\\?[.):]|\[\d{1,3}\]|\(?(?:[a-z]|[A-Z]|[ivx]{2,4})\))(?(bold)[.):]?(?P=bold)[.):]?)\s+"
    r"|[①-⑳❶-❿➀-➓]\s*|\d\ufe0f?\u20e3\s*"
)
#: Names of an answer that may precede it, as a pattern.
LABELS = r"tail|tail entity|object|answer|final answer|output|result|response|completion|(?-i:A)"
_VERBATIM = "\"'`"
_QUOTES = {
    "“": "”„“",
    "„": "“”",
    "‘": "’",
    "‚": "‘’",
    "«": "»",
    "»": "«",
    "‹": "›",
    "「": "」",
    "『": "』",
    "”": "”",
}
#: A whole text in emphasis, a tag or a LaTeX command, without the same mark inside.
_WHOLE = re.compile(
    r"(?P<mark>\*{1,3}|_{1,3}|~~|``|```|\$(?!\d))(?P<inner>(?!\s)(?:(?!(?P=mark)).)+(?<!\s))(?P=mark)"
    r"|``(?P<tex>[^`']+)''"
    r"|<(?P<tag>[a-zA-Z][\w-]{0,20})>(?P<tagged>.*)</(?P=tag)>"
    r"|\\(?:boxed|text|textbf|textit|mathrm|emph)\{(?P<boxed>[^{}]*)\}"
)
_INLINE = re.compile(
    r"(?P<mark>\*\*|~~)(?=\S)(?P<strong>.+?)(?<=\S)(?P=mark)|(?<![\w*])\*(?=[^\s*])(?P<soft>[^*]+?)(?<=[^\s*])\*(?![\w*])"
)
#: Unpaired marks of emphasis.
_LOOSE = re.compile(r"^(?:\*\*|__|~~)(?=\S)|(?<=\S)(?:\*\*|__|~~)$|\\+$")
_ESCAPED = re.compile(r"\\([!\"#$%&'()*+,\-./:;<=>?@\[\]^_`{|}~])")
_STOPS = " .,;…。．｡，、；،؛।॥۔։"
#: An answer without decorations.
_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ,'-]*[A-Za-z0-9])?")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)[\w+.-]*[ \t]*")
_RULE = re.compile(r"\s*(?:-(?:\s*-)+|\*(?:\s*\*)+|_(?:\s*_)+|=(?:\s*=)+)\s*")


def clean_line(line: str, labels: str = LABELS) -> str:
    """Return a short answer without control characters, decorations and closing full stop.

    Removes list marks and numbers, headings, emphasis, code marks, tags, Markdown escapes, a label
    such as `Tail:`, quotes around the whole, and commas and full stops behind it. Text in plain
    quotes stays as it is.

    Args:
        line: The answer.
        labels: Pattern of labels before an answer.
    """
    line = stored(line).lstrip()
    if line[-1:] == " " and _LIST_MARK.fullmatch(line):
        return ""
    plain = line.rstrip(_STOPS)
    if _PLAIN.fullmatch(plain):
        return plain
    if not _quoted(plain):
        if "\\" in plain:
            plain = _ESCAPED.sub(r"\1", plain)
        plain = without_emphasis(plain)
    return peel(plain, labels, _STOPS)


def peel(line: str, labels: str = LABELS, stops: str = "") -> str:
    """Return a stored line without decorations, and without any of ``stops`` at its end."""
    if _bare(line, stops):
        return line
    label = _label(labels)
    for _ in range(10):
        before = line
        line = line.strip().rstrip(stops) if stops else line.strip()
        if _quoted(line):
            inner = line[1:-1].strip()
            return inner.rstrip(stops).strip() if stops else inner
        if match := _LIST_MARK.match(line):
            line = line[match.end() :]
        if (match := label.match(line)) and line[match.end() :].strip(_VERBATIM):
            line = line[match.end() :]
        if match := _WHOLE.fullmatch(line):
            line = next(
                part for part in match.group("inner", "tex", "tagged", "boxed") if part is not None
            )
        elif len(line) > 1 and line[-1] in _QUOTES.get(line[0], "") and line[0] not in line[1:-1]:
            line = line[1:-1]
        elif line[:1] in "*_~" or line[-1:] in "*_~\\":
            line = _LOOSE.sub("", line)
        if line == before:
            break
    return line.strip()


def _bare(line: str, stops: str) -> bool:
    """Return True if a line clearly has no decoration, as most lines."""
    last = line[-1:]
    return (
        line[:1].isalpha()
        and (last.isalnum() or (last in ".?!" and last not in stops))
        and ":" not in line
        and "：" not in line
        and ")" not in line[:6]
    )


@cache
def _label(labels: str) -> re.Pattern[str]:
    bold = r"(?:\*\*|__|\*|[\"'])?"
    return re.compile(
        rf"{bold}(?:{labels})(?:\s*\#?\d{{1,3}})?\s*{bold}\s*[:：]\s*(?:\*\*|__|\*)?\s*",
        re.IGNORECASE,
    )


def _quoted(line: str) -> bool:
    """Return True if a pair of plain quotes surrounds a line, without such quotes inside."""
    return (
        len(line) > 1 and line[0] == line[-1] and line[0] in _VERBATIM and line[0] not in line[1:-1]
    )


def without_emphasis(line: str) -> str:
    """Return a line without Markdown's stars and tildes around its words."""
    return _INLINE.sub(_inside, line) if "*" in line or "~" in line else line


def _inside(match: re.Match[str]) -> str:
    return str(match["strong"] or match["soft"])


def answer_lines(text: str, labels: str = LABELS) -> list[str]:
    """Return the cleaned lines of an answer, without fences, rules and preface (`Here it is:`)."""
    plain = text.strip().rstrip(_STOPS)
    if _PLAIN.fullmatch(plain) and not plain.isdigit():
        return [plain]
    cleaned = list[str]()
    preface = ""
    for line in text.splitlines():
        plain = line.strip().rstrip(_STOPS)
        if _PLAIN.fullmatch(plain) and not plain.isdigit():
            cleaned.append(plain)
        elif (
            plain
            and not _says_nothing(line, _label(labels))
            and (content := clean_line(line, labels))
        ):
            if not cleaned and not preface and plain.rstrip("*_").endswith((":", "：")):
                preface = content
            else:
                cleaned.append(content)
    return cleaned or ([preface] if preface else [])


def _says_nothing(line: str, label: re.Pattern[str]) -> bool:
    return bool(_FENCE.fullmatch(line) or _RULE.fullmatch(line) or label.fullmatch(line.strip()))


def as_line(text: str, *others: str) -> str:
    """Return a line that `clean_line` reads as a text.

    The line is the text, plain or in quotes, or one of ``others``. If none of them is read so, the
    text itself is returned.
    """
    if clean_line(text) == text:
        return text
    quoted = (f"{mark}{text}{mark}" for mark in _VERBATIM)
    return next((line for line in (*quoted, *others) if clean_line(line) == text), text)
