"""Complex sentences of the table's facts, and their propositions.

A proposition is supported if it is one of the facts of its sentence, whatever the table has.
Sentences are parsed for that, so that any sentence of this grammar can be checked:

    subject, then predicates joined by "and", a comma, "that", ", which" or ", and it";
    two subjects by ", while".

A predicate begins with *is*, *has* or *can*. A part without one of these words repeats the words
before it ("has a tail and a trunk", "can swim and jump"); right after a subject, it is an
apposition.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from everyday.nouns import capital, countable, with_article
from everyday.table import Table, Triple
from everyday.text import Document, was_seen
from synthkd.keys import fraction
from synthkd.text.normal_forms import normal_phrase

#: Share of the subjects whose sentences are kept out of the training data.
KEPT_OUT = 0.2

_ON = frozenset({
    "beach", "construction site", "desk", "farm", "mountain", "playground", "railway", "road",
    "street", "wall",
})  # fmt: skip
#: Relations of sentences, and the weights with which they are drawn.
_WEIGHTS = {"HasA": 4, "CapableOf": 4, "HasProperty": 3, "UsedFor": 1, "AtLocation": 2, "MadeOf": 1}
#: Beginnings of predicates, longest first.
_LEADS = ("is used for", "is made of", "is found in the", "is found on the", "is", "has", "can")
_JOINT = re.compile(r",? and it (?=is |has |can )|, which | that |, and | and |, | which ")


def predicate(fact: Triple) -> str:
    """Write a fact without its subject: `has a trunk`."""
    _, relation, tail = fact
    if relation == "IsA":
        return f"is {with_article(tail)}"
    if relation == "HasA":
        return f"has {with_article(tail)}"
    if relation == "AtLocation":
        return f"is found {'on' if tail in _ON else 'in'} the {tail}"
    lead = {
        "CapableOf": "can",
        "HasProperty": "is",
        "UsedFor": "is used for",
        "MadeOf": "is made of",
    }
    return f"{lead[relation]} {tail}"


def propositions(sentence: str) -> list[str]:
    """Return the propositions of a sentence of the grammar, in order."""
    parts: list[str] = []
    for half in " ".join(sentence.split()).rstrip(" .").split(", while "):
        match = re.match(r"(.+?)(?=, | has | can | is )", half)
        if match:
            subject = capital(match.group(1).strip())
            parts += [f"{subject} {predicates}." for predicates in _predicates(half[match.end() :])]
    return parts


def _predicates(rest: str) -> Iterator[str]:
    lead = "is"
    for part in _JOINT.split(rest.strip() if rest.startswith(" ") else rest.removeprefix(", ")):
        part = part.removeprefix("which ").strip(" ,")
        own = next((each for each in _LEADS if part.startswith(f"{each} ")), None)
        if own is None:
            part = f"{lead} {part}" if part else ""
        else:
            lead = own
        if part:
            yield part


def valid(row: Mapping[str, Any]) -> bool:
    """Return True if a row's proposition is one of its sentence's."""
    claims = {normal_phrase(each) for each in propositions(str(row["sentence"]))}
    return normal_phrase(str(row["proposition"])) in claims


def subject_seen(name: str) -> bool:
    """Return True if sentences about a subject are in the training data."""
    return fraction(f"sentence|{name}") >= KEPT_OUT


def seen(row: Mapping[str, Any]) -> bool:
    """Return True if sentences about the subject of a row's sentence are in the training data."""
    match = re.match(r"(?:an?\s)?(.+?)(?=, | has | can | is )", str(row["sentence"]), re.IGNORECASE)
    return bool(match) and subject_seen(match.group(1).lower())  # type: ignore[union-attr]


