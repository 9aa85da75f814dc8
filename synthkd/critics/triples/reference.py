"""True triples from a file or a table: complete, and each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthkd.critics.triples.phrases import Triple
from synthkd.errors import CriticError
from synthkd.labels.verdicts import REJECT, UNSURE, verdict_of
from synthkd.rows import read_tables, text_cell
from synthkd.text.normal_forms import normal_phrase

COLUMNS = ("head", "relation", "tail")
#: Verdict columns of a label sheet, which mark rows that are not true.
_VERDICTS = ("label", "verdict")
_READ = frozenset([*COLUMNS, *_VERDICTS])
#: Fewest distinct true triples of a reference.
FEWEST = 20
_phrase = lru_cache(maxsize=1 << 18)(normal_phrase)


def normal_triple(triple: Triple) -> Triple:
    """Normalise a triple's case, articles and edge punctuation."""
    head, relation, tail = triple
    return _phrase(head), relation, _phrase(tail)


def distinct_triples(triples: Iterable[Triple]) -> list[Triple]:
    """Return the first triple of each normal form.

    With a repetition, a held-out triple would still be known by its duplicate.
    """
    distinct: dict[Triple, Triple] = {}
    for triple in triples:
        distinct.setdefault(normal_triple(triple), triple)
    return list(distinct.values())


def read_true_triples(path: Path) -> list[Triple]:
    """Read the distinct triples of a file of true ones.

    A row without head, relation or tail is refused, and so is one that a verdict says not to be
    true.
    """
    rows = (
        row
        for table in read_tables(path, list(COLUMNS), also=_VERDICTS)
        for row in table.select([name for name in table.schema.names if name in _READ]).to_pylist()
    )
    return distinct_triples(
        _whole(row, f"{path} row {number}") for number, row in enumerate(rows, 1)
    )


def check_reference_size(known: list[Triple], where: str) -> list[Triple]:
    """Return the triples; refuse too few."""
    if len(known) < FEWEST:
        raise CriticError(
            f"{where}: {len(known)} distinct true triples, {FEWEST} are needed at least; add more"
        )
    return known


def triples_of(rows: pa.Table | pa.RecordBatch) -> list[Triple]:
    """Return candidates as triples; a missing part is an empty phrase."""
    missing = [column for column in COLUMNS if column not in rows.schema.names]
    if missing:
        raise CriticError(
            f"the rows have no column {missing[0]!r}; the knowledge-base critic reads it"
        )
    columns = (rows.column(name).to_pylist() for name in COLUMNS)
    return [(_text(h), _text(r), _text(t)) for h, r, t in zip(*columns, strict=True)]


def _whole(row: Mapping[str, Any], where: str) -> Triple:
    for column in _VERDICTS:
        if verdict_of(row.get(column)) in (REJECT, UNSURE):
            raise CriticError(
                f"{where}: {column!r} is {row[column]!r}, but every row of this file counts as"
                " true; leave out those that are not"
            )
    texts = [text_cell(row[column], where, column) or "" for column in COLUMNS]
    for column, text in zip(COLUMNS, texts, strict=True):
        if not text.strip():
            raise CriticError(
                f"{where}: the {column} is empty; a known triple needs all three, fill or remove it"
            )
    head, relation, tail = texts
    return head, relation, tail


def _text(value: Any) -> str:
    return "" if value is None else str(value)
