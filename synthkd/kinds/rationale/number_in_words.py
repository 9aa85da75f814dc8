"""Read the number of an answer that has no digits."""

from __future__ import annotations

from fractions import Fraction

from synthkd.kinds.rationale.after_number import AMBIGUOUS, NO_NUMBER
from synthkd.kinds.rationale.context_words import BEFORE, BEHIND, BOUNDS, LEADS
from synthkd.kinds.rationale.tokens import Token
from synthkd.text.normal_forms import word_set
from synthkd.text.number_words import TENS, read_spelled, spelled_words, take_spelled

_FIRST_ORDINALS = word_set("first second")
#: Ordinals that are also the names of parts.
_PART_ORDINALS = word_set("third fourth fifth sixth seventh eighth ninth")


def read_number_in_words(parts: list[Token]) -> Fraction | str:
    """Read the number in words of a text without digits.

    Returns:
        The number, `NO_NUMBER`, or `AMBIGUOUS` for several different numbers.
    """
    words = spelled_words([token.text for token in parts])
    numbers: list[Fraction] = []
    place = 0
    while place < len(words):
        after = take_spelled(words, place)
        if after == place:
            place += 1
            continue
        run = words[place:after]
        before, behind = (
            words[place - 1] if place else "",
            words[after] if after < len(words) else "",
        )
        place = after
        if run == ["one"] and behind in (
            "of",
            "another",
            "who",
            "that",
            "which",
            "can",
            "should",
            "by",
        ):
            whole = words[after + 1 : after + 2] == ["the"]
            if behind == "of" and take_spelled(words, after + 1 + whole) > after + 1 + whole:
                return NO_NUMBER
            continue
        if run == ["half"] and before.isalpha() and before not in LEADS:
            continue
        read = read_spelled(run)
        if read is None or before in BEFORE or behind in BEHIND or (behind == "of" and read >= 1):
            return NO_NUMBER
        if behind in _FIRST_ORDINALS or (
            words[place - 1] in _PART_ORDINALS and len(run) == 2 and run[0] in TENS
        ):
            # "twenty first", "twenty third"
            return NO_NUMBER
        if behind == "or" and words[after + 1 : after + 2] and words[after + 1] in BOUNDS:
            return NO_NUMBER
        numbers.append(-read if before == "-" else read)
    if not numbers:
        return NO_NUMBER
    return numbers[0] if len(set(numbers)) == 1 else AMBIGUOUS
