"""Properties of propositions by rules: numbers, names, pointers, signs of several claims."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from fractions import Fraction
from typing import Any

from synthkd.text.normal_forms import word_pattern, word_set
from synthkd.text.number_words import MAGNITUDES, NUMBER_WORDS, ORDINALS

#: Words that refer to earlier text if a text begins with them.
POINTERS = word_set(
    "it he she they this that these those its his her their hers theirs itself himself "
    "herself themselves such here him them former latter"
)
#: Conjunctions at the beginning of a sentence.
_BEFORE = re.compile(
    r"[\s\"“‘'(\[*_]*(?:(?:and|but|so|then|also|however|therefore|thus)\b,?\s+)?", re.IGNORECASE
)
_FIRST = re.compile(word_pattern(digits=False))
_NUMBER = re.compile(r"(?<![\w.])[-−]?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)")
_RANGE = re.compile(r"\b(\d{2})(\d{2})\s?[-–—/]\s?(\d{2})\b(?!\d)")
_WORD = re.compile(rf"{word_pattern(digits=False)}(?:['’]{word_pattern(digits=False)})*")
_SCALES = {word: MAGNITUDES[word] for word in ("hundred", "thousand", "million", "billion")}
#: Number words that are mostly not numbers.
_LOOSE = {"one", "first", "second", "third", "zero"}
_ENDS = re.compile(r"[.!?:]\s*[\"“‘'(\[]*$|[\"“‘(\[]$")


def leading_pointer(text: str) -> str | None:
    """Return the word that a text begins with if it refers to earlier text; None otherwise."""
    first = _FIRST.match(text, _BEFORE.match(text).end())  # type: ignore[union-attr]
    return first.group() if first and first.group().casefold() in POINTERS else None


def text_numbers(text: str, strict: bool = False) -> dict[Fraction, str]:
    """Return the numbers of a text, in digits or in words, with their written forms.

    Args:
        text: The text.
        strict: Leave out words such as `one` that are seldom meant as numbers.
    """
    numbers: dict[Fraction, str] = {}
    for match in _NUMBER.finditer(text):
        if len(match[1]) < 30:
            numbers.setdefault(Fraction(match[1].replace(",", "")), match[1])
            scale = _WORD.match(text, match.end() + 1)
            if scale and scale.group().casefold() in _SCALES:
                value = Fraction(match[1].replace(",", "")) * _SCALES[scale.group().casefold()]
                if strict:
                    del numbers[Fraction(match[1].replace(",", ""))]
                numbers.setdefault(value, f"{match[1]} {scale.group()}")
    if not strict:
        for match in _RANGE.finditer(text):
            numbers.setdefault(Fraction(match[1] + match[3]), match.group())
    for value, words in _in_words(text):
        if not (strict and words.casefold() in _LOOSE):
            numbers.setdefault(value, words)
    return numbers


def _in_words(text: str) -> Iterator[tuple[Fraction, str]]:
    """Yield the numbers in words: `twenty-one`, `two hundred and five`, `third`."""
    run: list[str] = []
    for match in [*_WORD.finditer(text), None]:
        word = match.group().casefold() if match else ""
        if word in NUMBER_WORDS or (word in _SCALES and run):
            run.append(word)
            continue
        if word == "and" and run and run[-1] in _SCALES:
            continue
        if run:
            yield _value(run), " ".join(run)
            run = []
        if word in ORDINALS:
            yield Fraction(ORDINALS[word]), word


def _value(words: list[str]) -> Fraction:
    whole = part = Fraction(0)
    for word in words:
        if word in _SCALES:
            part = max(part, Fraction(1)) * _SCALES[word]
            if _SCALES[word] >= 1000:
                whole, part = whole + part, Fraction(0)
        else:
            part += NUMBER_WORDS[word]
    return whole + part


def proper_names(text: str) -> Iterator[str]:
    """Yield capitalised words within sentences, without possessive endings."""
    for match in _WORD.finditer(text):
        word = match.group()
        if not word[0].isupper() or len(word) < 2 or word.startswith(("I'", "I’")):
            continue
        before = text[max(0, match.start() - 6) : match.start()]
        if not before.strip() or _ENDS.search(before):
            continue
        yield re.sub(r"['’]s?$", "", word)


def name_found(name: str, names: Collection[str]) -> bool:
    """Return True if lower-case words have a name, in any form (`America`, `Americans`)."""
    low = name.casefold()
    if low in names or low.rstrip("s") in names or f"{low}s" in names:
        return True
    if len(low) < 5:
        return False
    stem = low[: max(4, len(low) - 3)]
    return any(word.startswith(stem) and abs(len(word) - len(low)) <= 4 for word in names)


def source_words(text: str) -> set[str]:
    """Return the lower-case words of a source, without possessive endings."""
    return {re.sub(r"['’]s?$", "", match.group()).casefold() for match in _WORD.finditer(text)}


#: Function words that a proposition may have and its source lack, as `alignment.overlap_words`
#: writes them.
SMALL = word_set(
    "a an the is are was were be been being am has have had do doe did can could will "
    "would may might must shall should and or but not no of in on at by for from to with "
    "as that this it its he she they there who which whose when where"
)

_VERBS = (
    r"(?:is|are|was|were|am|has|have|had|can|could|will|would|may|might|must|does|did|do|should"
    r"|shall)"
)
_SUBJECT = (
    r"(?:it|he|she|they|this|that|these|those|there|we|I|you|the|an?|his|her|its|their"
    r"|[A-Z][\w'’-]*)"
)
#: Signs of more than one claim in a proposition, by name.
SIGNS: dict[str, re.Pattern[str]] = {
    "sentences": re.compile(
        r"(?<![A-Z])(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z]{2})(?<!etc)[.!?][\"”’)]?\s+(?=[A-Z])"
    ),
    "semicolon": re.compile(r";\s"),
    "coordination": re.compile(
        rf",\s+(?:and|but|while|whereas|so|or)\s+{_SUBJECT}\s+(?:[\w'’-]+\s+){{0,4}}?{_VERBS}\b"
        rf"|\b(?:and|but)\s+(?:(?:also|then|later|still|not)\s+)?{_VERBS}\b"
        rf"|\b(?:and|but|while|whereas)\s+(?:it|he|she|they)\s+[a-z]+"
    ),
    "relative": re.compile(
        r",\s+(?:(?:of|in|for|to|by|with|from)\s+)?(?:which|who|whom|whose|where)\b"
    ),
}


def several_claims(text: str, allow: Collection[str] = ()) -> str | None:
    """Return the first sign that a text has more than one claim; None without one."""
    for name, sign in SIGNS.items():
        if name not in allow and (match := sign.search(text)):
            return f"{name}: {' '.join(match.group().split()) or match.group().strip()!r}"
    return None


def joined_predicates(doc: Any) -> list[str]:
    """Return the coordinated predicates of a text parsed by spaCy."""
    verbal = {"VERB", "AUX"}
    return [
        token.text
        for token in doc
        if token.dep_ == "conj"
        and token.pos_ in verbal
        and token.head.pos_ in verbal
        and _finite(token)
    ]


def _finite(token: Any) -> bool:
    """Return False for an infinitive or a bare participle, which share the preceding predicate."""
    return "Inf" not in token.morph.get("VerbForm") and token.tag_ != "VBG"
