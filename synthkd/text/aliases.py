"""Join names of one thing: equal normal forms, initials, and a shorter form of a name.

Precision comes first: a name is joined to another only if no third name fits as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from synthkd.text.normal_forms import normal_phrase, word_set
from synthkd.text.nouns import entity_key
from synthkd.text.spans import fold_word

#: Ways to join, in the order in which they are tried.
FORMS, INITIALS, NAMES = "forms", "initials", "names"
WAYS = (FORMS, INITIALS, NAMES)
_WORD = re.compile(r"[^\W_]+[+#]*")
_SHORT = re.compile(r"[^\W\d_](?:\.?[^\W_]){1,6}\.?s?")
#: Words that have no letter among the initials, or may have none.
_SMALL = word_set("of the and for in on to a an by with de la du")
#: Words before a name that make it another name: North Korea is not Korea.
_OTHER = word_set(
    "north south east west northern southern eastern western central new old upper lower great"
    " greater little san saint st mount lake river port fort university college school battle"
    " republic county province district"
)
#: Words behind a name that only say what it is.
_KIND = word_set("inc ltd llc plc corp corporation company co gmbh ag sa bv")


_TOKEN, _TREEBANK = re.compile(r"[^\W_]+|[()]"), re.compile("-LRB-|-RRB-")
#: Words before a bracket and inside of it that may be a name.
_REACH = 12


@dataclass(frozen=True)
class JoinedNames:
    """Names of one thing.

    Attributes:
        canonical: The most frequent name; of equally frequent ones the longest.
        names: The others, with the way each was joined.
    """

    canonical: str
    names: Mapping[str, str]


def join_names(
    counts: Mapping[str, int], ways: Collection[str] = WAYS, brackets: str = ""
) -> list[JoinedNames]:
    """Join names of one thing among the names of a document.

    Args:
        counts: How often each name occurs; the most frequent of joined names stands for them.
        ways: `FORMS` (case, accents, hyphens, plural and article), `INITIALS` (`NLP` for `natural
            language processing`), `NAMES` (`Curie` for `Marie Curie`, `Acme` for `Acme Inc.`).
        brackets: What `near_brackets` returns of the document. A short form in brackets behind a
            name (`natural language processing (NLP)`) decides between several names with its
            initials.

    Returns:
        The groups of two names and more, in the order of their canonical names.
    """
    by_key: dict[str, list[str]] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], -len(name), name)):
        by_key.setdefault(_key(name) if FORMS in ways else name, []).append(name)
    groups: dict[str, dict[str, str]] = {
        names[0]: dict.fromkeys(names[1:], FORMS) for names in by_key.values()
    }
    for way, fits in ((INITIALS, _has_initials), (NAMES, _shortens)):
        if way not in ways:
            continue
        for short in sorted(groups, key=len):
            longer = [long for long in groups if long != short and fits(short, long)]
            if way == INITIALS and len(longer) > 1:
                longer = [long for long in longer if _in_brackets(short, long, brackets)]
            if len({_key(long) for long in longer}) == 1:
                _join(groups, short, longer[0], way)
    return [_of_group(first, others, counts) for first, others in sorted(groups.items()) if others]


def _join(groups: dict[str, dict[str, str]], short: str, long: str, way: str) -> None:
    moved = groups.pop(short)
    groups[long] |= {short: way, **moved}


def _of_group(first: str, others: Mapping[str, str], counts: Mapping[str, int]) -> JoinedNames:
    names = {first: "", **others}
    best = max(names, key=lambda name: (counts[name], len(name), name))
    # The first name was joined to the others in the way that each of them was joined to it.
    ways = {name: way or others[best] for name, way in names.items() if name != best}
    return JoinedNames(best, ways)


def _key(name: str) -> str:
    """Return the form under which two names are equal without any doubt."""
    words = [fold_word(word) for word in _WORD.findall(entity_key(name))]
    return " ".join(words) or normal_phrase(name)


def _words(name: str) -> list[str]:
    return _WORD.findall(name)


def _has_initials(short: str, long: str) -> bool:
    """Return True if a short form in capitals has the initials of a longer name."""
    if not _SHORT.fullmatch(short) or sum(ch.isupper() for ch in short) < 2:
        return False
    plural = short.endswith("s") and short[-2:-1].isupper()
    letters = short.rstrip("s" if plural else "").replace(".", "").casefold()
    words = _words(long)
    if len(words) < 2 or len(words) > 2 * len(letters):
        return False
    every = "".join(word[0] for word in words).casefold()
    content = "".join(word[0] for word in words if word.casefold() not in _SMALL).casefold()
    return letters in (every, content)


def near_brackets(text: str) -> str:
    """Return the folded words around the brackets of a text, for `join_names`."""
    if "(" not in text and "-LRB-" not in text:
        return ""
    words = [word.group().lower() for word in _TOKEN.finditer(_TREEBANK.sub(_bracket, text))]
    near: list[str] = []
    for place, word in enumerate(words):
        if word == "(" and ")" in (inside := words[place + 1 : place + 1 + _REACH]):
            near += [";", *words[max(0, place - _REACH) : place], "("]
            near += [*inside[: inside.index(")")], ")"]
    return " ".join(near)


def _bracket(match: re.Match[str]) -> str:
    return "(" if match.group() == "-LRB-" else ")"


def _in_brackets(short: str, long: str, brackets: str) -> bool:
    long = " ".join(word.lower() for word in _words(long))
    short = short.lower()
    return f" {long} ( {short} )" in brackets or f" {short} ( {long} )" in brackets


def _shortens(short: str, long: str) -> bool:
    """Return True if a proper name is the last name of a person, or a firm without its form."""
    one, other = _words(short), _words(long)
    if not one or len(other) <= len(one) or not all(word[0].isupper() for word in (*one, *other)):
        return False
    if any(word.casefold() in _SMALL for word in other) or any(map(str.isdigit, short)):
        return False
    if other[: len(one)] == one:
        return all(word.casefold() in _KIND for word in other[len(one) :])
    before = other[: -len(one)]
    return (
        other[-len(one) :] == one
        and len(one) == 1
        and len(before) < 3
        and not any(word.casefold() in _OTHER for word in before)
    )
