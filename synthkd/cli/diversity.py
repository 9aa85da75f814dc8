"""`synthkd diversity`: diversity of a corpus stage by stage, or of several corpora."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def diversity(
    corpora: Annotated[
        list[Path], typer.Argument(help="A corpus, or several to compare.", show_default=False)
    ],
) -> None:
    """Show a corpus's diversity after each stage and the critic's cost, or compare corpora.

    Output: a table with a column for each stage or corpus.
    """
    from synthkd.corpora.diversity import compare_corpora, cost_sentence, diversity_rows
    from synthkd.corpora.read import load_corpus
    from synthkd.reporting.tables import text_table

    opened = [load_corpus(path) for path in corpora]
    if len(opened) == 1:
        figures = opened[0].diversity
    else:
        figures = compare_corpora([corpus.path for corpus in opened])
    if not figures["rows_compared"]:
        typer.echo(
            "nothing to compare: no row was " + ("parsed" if len(opened) == 1 else "accepted")
        )
        return
    typer.echo(text_table(diversity_rows(figures)))
    typer.echo(f"texts compared on {figures['rows_compared']:,} rows of each")
    if cost := cost_sentence(figures):
        typer.echo(cost)
