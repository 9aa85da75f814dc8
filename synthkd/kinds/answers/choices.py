"""Choices: which one a piece of text names. Choices with equal text are one choice, whatever their letters."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

from synthkd.kinds.base import Malformed, Row
from synthkd.kinds.text import normal_phrase

_INLINE = re.compile(r"\(([A-Za-z])\)\s*(.+?)(?=\s*[,;]?\s*\([A-Za-z]\)|\s*\n|\s*$)")
_LABELLED = re.compile(r"^\s*[(\[]?([A-Za-z])[)\].:]\s*(.+?)\s*$", re.MULTILINE)
_PAREN = re.compile(r"[(\[{]\s*([A-Za-z])\s*[)\]}]")
_BARE = re.compile(r"\W*(?:option\s+|choice\s+)?([A-Za-z])(?:\s*[).:,\]'\"]|\s*$|(?=\s))", re.IGNORECASE)
_ARTICLES = frozenset(["a", "an", "the", "his", "her", "their", "your", "my", "its", "our", "it", "them"])
_ENDINGS = ("ing", "ed", "es", "er", "s", "e")
_LAST_LETTER = re.compile(r"[.?!]\s*[(\[{]([A-Za-z])[)\]}][.\s]*$")
#: Words in which a lone choice is an answer, and not one of the things that a text speaks of.
_SHORT = 8


def choices_of(row: Row) -> tuple[str, ...]:
    """The choices of an input: its column `choices` (a list, JSON, lines, or `(a) x (b) y`), or those in its question."""
    given: Any = row.get("choices")
    if given is None or given == "":
        return _labelled(str(row.get("question") or ""))
    if isinstance(given, dict):
        given = given.get("text", list(given.values()))
    if isinstance(given, str):
        return _from_text(given)
    if not isinstance(given, list | tuple):
        given = [given]
    return tuple(_without_label(str(choice)) for choice in given)


def _from_text(given: str) -> tuple[str, ...]:
    if given.lstrip().startswith("["):
        try:
            read = json.loads(given)
        except (ValueError, RecursionError):
            read = None
        if isinstance(read, list):
            return tuple(_without_label(str(choice)) for choice in read)
    labelled = _labelled(given)
    if labelled:
        return labelled
    separator = "\n" if "\n" in given.strip() else "|" if "|" in given else ";" if ";" in given else ","
    return tuple(part.strip() for part in given.split(separator) if part.strip())


def _labelled(text: str) -> tuple[str, ...]:
    """`(a) x (b) y`, or one labelled choice on each line; labels must be a, b, c … in this order."""
    for pattern in (_INLINE, _LABELLED):
        found = pattern.findall(text)
        letters = [letter.lower() for letter, _ in found]
        if len(found) > 1 and letters == [chr(ord("a") + i) for i in range(len(letters))]:
            return tuple(choice.strip(" ,;") for _, choice in found)
    return ()


def _without_label(choice: str) -> str:
    return re.sub(r"^\s*[(\[][A-Za-z][)\]]\s*(?=\S)", "", choice).strip()


def with_choices(question: str, choices: Sequence[str]) -> str:
    """A question with its choices behind it, unless it names them itself."""
    if not choices or _labelled(question):
        return question
    listed = " ".join(f"({chr(ord('a') + i)}) {choice}" for i, choice in enumerate(choices[:26]))
    return f"{question} {listed}"


def read_choice(text: str, choices: Sequence[str]) -> str | Malformed:
    """The choice that the text after an answer phrase names: by letter, or by its words."""
    names = [normal_phrase(choice) for choice in choices]
    lettered = _letters(text, names)
    if lettered:
        said = {names[place] for place in lettered}
        if len(said) > 1:
            return Malformed("ambiguous", " and ".join(sorted(said)))
        return _agreeing(text, choices, names, lettered[0])
    bad = _PAREN.match(text.strip()) if choices else None
    if bad and bad.end() == len(text.strip().rstrip(".")):
        return Malformed("not_a_choice", text.strip()[:80])
    whole = normal_phrase(text)
    if whole in names:
        return choices[names.index(whole)]
    begun = first_choice(text, choices)
    if begun is not None and not _joined(text, begun):
        return begun
    named = read_named(text, choices)
    stems = (
        named_by_stems(text, choices) if isinstance(named, Malformed) and named.reason != "ambiguous" else []
    )
    return stems[0] if len(stems) == 1 else named


def _joined(text: str, begun: str) -> bool:
    """Whether the choice that a text begins with is one of several: `library or bookstore`."""
    rest = _letters_only(text)[len(_letters_only(begun)) :].split()
    return (bool(rest) and rest[0] in ("or", "and")) or "," in text[len(begun) : len(begun) + 2]


def _agreeing(text: str, choices: Sequence[str], names: list[str], place: int) -> str | Malformed:
    """The lettered choice, unless the words behind the letter are another choice."""
    behind = re.split(r"[(\[]?\b[A-Za-z]\b[)\].:]", text, maxsplit=1)
    words = normal_phrase(behind[1]) if len(behind) > 1 else ""
    if words and words != names[place] and words in names:
        return Malformed("ambiguous", f"the letter is that of {names[place]!r}, the text says {words!r}")
    return choices[place]


def _letters(text: str, names: list[str]) -> list[int]:
    """Places of the choices whose letters are named, each once."""
    found = [ord(letter.lower()) - ord("a") for letter in _PAREN.findall(text)]
    if not found:
        bare = _BARE.match(text)
        if bare and _is_letter(text, bare, names):
            found = [ord(bare[1].lower()) - ord("a")]
    return [place for place in dict.fromkeys(found) if place < len(names)]


def _is_letter(text: str, bare: re.Match[str], names: list[str]) -> bool:
    """Whether a lone letter is a label, and not the article or a pronoun."""
    rest = text[bare.end() :].strip()
    marked = bare[0].rstrip()[-1:] in ").:]'\"" or not rest
    place = ord(bare[1].lower()) - ord("a")
    if marked:
        return True
    if place < len(names) and normal_phrase(rest).startswith(names[place]) and names[place]:
        return bare[1].isupper()
    return bare[1].isupper() and bare[1] not in "AI"


def read_named(text: str, choices: Sequence[str], question: str = "") -> str | Malformed:
    """The one choice whose words stand in a text; one that the question does not speak of goes first."""
    said = named_choices(text, choices)
    if len(said) > 1:
        asked = {normal_phrase(choice) for choice in named_choices(question, choices)}
        fresh = [choice for choice in said if normal_phrase(choice) not in asked]
        if len(fresh) != 1:
            names = " and ".join(repr(choice) for choice in said)
            return Malformed("ambiguous", names)
        said = fresh
    if not said:
        return Malformed("not_a_choice", " ".join(text.split())[:80])
    return said[0]


def named_choices(text: str, choices: Sequence[str]) -> list[str]:
    """Choices whose words stand in a text, in order of their last place; equal texts once. A choice inside a longer one
    (`room` in `living room`) counts only where it stands alone."""
    low = _letters_only(text)
    taken = [False] * len(low)
    last: dict[str, tuple[int, str]] = {}
    distinct = {_letters_only(choice).strip(): choice for choice in reversed(choices)}
    for name in sorted(distinct, key=lambda name: (-len(name), name)):
        for start in _places(low, name):
            if not any(taken[start : start + len(name)]):
                taken[start : start + len(name)] = [True] * len(name)
                last[name] = (start, distinct[name])
    return [choice for _, choice in sorted(last.values())]


def letter_at_end(text: str) -> str:
    """`(b)` where a text ends with it after its last sentence, else ""."""
    found = _LAST_LETTER.search(text)
    return f"({found[1]})" if found else ""


def first_choice(text: str, choices: Sequence[str]) -> str | None:
    """The choice that a text begins with, as in `Library: a place …` or `Bicycles use a chain`."""
    low = _letters_only(text)
    begins = [choice for choice in choices if 0 in _places(low, _letters_only(choice))]
    return max(begins, key=len, default=None)


def named_by_stems(text: str, choices: Sequence[str]) -> list[str]:
    """Choices all of whose words stand side by side in a text in another form (`watered the garden`): weaker."""
    said = [_stem(word) for word in _letters_only(text).split() if word not in _ARTICLES]
    found: dict[str, str] = {}
    for choice in choices:
        name = [_stem(word) for word in _letters_only(choice).split() if word not in _ARTICLES]
        places = range(len(said) - len(name) + 1)
        together = [a + b for a, b in itertools.pairwise(said)]
        if name and (any(said[i : i + len(name)] == name for i in places) or "".join(name) in together):
            found.setdefault(" ".join(name), choice)
    return list(found.values())


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 5:
        word = word[:-3] + "y"
    for _ in range(2):
        ending = next((e for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 3), "")
        word = word[: len(word) - len(ending)]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _places(low: str, name: str) -> list[int]:
    if not name:
        return []
    pattern = rf"(?<![^ ]){re.escape(name)}(?:s|es)?(?![^ ])"
    return [found.start() for found in re.finditer(pattern, low)]


def _letters_only(text: str) -> str:
    return " ".join(re.sub(r"[^\w'$%.]+|(?<!\d)\.|\.(?!\d)", " ", text.casefold().replace("’", "'")).split())


def is_short(text: str) -> bool:
    """Whether a text is an answer and nothing else."""
    return len(text.split()) <= _SHORT and "\n" not in text.strip()
