"""Read the choice that an answer names: by its label, by its words, or by both.

Decorations (bold, quotes, brackets, LaTeX, bullets, emoji, full-width letters) are ignored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.choice_words import (
    DISMISSED,
    NEAR,
    first_choice,
    is_joined,
    is_short_answer,
    letters_only,
    named_by_stems,
    read_named,
)
from synthkd.kinds.rationale.choices import labels_of, plain_label
from synthkd.kinds.rationale.number_answers import read_number
from synthkd.text.normal_forms import normal_phrase

_LAST_LETTER = re.compile(r"[.?!]\s*[(\[{]([A-Za-z])[)\]}][.\s]*$")
#: Beginning of the detail of an answer whose label and words name different choices.
CONFLICT = "the label is that of"
#: Words that may precede a label.
_LEAD = (
    r"(?:option|choice|letter|answer|alternative|number|statement|boxed|text|textbf|mathbf|mathrm|the|correct|right|best"
    r"|either|both|is|be|must|would|should|will|has|to|definitely|clearly|likely|most|probably|indeed|certainly|simply"
    r"|therefore|thus|hence|so|still|again|i['’](?:d|ll)|i(?!['’])|it['’]s|it(?!['’])|ans|choose|chose|pick|select|say|think|believe|go|with)"
)
#: Words that follow a label which could otherwise be an article or a pronoun.
_AFTER = (
    r"(?:because|since|as|is|was|would|must|should|due|for\s+the\s+reason|given|which|based|seems"
    r"|makes|fits|not|rather|instead|and|or|nor|but|therefore)\b"
)
_MARKED = re.compile(r"\s*[).:,;\]}'\"”’»*_`$>\\–—→=!?）】」]|\s*$|\s*[^\w\s(]|\s+-\s|\s*\n")
_OPENED = frozenset("([{<*_`$\"'“‘«「【（\\")
_JOIN = (
    r"[^\w,/&+|;]*+(?:(?:(?:and|or|nor|und|oder|et|ou|maybe|perhaps|also|with|plus|vs|versus|no|wait"
    r"|actually|sorry)(?![^\W_])|[,/&+|;])[\W_]*+)++"
)
_NEGATION = re.compile(
    r"(?:\b(?:not|never|neither|nor|except|excluding|without|cannot|than|of)|n['’]t)\W*(?:be\s+|is\s+)?"
    r"(?:(?:the|option|choice|letter|answer)\s+)*[\W_]*$",
    re.IGNORECASE,
)
_LATEX_WORDS = frozenset(["boxed", "text", "mathbf", "mathrm", "textbf"])
_ARTICLE = re.compile(r"[\W_]*(?:(?:an?|the)\s+)?", re.IGNORECASE)


@lru_cache(256)
def _patterns(labels: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Compile the patterns of a label at the beginning, behind a join, and in brackets."""
    label = (
        rf"(?P<label>{'|'.join(re.escape(label) for label in labels) or '(?!)'})(?![^\W_]|['’]\w)"
    )
    return (
        re.compile(rf"[\W_]*+(?:{_LEAD}(?![^\W_])[\W_]*+)*+{label}", re.IGNORECASE),
        re.compile(
            rf"(?:{_JOIN}|[^\w.:;\n]*+(?=option\b|choice\b))(?:{_LEAD}(?![^\W_])[\W_]*+)*+{label}",
            re.IGNORECASE,
        ),
        re.compile(rf"(?:[(\[{{]\s*+|\b(?:option|choice|letter)\s[\W_]*+){label}", re.IGNORECASE),
    )


def read_choice(text: str, choices: Sequence[str]) -> str | Malformed:
    """Read the choice that the text after an answer phrase names.

    Args:
        text: Text of the answer.
        choices: The choices of the question.

    Returns:
        The text of the choice. Several labels, or a label and the words of another choice, are
        malformed as `ambiguous`.
    """
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    names = [normal_phrase(choice) for choice in choices]
    labels = labels_of(choices)
    whole = letters_only(text)
    same = [
        place for place, choice in enumerate(choices) if whole and letters_only(choice) == whole
    ]
    bare = plain_label(whole)
    if same and bare in labels and names[labels.index(bare)] != names[same[0]]:
        return Malformed(
            "ambiguous",
            f"{CONFLICT} {names[labels.index(bare)]!r}, the text is {choices[same[0]]!r}",
        )
    if same:
        return choices[same[0]]
    begun = _begun(text, names, labels)
    if isinstance(begun, Malformed):
        return begun
    if begun is not None:
        return choices[begun]
    numeric = _by_number(text, choices)
    if numeric is not None:
        return numeric
    lettered = _bracketed(text, labels)
    labelled = {names[place] for place in lettered if place < len(names)}
    if len(labelled) > 1:
        return Malformed("ambiguous", " and ".join(sorted(labelled)))
    if labelled:
        worded = first_choice(text, choices)
        if worded is not None and normal_phrase(worded) not in labelled:
            return Malformed(
                "ambiguous", f"{CONFLICT} {labelled.pop()!r}, the text says {worded!r}"
            )
        return choices[lettered[0]]
    if choices and re.fullmatch(r"\W*\w\W*", text.strip()):
        return Malformed("not_a_choice", text.strip()[:80])
    words = first_choice(text, choices)
    if words is not None and not is_joined(text, words):
        return words
    named = read_named(text, choices)
    stems = (
        named_by_stems(text, choices)
        if isinstance(named, Malformed) and named.reason != "ambiguous"
        else []
    )
    return stems[0] if len(stems) == 1 else named


