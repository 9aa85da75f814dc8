"""`synthkd graphs`: compare graphs of triples with gold graphs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from synthkd.corpora.graph_metrics import GraphTriple

_PARTS = ("head", "relation", "tail")


def graphs(
    gold: Annotated[
        Path,
        typer.Argument(
            help="Gold triples: CSV, JSONL, Parquet or a corpus, with the columns `head`,"
            " `relation`, `tail` and that of `--by`.",
            show_default=False,
        ),
    ],
    predicted: Annotated[
        Path, typer.Argument(help="Triples to compare with them.", show_default=False)
    ],
    scorer: Annotated[
        str,
        typer.Option(
            help="What says how alike two triples are: `exact`, `words`, an encoder (BERTScore), or"
            " `vector:` and an encoder."
        ),
    ] = "words",
    by: Annotated[str, typer.Option(help="Column of the documents.")] = "document_id",
    covered_at: Annotated[
        float, typer.Option(min=0, max=1, help="Likeness above which a gold triple is covered.")
    ] = 0.88,
) -> None:
    """Compare graphs with gold graphs: exact, by best one-to-one match, and coverage.

    Output: a table of figures, which name their scorer.
    """
    from synthkd.corpora.graph_metrics import score_graphs, triple_scorer_named
    from synthkd.reporting.tables import text_table

    scores = score_graphs(
        _read(gold, by), _read(predicted, by), triple_scorer_named(scorer), covered_at
    )
    typer.echo(text_table(scores.rows(), left=1))
    if scores.without_gold:
        typer.echo(
            f"left out, of documents without gold: {scores.without_gold:,} triples", err=True
        )


def _read(path: Path, by: str) -> dict[str, list[GraphTriple]]:
    """Read the triples of each document."""
    from synthkd.students.rows import located_rows, row_text

    triples: dict[str, list[GraphTriple]] = {}
    for number, (where, row) in enumerate(located_rows(path)):
        document, head, relation, tail = (
            row_text(row, column, where, path, number) for column in (by, *_PARTS)
        )
        triples.setdefault(document, []).append((head, relation, tail))
    return triples
