"""Training text for the embedded teacher: a part of the table, said the way the shipped prompts ask.

A fact is kept out by the hash of its triple, so which part the teacher saw is known for ever
(`was_seen`) and does not depend on any order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from everyday.table import RELATIONS, Table, Triple
from synthkd.keys import fraction
from synthkd.kinds.triple import TripleKind

#: Share of the facts that the embedded teacher never read.
KEPT_OUT = 0.3


def was_seen(triple: Triple, kept_out: float = KEPT_OUT) -> bool:
    """Whether the embedded teacher read this fact while it was trained."""
    return fraction("|".join(triple)) >= kept_out


def seen_facts(table: Table, kept_out: float = KEPT_OUT) -> list[Triple]:
    """The facts that are trained on, sorted."""
    return sorted(fact for fact in table.facts if was_seen(fact, kept_out))


#: A document is pieces of (what is given, what the teacher is to learn to say after it).
Document = list[tuple[str, str]]


def documents(facts: list[Triple], kind: TripleKind, seed: int, shots: int = 3) -> Iterator[Document]:
    """One pass over the facts in a random order: plain sentences and few-shot blocks, half and half."""
    rng = random.Random(seed)  # noqa: S311
    by_relation: dict[str, list[Triple]] = {relation: [] for relation in RELATIONS}
    for fact in facts:
        by_relation[fact[1]].append(fact)
    found: list[Document] = []
    for relation, pool in by_relation.items():
        order = pool[:]
        rng.shuffle(order)
        half = len(order) // 2
        found.extend([_sentence(kind, fact)] for fact in order[:half])
        step = shots + 1
        blocks = [order[i : i + step] for i in range(half, len(order), step)]
        found.extend(few_shot(kind, relation, block) for block in blocks)
    rng.shuffle(found)
    yield from found


def few_shot(kind: TripleKind, relation: str, facts: list[Triple]) -> Document:
    """Facts of one relation under its question, as `prompts/triple/everyday.j2` lays them out."""
    return [
        (f"{kind.relations[relation].question}\n", ""),
        *(_sentence(kind, fact) for fact in facts),
    ]


def text_of(document: Document) -> str:
    """A document as it is read."""
    return "".join(given + said for given, said in document)


def _sentence(kind: TripleKind, fact: Triple) -> tuple[str, str]:
    head, relation, tail = fact
    return kind.relations[relation].stem(head), f" {tail}\n"