def _begun(text: str, names: list[str], labels: tuple[str, ...]) -> int | Malformed | None:
    """Return the place of the choice whose label a text begins with; None if there is none."""
    head, joined, _ = _patterns(labels)
    match = head.match(text, 0, NEAR)
    if match is None or not _is_label(text, match, names, labels):
        return None
    place = labels.index(match["label"].casefold())
    if place >= len(names):
        return None
    if DISMISSED.match(text, _behind_own(text, match.end(), names[place])):
        return Malformed("not_a_choice", " ".join(text.split())[:80])
    end, choices_named = _behind_own(text, match.end(), names[place]), {names[place]}
    while again := joined.match(text, end):
        other = labels.index(again["label"].casefold())
        if other >= len(names) or not _is_label(text, again, names, labels):
            break
        choices_named.add(names[other])
        end = _behind_own(text, again.end(), names[other])
    rest = text[match.end() :]
    lone = re.fullmatch(r"[\W_]*+((?:\w(?!\w)[\W_]*+)++)", text[end : end + NEAR])
    if lone:
        choices_named |= {
            names[labels.index(c)]
            for c in lone[1].casefold()
            if c in labels and labels.index(c) < len(names)
        }
    if len(choices_named) > 1:
        return Malformed("ambiguous", " and ".join(sorted(choices_named)))
    words = normal_phrase(
        re.split(
            r"[.,;\n(]|\b(?:because|since|as)\b", rest.strip(" ).:]}*_`$\"'-–—=>(\\"), maxsplit=1
        )[0].strip(" )*_`$\"'")
    )
    if words and words != names[place] and words in names:
        return Malformed("ambiguous", f"{CONFLICT} {names[place]!r}, the text says {words!r}")
    return place


def _behind_own(text: str, end: int, name: str) -> int:
    """Return the place behind a label and the text of its choice, if that text follows."""
    lead = _ARTICLE.match(text, end)
    start = lead.end() if lead else end
    return start + len(name) if name and text[start : start + len(name)].casefold() == name else end


def label_alone(line: str, choices: Sequence[str]) -> str | None:
    """Return the choice of a line that is its label, its text, or both: `**A**`, `A) River`."""
    line = line if line.isascii() else unicodedata.normalize("NFKC", line)
    whole = letters_only(line)
    if whole not in labels_of(choices) and (
        same := [c for c in choices if whole and letters_only(c) == whole]
    ):
        return same[0]
    place = (
        _begun(line, [normal_phrase(choice) for choice in choices], labels_of(choices))
        if is_short_answer(line)
        else None
    )
    if not isinstance(place, int):
        return None
    words = [
        word
        for word in re.sub(r"[_$]", " ", letters_only(line)).split()
        if word not in _LATEX_WORDS
    ]
    label, name = labels_of(choices)[place], letters_only(choices[place]).split()
    while words and words[0] in ("option", "choice", "answer", "letter"):
        words = words[1:]
    return choices[place] if words in ([label], [label, *name]) else None


def _is_label(text: str, match: re.Match[str], names: list[str], labels: tuple[str, ...]) -> bool:
    """Return True if a lone letter is a label rather than an article or a pronoun."""
    label, start, end = match["label"], match.start("label"), match.end("label")
    if (start and text[start - 1] in _OPENED) or _MARKED.match(text, end):
        return True
    if label.isdigit() and len(label) < 3:
        return bool(re.match(rf"\s*{_AFTER}", text[end:], re.IGNORECASE))
    if re.match(rf"\s+{_AFTER}", text[end:], re.IGNORECASE):
        return True
    rest, place = normal_phrase(text[end:]), labels.index(label.casefold())
    if place < len(names) and names[place] and rest.startswith(names[place]):
        return label.isupper() or label not in "ai"
    if label in "aAiI":
        return bool(re.match(r"\s+\(", text[end:])) and label.isupper()
    return label.isupper() or not label.isascii() or bool(re.match(r"\s+\(", text[end:]))


def _bracketed(text: str, labels: tuple[str, ...]) -> list[int]:
    """Return the places of labels in brackets or after `option`, once each, without denied ones."""
    places = []
    for match in _patterns(labels)[2].finditer(text):
        label = match["label"]
        if match[0][0] in "([{" and text[match.end() : match.end() + 5].lstrip()[:1] not in (
            ")",
            "]",
            "}",
        ):
            continue
        if not _NEGATION.search(text[max(0, match.start() - NEAR) : match.start()]):
            places.append(labels.index(label.casefold()))
    return list(dict.fromkeys(places))


@lru_cache(1 << 12)
def _numbers_of(choices: tuple[str, ...]) -> tuple[Fraction, ...]:
    """Return the numbers that choices are; empty unless all are numbers, and different ones."""
    if not all(any(character.isdigit() for character in choice) for choice in choices):
        return ()
    read = [read_number(choice) for choice in choices]
    numbers = [number for number in read if not isinstance(number, Malformed)]
    return tuple(numbers) if len(numbers) == len(choices) == len(set(numbers)) else ()


def _by_number(text: str, choices: Sequence[str]) -> str | Malformed | None:
    """Return the choice of the number that a text gives, if all choices are numbers."""
    numbers = _numbers_of(tuple(choices))
    if not numbers or not any(character.isdigit() for character in text):
        return None
    number = read_number(text)
    if isinstance(number, Malformed):
        return number if number.reason == "ambiguous" else Malformed("not_a_choice", number.detail)
    if number in numbers:
        return choices[numbers.index(number)]
    return Malformed("not_a_choice", " ".join(text.split())[:80])


def letter_at_end(text: str) -> str:
    """Return `(b)` if a text ends with it after its last sentence, else ""."""
    match = _LAST_LETTER.search(text)
    return f"({match[1]})" if match else ""
