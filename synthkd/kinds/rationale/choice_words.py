"""Find the choices that a text names by their words.

A choice inside the words of a longer choice counts only on its own; a denied choice (`not the
library`) does not count.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from synthkd.kinds.base import Malformed
from synthkd.text.normal_forms import normal_phrase

_ARTICLES = frozenset(
    ["a", "an", "the", "his", "her", "their", "your", "my", "its", "our", "it", "them"]
)
_ENDINGS = ("ing", "ed", "es", "er", "s", "e")
#: Words up to which a text is an answer rather than a text that mentions things.
_SHORT = 8
#: A denial before the words of a choice, in lower case.
_DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor|no|except|excluding|without|cannot|than|rather than|instead of"
    r"|(?:everything|anything|all|any|nothing) but)|n't)"
    r"(?: (?:be|is|a|an|the|in|on|at|to|of|for|really|actually|necessarily|option|choice|answer))*"
    r" ?$"
)
#: A denial behind a choice.
DISMISSED = re.compile(
    r"[\W_]*(?:(?:is|was|are|were|would be|must be|seems|looks)\s+(?:[^\W_]+ly\s+)?"
    r"(?:not\b|wrong|incorrect|false\b|impossible|ruled\s+out|excluded|eliminated|untrue)"
    r"|(?:is|was|are|does|do|did|would|could|ca|wo)n['’]t\b"
    r"|(?:can\s?not|does\s+not|would\s+not|could\s+not)\b)",
    re.IGNORECASE,
)
#: Characters at the beginning of an answer that may hold a label, and before a label a negation.
NEAR = 120
_DROPPED = re.compile(
    r"(?!(?<!\w)[-+](?=\d)|(?<=[a-z])#(?!\w)|(?<=[a-z])\+(?!\w)|(?<=\+)\+|(?<=\b[a-z])-(?!\w))"
    r"[^\w'$%.]|(?<!\d)\.|\.(?!\d)"
)


def is_short_answer(text: str) -> bool:
    """Return True if a text is an answer and nothing else."""
    return len(text.split()) <= _SHORT and "\n" not in text.strip()


def is_joined(text: str, begun: str) -> bool:
    """Return True if a text begins with one of several choices: `library or bookstore`."""
    rest = letters_only(text)[len(letters_only(begun)) :].split()
    if rest and rest[0] in ("not", "rather", "instead", "because", "since"):
        return False
    return (bool(rest) and rest[0] in ("or", "and")) or "," in text[len(begun) : len(begun) + 2]


def read_named(text: str, choices: Sequence[str], question: str = "") -> str | Malformed:
    """Return the one choice whose words a text has; choices that the question names count less."""
    named = named_choices(text, choices)
    if len(named) > 1:
        in_question = {normal_phrase(choice) for choice in named_choices(question, choices)}
        fresh = [choice for choice in named if normal_phrase(choice) not in in_question]
        if len(fresh) != 1:
            names = " and ".join(repr(choice) for choice in named)
            return Malformed("ambiguous", names)
        named = fresh
    if not named:
        return Malformed("not_a_choice", " ".join(text.split())[:80])
    return named[0]


def named_choices(text: str, choices: Sequence[str]) -> list[str]:
    """Return the choices whose words a text has, in order of their last place; equal texts once.

    A choice inside a longer choice (`room` in `living room`) counts only on its own.
    """
    return list(_named(text, choices)[0])


def _named(text: str, choices: Sequence[str]) -> tuple[list[str], bool]:
    """Return the choices that a text names, and True if it denies one (`the library is wrong`)."""
    low = letters_only(text)
    taken = [False] * len(low)
    denied = False
    last: dict[str, tuple[int, str]] = {}
    distinct = {letters_only(choice).strip(): choice for choice in reversed(choices)}
    for name in sorted(distinct, key=lambda name: (-len(name), name)):
        for start in _places(low, name):
            if not any(taken[start : start + len(name)]):
                taken[start : start + len(name)] = [True] * len(name)
                if _DENIED.search(low, max(0, start - NEAR), start) or DISMISSED.match(
                    low, start + len(name)
                ):
                    denied = True
                else:
                    last[name] = (start, distinct[name])
    return [choice for _, choice in sorted(last.values())], denied


def first_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that a text begins with, as in `Library: a place …`."""
    low = letters_only(text)
    begins = [choice for choice in choices if 0 in _places(low, letters_only(choice))]
    begun = max(begins, key=len, default=None)
    return None if begun and DISMISSED.match(low, len(letters_only(begun))) else begun


def named_by_stems(text: str, choices: Sequence[str]) -> list[str]:
    """Return the choices whose words a text has in another form (`watered the garden`).

    This evidence is weaker than that of `named_choices`.
    """
    if _named(text, choices)[1]:
        return []
    stems = [_stem(word) for word in letters_only(text).split() if word not in _ARTICLES]
    named: dict[str, str] = {}
    for choice in choices:
        name = [_stem(word) for word in letters_only(choice).split() if word not in _ARTICLES]
        places = range(len(stems) - len(name) + 1)
        together = [a + b for a, b in itertools.pairwise(stems)]
        if name and (
            any(stems[i : i + len(name)] == name for i in places) or "".join(name) in together
        ):
            named.setdefault(" ".join(name), choice)
    return list(named.values())


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
    return [match.start() for match in re.finditer(pattern, low)]


def letters_only(text: str) -> str:
    """Return words and numbers in lower case; keep signs that carry meaning: -5, C++, A-."""
    return " ".join(_DROPPED.sub(" ", text.casefold().replace("’", "'").replace("−", "-")).split())
