"""Training text of the embedded teacher: a part of the table, in the form of the shipped prompts.

The hash of a triple decides if its fact is kept out, so that `was_seen` depends on no order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from everyday.table import RELATIONS, Table, Triple
from synthkd.keys import fraction
from synthkd.kinds.triple import TripleKind

#: Share of the facts that are kept out of the training data.
KEPT_OUT = 0.3


def was_seen(triple: Triple, kept_out: float = KEPT_OUT) -> bool:
    """Return True if the embedded teacher was trained on a fact."""
    return fraction("|".join(triple)) >= kept_out


def seen_facts(table: Table, kept_out: float = KEPT_OUT) -> list[Triple]:
    """Return the facts of the training data, sorted."""
    return sorted(fact for fact in table.facts if was_seen(fact, kept_out))


#: Pairs of a prompt and the continuation that the teacher learns.
Document = list[tuple[str, str]]


def documents(
    facts: list[Triple], kind: TripleKind, seed: int, shots: int = 3
) -> Iterator[Document]:
    """Yield a pass over the facts in random order: half plain sentences, half few-shot blocks."""
    rng = random.Random(seed)  # noqa: S311
    by_relation: dict[str, list[Triple]] = {relation: [] for relation in RELATIONS}
    for fact in facts:
        by_relation[fact[1]].append(fact)
    documents: list[Document] = []
    for relation, pool in by_relation.items():
        order = pool[:]
        rng.shuffle(order)
        half = len(order) // 2
        documents.extend([_sentence(kind, fact)] for fact in order[:half])
        step = shots + 1
        blocks = [order[i : i + step] for i in range(half, len(order), step)]
        documents.extend(few_shot(kind, relation, block) for block in blocks)
    rng.shuffle(documents)
    yield from documents


def few_shot(kind: TripleKind, relation: str, facts: list[Triple]) -> Document:
    """Return facts of a relation under its question, as `prompts/triple/everyday.j2` has them."""
    return [
        (f"{kind.relations[relation].question}\n", ""),
        *(_sentence(kind, fact) for fact in facts),
    ]


def text_of(document: Document) -> str:
    """Return a document as one text."""
    return "".join(given + answer for given, answer in document)


def _sentence(kind: TripleKind, fact: Triple) -> tuple[str, str]:
    head, relation, tail = fact
    return kind.relations[relation].stem(head), f" {tail}\n"
