"""Training data of the embedded teacher: a pass over the facts, and fresh text of other kinds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from everyday import messages, problems, text
from everyday.comparatives import Comparatives
from everyday.sentences import Sentences
from everyday.table import Table
from everyday.text import Document, seen_facts
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind

#: Documents of each other kind in a pass; together they have about as many tokens as the facts.
COUNTS = {"comparative": 1300, "rationale": 650, "proposition": 500, "labelled_text": 350}


@dataclass
class Mix:
    """Generates passes; a pass depends on its seed alone."""

    table: Table
    counts: dict[str, int] = field(default_factory=lambda: dict(COUNTS))

    def __post_init__(self) -> None:
        self.facts = seen_facts(self.table)
        self._triples = TripleKind(load_relations("everyday"))
        self._comparatives = Comparatives(self.table)
        self._sentences = Sentences(self.table, frozenset(self.facts))

    def by_kind(self, seed: int) -> dict[str, list[Document]]:
        """Return the documents of a pass, by kind."""
        count = self.counts
        return {
            "triple": list(text.documents(self.facts, self._triples, seed)),
            "comparative": list(self._comparatives.documents(seed, count["comparative"])),
            "rationale": list(problems.documents(seed, count["rationale"])),
            "proposition": list(self._sentences.documents(seed, count["proposition"])),
            "labelled_text": list(messages.documents(seed, count["labelled_text"])),
        }

    def one_pass(self, seed: int) -> Iterator[Document]:
        """Yield the documents of a pass, shuffled."""
        training = [document for documents in self.by_kind(seed).values() for document in documents]
        random.Random(seed).shuffle(training)  # noqa: S311
        yield from training
