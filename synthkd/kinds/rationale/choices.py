"""Choices of a question: read from its columns or its text, with the labels that name them.

Choices with equal text are one choice, whatever their labels.
"""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from synthkd.kinds.base import Row
from synthkd.rows import CellError, cell_text, is_empty

#: Letters that label choices, script by script. The first alphabet labels choices without labels.
_ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz",
    "абвгдежзик",
    "αβγδεζηθικ",
    "ابجدهوزح",
    "אבגדהוזח",
    "कखगघङच",
    "অআইঈউঊ",
    "কখগঘঙচ",
    "กขคงจฉ",
    "アイウエオカキ",
    "あいうえおかき",
    "가나다라마바사",
    "甲乙丙丁戊己庚",
)
_NUMBERED = tuple(str(number) for number in range(1, 27))
_LETTER = "[" + "A-Z" + "".join(_ALPHABETS) + "]"
_INLINE = re.compile(rf"(?<![\w(])\(\s*({_LETTER}|\d{{1,2}})\s*\)\s*", re.IGNORECASE)
_LABELLED = re.compile(
    rf"^[ \t]*[(\[]?({_LETTER}|\d{{1,2}})[)\].:、．：）]\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE
)
_OWN_LABEL = re.compile(
    rf"\s*[(\[]?({_LETTER}|\d{{1,2}})(?:[)\]]|(?<=\w)[.:]\s)\s*(?=\S)", re.IGNORECASE
)
_NESTED = re.compile(rf"(?:and|or|und|oder|et|ou|y|o|,|&|/)\b|[(\[]{_LETTER}[)\]]", re.IGNORECASE)


class Choices(tuple[str, ...]):
    """The texts of choices, with the labels that name them."""

    labels: tuple[str, ...]

    def __new__(cls, texts: Iterable[str], labels: Iterable[str] = ()) -> Choices:
        made = super().__new__(cls, texts)
        made.labels = tuple(labels) or tuple(_ALPHABETS[0][: len(made)])
        return made


def choices_of(row: Row) -> Choices:
    """Read the choices of an input from its column `choices`, or from its question.

    Args:
        row: The input row. Its column `choices` is a list (of texts, or of objects with `label` and
            `text`), an object (`{"label": [...], "text": [...]}`, `{"A": ..., "B": ...}`), JSON,
            lines, or `(a) x (b) y`. Null keys behind the last choice are ignored: files of columns
            write them for questions with fewer choices.

    Raises:
        CellError: A choice is empty, or has no text.
    """
    given: Any = row.get("choices")
    if given is None or given == "":
        return _labelled(str(row.get("question") or ""), numbered=False) or Choices(())
    if isinstance(given, str):
        return _from_text(given)
    return _from_object(given)


def _from_object(given: Any) -> Choices:
    if isinstance(given, dict):
        return _from_dict(given)
    if not isinstance(given, list | tuple):
        given = [given]
    if given and all(isinstance(choice, dict) for choice in given):
        if all(len(choice) == 1 for choice in given):
            pairs = [pair for choice in given for pair in choice.items()]
            if _in_order([plain_label(str(label)) for label, _ in pairs]):
                return _with_labels(
                    _texts([text for _, text in pairs]), [label for label, _ in pairs]
                )
        name = next((name for name in _TEXT_KEYS if all(name in choice for choice in given)), None)
        if name is None:
            raise CellError("a list of objects without the key 'text'")
        label = next(
            (key for key in _LABEL_KEYS if all(key in choice for choice in given)), "label"
        )
        return _with_labels(
            _texts([choice[name] for choice in given]), [one.get(label) for one in given]
        )
    return _without_labels(_texts(given))


#: Keys of objects that hold the text of a choice, and its label.
_TEXT_KEYS, _LABEL_KEYS = (
    ("text", "content", "value", "choice", "option"),
    ("label", "key", "id", "letter"),
)


def _from_dict(given: dict[Any, Any]) -> Choices:
    for name in ("choices", "options"):
        if set(given) == {name}:
            return _from_object(given[name])
    texts = given.get("text", given.get("texts"))
    if isinstance(texts, list | tuple):
        labels = given.get("label", given.get("labels"))
        if isinstance(labels, list | tuple) and len(labels) != len(texts):
            raise CellError(f"an object with {len(texts)} texts and {len(labels)} labels")
        return _with_labels(_texts(texts), labels)
    entries = sorted(
        ((str(label), text) for label, text in given.items()),
        key=lambda pair: _place_of((plain_label(pair[0]), "")),
    )
    while entries and is_empty(entries[-1][1]):
        entries.pop()
    kept = {label for label, _ in entries}
    named = [(str(label), text) for label, text in given.items() if str(label) in kept]
    return _with_labels(_texts([text for _, text in named]), [label for label, _ in named])


def _texts(values: Sequence[Any]) -> list[str]:
    """Return the texts of choices; refuse empty ones."""
    texts: list[str] = []
    for number, value in enumerate(values, 1):
        try:
            text = cell_text(value)
        except CellError as error:
            raise CellError(f"a list whose choice {number} is {error}, and no text") from None
        if text is None or not text.strip():
            raise CellError(f"a list whose choice {number} is empty")
        texts.append(text)
    return texts


