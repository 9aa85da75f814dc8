"""The verbs of `synthkd journal`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look into a journal, export it, import another's rows.", no_args_is_help=True)

JournalPath = Annotated[Path, typer.Argument(help="The journal, a SQLite file.", show_default=False)]


@app.command()
def info(path: JournalPath) -> None:
    """Count what is in hand, failed and was in flight when a process ended."""
    from synthkd.journal import Journal

    with Journal(path, must_exist=True) as journal:
        counts = journal.counts()
    cost = "unknown" if counts.price is None else f"${counts.price:,.4f}"
    typer.echo(
        f"requests {counts.requests:,}\ncompletions {counts.completions:,}\nfailures {counts.failures:,}\n"
        f"in flight {counts.in_flight:,}\ncost {cost}"
    )


@app.command("list")
def list_(
    path: JournalPath,
    table: Annotated[str, typer.Option(help="completions, failures, flights or requests.")] = "completions",
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 20,
) -> None:
    """Print rows as JSON lines."""
    import json
    from itertools import islice

    from synthkd.journal import Journal

    with Journal(path, must_exist=True) as journal:
        for row in islice(journal.rows(table), limit):
            typer.echo(json.dumps(row, ensure_ascii=False))


@app.command("export")
def export_(
    path: JournalPath,
    out: Annotated[Path, typer.Argument(help="A Parquet file.", show_default=False)],
) -> None:
    """Write all completions, with what was sent, to a Parquet file."""
    from synthkd.journal_io import export_parquet

    typer.echo(f"{export_parquet(path, out):,} completions written to {out}")


@app.command("import")
def import_(
    path: JournalPath,
    source: Annotated[Path, typer.Argument(help="A Parquet file of `export`.", show_default=False)],
) -> None:
    """Take in completions that another journal exported; those already here stay as they are."""
    from synthkd.journal_io import import_parquet

    typer.echo(f"{import_parquet(path, source):,} new completions in {path}")


@app.command()
def retry(path: JournalPath) -> None:
    """Forget recorded failures, so that the next run asks again."""
    from synthkd.journal import Journal

    with Journal(path) as journal:
        typer.echo(f"{journal.forget_failures():,} failures forgotten; the next run asks again")