class Sentences:
    """Writes sentences about the concepts of a table."""

    def __init__(self, table: Table, facts: frozenset[Triple] | None = None) -> None:
        pools: dict[str, dict[str, list[Triple]]] = {}
        for fact in sorted(table.facts if facts is None else facts):
            head, relation, tail = fact
            usable = countable(tail) if relation == "IsA" else relation in _WEIGHTS
            if usable and countable(head):
                pools.setdefault(head, {}).setdefault(relation, []).append(fact)
        self._pools = {
            name: pool
            for name, pool in pools.items()
            if "IsA" in pool and sum(map(len, pool.values())) > 7
        }
        self.names = sorted(self._pools)

    def sentence(self, name: str, rng: random.Random) -> str:
        """Write a complex sentence of two to four facts about a concept."""
        return rng.choices(_SHAPES, _SHAPE_WEIGHTS)[0](self, name, rng)

    def facts(self, name: str, count: int, rng: random.Random) -> list[str]:
        """Draw different true predicates of a concept, without IsA."""
        pool = self._pools[name]
        kinds = [kind for kind in _WEIGHTS if kind in pool]
        facts: list[str] = []
        for _ in range(count * 8):
            kind = rng.choices(kinds, [_WEIGHTS[kind] for kind in kinds])[0]
            clause = predicate(rng.choice(pool[kind]))
            if clause not in facts and " and " not in clause:
                facts.append(clause)
            if len(facts) == count:
                return facts
        raise ValueError(f"{name!r} has fewer than {count} facts")

    def category(self, name: str, rng: random.Random) -> str:
        """Draw a category of a concept, with its article."""
        return with_article(rng.choice(self._pools[name]["IsA"])[2])

    def documents(self, seed: int, count: int = 700, shots: int = 1) -> Iterator[Document]:
        """Yield blocks of chunks with their propositions, without kept-out subjects.

        A chunk is one or two sentences.
        """
        rng = random.Random(seed)  # noqa: S311
        names = [name for name in self.names if subject_seen(name)]
        for _ in range(count):
            block: Document = []
            for _ in range(shots + 1):
                chunk = [self.sentence(rng.choice(names), rng) for _ in range(rng.choice((1, 2)))]
                block.append(say(chunk))
            yield block


def say(sentences: list[str]) -> tuple[str, str]:
    """Return the prompt of a chunk and its continuation."""
    given = "\n".join(f"<s> {sentence} </s>" for sentence in sentences)
    groups = [
        "<s>\n" + "".join(f"- {each}\n" for each in propositions(sentence)) + "</s>\n"
        for sentence in sentences
    ]
    return f"Sentences:\n{given}\nPropositions:", "\n" + "".join(groups) + "\n"


def documents(seed: int, count: int = 700) -> Iterator[Document]:
    """Yield training text from the facts of the training data."""
    table = Table.load()
    return Sentences(table, frozenset(filter(was_seen, table.facts))).documents(seed, count)


def _subject(name: str) -> str:
    return capital(with_article(name))


def _relative(self: Sentences, name: str, rng: random.Random) -> str:
    first, second = self.facts(name, 2, rng)
    return f"{_subject(name)} is {self.category(name, rng)} that {first} and {second}."


def _short_relative(self: Sentences, name: str, rng: random.Random) -> str:
    return f"{_subject(name)} is {self.category(name, rng)} that {self.facts(name, 1, rng)[0]}."


def _apposition(self: Sentences, name: str, rng: random.Random) -> str:
    first, second = self.facts(name, 2, rng)
    return f"{_subject(name)}, {self.category(name, rng)} that {first}, {second}."


def _plain_apposition(self: Sentences, name: str, rng: random.Random) -> str:
    first, second = self.facts(name, 2, rng)
    return f"{_subject(name)}, {self.category(name, rng)}, {first} and {second}."


def _which(self: Sentences, name: str, rng: random.Random) -> str:
    first, *rest = self.facts(name, rng.choice((2, 3)), rng)
    return f"{_subject(name)}, which {first}, {' and '.join(rest)}."


def _pronoun(self: Sentences, name: str, rng: random.Random) -> str:
    first, second = self.facts(name, 2, rng)
    return f"{_subject(name)} {first}, and it {second}."


def _list(self: Sentences, name: str, rng: random.Random) -> str:
    *rest, last = self.facts(name, 3, rng)
    return f"{_subject(name)} {', '.join(rest)} and {last}."


def _same_verb(self: Sentences, name: str, rng: random.Random) -> str:
    pool = self._pools[name]
    kind = rng.choice(
        [k for k in ("HasA", "CapableOf", "HasProperty") if len(pool.get(k, ())) > 1] or ["IsA"]
    )
    if kind == "IsA":
        return _short_relative(self, name, rng)
    first, second = rng.sample(pool[kind], 2)
    return f"{_subject(name)} {predicate(first)} and {predicate(second).split(' ', 1)[1]}."


def _while(self: Sentences, name: str, rng: random.Random) -> str:
    other = rng.choice(
        [n for n in self.names if subject_seen(n) == subject_seen(name) and n != name]
    )
    first, second = self.facts(name, 1, rng)[0], self.facts(other, 1, rng)[0]
    return f"{_subject(name)} {first}, while {with_article(other)} {second}."


_SHAPES: tuple[Callable[[Sentences, str, random.Random], str], ...] = (
    _relative, _short_relative, _apposition, _plain_apposition, _which, _pronoun, _list,
    _same_verb, _while,
)  # fmt: skip
_SHAPE_WEIGHTS = (3, 1, 2, 1, 2, 2, 2, 2, 2)