def _with_labels(texts: list[str], labels: Any) -> Choices:
    """Return choices in the order of their labels; ignore labels that begin no alphabet."""
    if isinstance(labels, list | tuple) and len(labels) == len(texts):
        named = sorted(
            zip((plain_label(str(label)) for label in labels), texts, strict=True), key=_place_of
        )
        if _in_order([label for label, _ in named]):
            return Choices((text for _, text in named), (label for label, _ in named))
    return _without_labels(texts)


def _place_of(named: tuple[str, str]) -> tuple[int, str]:
    return len(named[0]), named[0]


def plain_label(label: str) -> str:
    """Return a label without brackets, points, blanks and case."""
    return unicodedata.normalize("NFKC", label).strip(" ().[]:").casefold()


def _in_order(labels: Sequence[str]) -> bool:
    """Return True if labels are the first of an alphabet, or whole numbers from 1 on."""
    return len(labels) > 1 and any(
        tuple(labels) == tuple(letters[: len(labels)]) for letters in (*_ALPHABETS, _NUMBERED)
    )


def _from_text(given: str) -> Choices:
    if given.lstrip().startswith(("[", "{")):
        read = _written(given)
        if isinstance(read, list | tuple | dict):
            return _from_object(read)
    labelled = _labelled(given, numbered=True)
    if labelled:
        return labelled
    separator = (
        "\n" if "\n" in given.strip() else "|" if "|" in given else ";" if ";" in given else ","
    )
    return _without_labels([part.strip() for part in given.split(separator) if part.strip()])


def _written(given: str) -> Any:
    """Parse the list or object in a cell, written as JSON or as a Python literal (pandas, to CSV).

    Raises:
        CellError: The text begins as a list and cannot be parsed: numpy writes no commas.
    """
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        pass
    if not re.match(r"\s*[\[{]\s*(?:['\"{\[]|[\]}])", given):
        return None
    try:
        # Python joins adjacent literals.
        read = (
            None if re.search(r"(?<!\\)['\"]\s+['\"]", given) else ast.literal_eval(given.strip())
        )
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        read = None
    if read is None:
        raise CellError("a text that begins as a list and is neither JSON nor one of Python's")
    return read


def _labelled(text: str, numbered: bool) -> Choices | None:
    """Read a labelled choice per line, or `(a) x (b) y`; labels must be an alphabet's first."""
    text = (
        text
        if text.isascii()
        else _WIDE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    )
    match = _LABELLED.findall(text)
    labels = [label.casefold() for label, _ in match]
    if _in_order(labels) and (numbered or not labels[0].isdigit()):
        return Choices((choice.strip(" ,;") for _, choice in match), labels)
    return _inline(text, numbered)


#: Full-width and circled letters, digits and brackets.
_WIDE = re.compile(r"[（）［］：．\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]|[\u2460-\u24ff]")


def _inline(text: str, numbered: bool) -> Choices | None:
    """Read `(a) x (b) y`; labels out of order belong to a choice's text: `(c) both (a) and (b)`."""
    alphabets = (*_ALPHABETS, _NUMBERED) if numbered else _ALPHABETS
    marks = [(match[1].casefold(), match.start(), match.end()) for match in _INLINE.finditer(text)]
    for letters in alphabets:
        first = next((place for place, mark in enumerate(marks) if mark[0] == letters[0]), None)
        if first is None:
            continue
        taken: list[tuple[str, int, int]] = []
        for mark in marks[first:]:
            if len(taken) < len(letters) and mark[0] == letters[len(taken)]:
                taken.append(mark)
        if len(taken) > 1:
            ends = [start for _, start, _ in taken[1:]] + [len(text)]
            texts = [
                text[mark[2] : end].partition("\n")[0]
                for mark, end in zip(taken, ends, strict=True)
            ]
            return Choices(
                (choice.strip().rstrip(" ,;") for choice in texts), (mark[0] for mark in taken)
            )
    return None


def _without_labels(texts: list[str]) -> Choices:
    """Strip the labels that texts begin with, if all texts have them."""
    matches = [_OWN_LABEL.match(text) for text in texts]
    labels = [match[1].casefold() for match in matches if match]
    rests = [text[match.end() :] for text, match in zip(texts, matches, strict=True) if match]
    if (
        len(rests) == len(texts)
        and _in_order(labels)
        and not any(_NESTED.match(rest) for rest in rests)
    ):
        return Choices((rest.strip() for rest in rests), labels)
    return Choices(text.strip() for text in texts)


def labels_of(choices: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of choices, in lower case."""
    return choices.labels if isinstance(choices, Choices) else tuple(_ALPHABETS[0][: len(choices)])


def with_choices(question: str, choices: Sequence[str]) -> str:
    """Append the choices to a question, unless the question has them."""
    if not choices or _labelled(question, numbered=False):
        return question
    named = list(zip(labels_of(choices), choices, strict=False))
    # A label inside a choice's text (`both (a) and (b)`) would be read as the label of a choice.
    mark = "\n" if any(_INLINE.search(choice) for choice in choices) else " "
    return question + "".join(f"{mark}({label}) {choice}" for label, choice in named)
