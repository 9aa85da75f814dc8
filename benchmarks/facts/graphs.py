"""Gold graphs, corrupted: rows with verdicts, by document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.critics.graphs.negatives import OTHER, RELATION, SAME, corrupt_graphs
from synthkd.kinds.fact import FactKind
from synthkd.kinds.fact.kind import relation_key
from synthkd.text.nouns import entity_key

Triple = tuple[str, str, str]
SETS = {"scierc": "scierc", "genwiki": "genwiki_hard"}
WAYS = (SAME, OTHER, RELATION)
KIND = FactKind()
FOLDS = 3


@dataclass(frozen=True)
class GoldGraphs:
    """Texts and gold triples by document; ``in_text`` names the triples whose ends the text has."""

    texts: dict[str, str]
    triples: dict[str, list[Triple]]
    in_text: set[tuple[str, Triple]]

    @classmethod
    def read(cls, data: Path, name: str, most: int | None = None) -> GoldGraphs:
        """Read a set; triples with broken items, without a tail or between equal ends are left out.

        Of triples that are equal but for spelling one stays.
        """
        folder = data / "graphs"
        texts = {
            row["id"]: row["text"]
            for row in pq.read_table(folder / "documents.parquet").to_pylist()
            if row["dataset"] == SETS[name]
        }
        triples: dict[str, dict[Triple, Triple]] = {}
        in_text = set()
        for row in pq.read_table(folder / "triples.parquet").to_pylist():
            document, triple = row["doc_id"], (row["head"], row["relation"], row["tail"])
            if document not in texts or row["extra_items"] is not None or not row["tail"]:
                continue
            form = (entity_key(triple[0]), relation_key(triple[1]), entity_key(triple[2]))
            if form[0] != form[2] and form not in triples.setdefault(document, {}):
                triples[document][form] = triple
                if row["head_in_text"] and row["tail_in_text"]:
                    in_text.add((document, triple))
        chosen = sorted(triples)[:most]
        return cls(texts, {name: list(triples[name].values()) for name in chosen}, in_text)

    def folds(self, seed: int) -> dict[str, int]:
        """Deal the documents to folds."""
        documents = sorted(self.triples)
        order = np.random.default_rng(seed).permutation(len(documents))
        return {documents[place]: number % FOLDS for number, place in enumerate(order.tolist())}

    def rows(self, seed: int, ways: Sequence[str], each: int = 1) -> list[dict[str, Any]]:
        """Return true rows (``way`` "") and negatives of these ways."""
        rows = [
            self._row(document, triple, "")
            for document, triples in self.triples.items()
            for triple in triples
        ]
        negatives = corrupt_graphs(self.triples, ways, each, seed)
        return [*rows, *(self._row(one.document, one.triple, one.way) for one in negatives)]

    def _row(self, document: str, triple: Triple, way: str) -> dict[str, Any]:
        head, relation, tail = triple
        return {
            "document_id": document, "head": head, "relation": relation, "tail": tail,
            "source": self.texts[document], "way": way, "valid": not way,
        }  # fmt: skip


def as_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return the columns that critics and rules read."""
    names = [*KIND.columns, "source"]
    return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in names})


def verdicts(rows: Sequence[dict[str, Any]]) -> Any:
    """Return whether each row is true."""
    return np.array([row["valid"] for row in rows], dtype=bool)
