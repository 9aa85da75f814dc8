"""Corrupted graphs: an end or the relation of a true triple is replaced.

Replaced ends come from the same document, which is hard, or from another one; relations from all
documents. A negative is never a true triple of its document, nor equal to one but for spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.errors import CriticError, nearest
from synthkd.kinds.fact.kind import relation_key
from synthkd.reporting.safe_text import csv_line, to_cell
from synthkd.rows import read_tables
from synthkd.storage import check_file, has_text, write_text
from synthkd.text.nouns import entity_key

GraphTriple = tuple[str, str, str]
#: Ways to corrupt a triple.
SAME, OTHER, RELATION = "same_document", "other_document", "relation"
WAYS = (SAME, OTHER, RELATION)
#: Columns of a sheet of facts.
_SHEET = ("document_id", "head", "relation", "tail", "source")
#: Draws for one negative before giving up.
_TRIES = 20


@dataclass(frozen=True, slots=True)
class GraphNegative:
    """A negative: its document, its triple, how it was made, and the true triple it replaces."""

    document: str
    triple: GraphTriple
    way: str
    origin: GraphTriple


def corrupt_graphs(
    graphs: Mapping[str, Sequence[GraphTriple]],
    ways: Sequence[str] = WAYS,
    each: int = 1,
    seed: int = 0,
) -> list[GraphNegative]:
    """Make negatives from the true triples of documents.

    A triple without a negative of some way (a document with two entities, a single relation) has
    fewer.

    Args:
        graphs: True triples by document.
        ways: Ways of `WAYS`, of which each negative draws one; a way may be named repeatedly.
        each: Negatives of each true triple.
        seed: Seed of the draws.
    """
    for way in ways or [""]:
        if way not in WAYS:
            raise CriticError(f"no way {way!r} to corrupt a graph{nearest(way, list(WAYS))}")
    rng = np.random.default_rng(seed)
    pool = _Pool(graphs)
    negatives = []
    for document, triples in graphs.items():
        entities = sorted({end for head, _, tail in triples for end in (head, tail)})
        true = {_form(triple) for triple in triples}
        for triple in triples:
            taken = set(true)
            for _ in range(each):
                way = ways[int(rng.integers(len(ways)))]
                for drawn in pool.draws(document, triple, way, entities, rng):
                    form = _form(drawn)
                    if form not in taken and form[0] != form[2]:
                        taken.add(form)
                        negatives.append(GraphNegative(document, drawn, way, triple))
                        break
    return negatives


class _Pool:
    """Ends and relations of all documents, as often as they occur."""

    def __init__(self, graphs: Mapping[str, Sequence[GraphTriple]]) -> None:
        self.ends = [
            (document, end)
            for document, triples in graphs.items()
            for head, _, tail in triples
            for end in (head, tail)
        ]
        self.relations = [triple[1] for triples in graphs.values() for triple in triples]

    def draws(
        self,
        document: str,
        triple: GraphTriple,
        way: str,
        entities: Sequence[str],
        rng: np.random.Generator,
    ) -> Iterator[GraphTriple]:
        head, relation, tail = triple
        if way == SAME:
            choices = [(one, relation, tail) for one in entities]
            choices += [(head, relation, one) for one in entities]
            for place in rng.permutation(len(choices)).tolist():
                yield choices[place]
            return
        for _ in range(_TRIES):
            if way == RELATION:
                yield head, _pick(self.relations, rng), tail
                continue
            other, end = _pick(self.ends, rng)
            if other != document:
                yield (end, relation, tail) if rng.random() < 0.5 else (head, relation, end)


def _pick(values: Sequence[Any], rng: np.random.Generator) -> Any:
    return values[int(rng.integers(len(values)))]


def _form(triple: GraphTriple) -> GraphTriple:
    head, relation, tail = triple
    return entity_key(head), relation_key(relation), entity_key(tail)


@dataclass(frozen=True)
class GraphSheetCounts:
    """Numbers of distinct true triples, of negatives, and of negatives that no draw found."""

    true: int
    made: int
    missing: int


def write_graph_negatives(
    facts: Path, out: Path, each: int = 1, seed: int = 0, formulas: bool = False
) -> GraphSheetCounts:
    """Write a label sheet of true facts and negatives, each with its source.

    Args:
        facts: File or corpus of true facts, with the columns of the kind `fact` and ``source``.
        out: CSV file to write.
        each: Negatives of each fact.
        seed: Seed of the draws.
        formulas: Keep texts that a spreadsheet takes for formulas as they are.
    """
    if each < 1:
        raise CriticError(f"negatives: `each` is {each}; 1 or more")
    if out.suffix != ".csv":
        raise CriticError(f"{out}: the sheet is a CSV file; name it so")
    check_file(out, has_text(",".join([*_SHEET, "label", "made"])), "a sheet of made negatives")
    graphs: dict[str, list[GraphTriple]] = {}
    # A document may be read in parts; negatives of a part are checked against all of it.
    sources: dict[tuple[str, GraphTriple], str] = {}
    forms: set[tuple[str, GraphTriple]] = set()
    for table in read_tables(facts, list(_SHEET)):
        for document, *parts, source in zip(*map(_texts(table), _SHEET), strict=True):
            triple: GraphTriple = (parts[0], parts[1], parts[2])
            if not all(part.strip() for part in (*triple, source)):
                raise CriticError(f"{facts}: a fact of {document!r} has an empty part or no source")
            if (form := (document, _form(triple))) not in forms:
                forms.add(form)
                graphs.setdefault(document, []).append(triple)
                sources[document, triple] = source
    negatives = corrupt_graphs(graphs, WAYS, each, seed)
    rows = [[*_SHEET, "label", "made"]]
    for (document, triple), source in sources.items():
        rows.append([document, *triple, source, "true", ""])
    for one in negatives:
        source = sources[one.document, one.origin]
        rows.append([one.document, *one.triple, source, "false", one.way])
    write_text(out, "".join(csv_line(to_cell(cell, formulas) for cell in row) for row in rows))
    return GraphSheetCounts(len(sources), len(negatives), len(sources) * each - len(negatives))


def _texts(table: Any) -> Callable[[str], list[str]]:
    return lambda name: [str(value or "") for value in table.column(name).to_pylist()]
