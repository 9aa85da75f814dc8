"""`synthkd export`: chosen rows of a corpus as CSV, JSON lines or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthkd.cli.options import Accepted, AsJson, Columns, Formulas, Rejected, Where, emit
from synthkd.cli.options import row_choice as choice_of


def export_command(
    path: Annotated[Path, typer.Argument(help="A corpus, or a recipe.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="File to write: .csv, .jsonl or .parquet; `-`: standard output.",
        ),
    ] = Path("-"),
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, jsonl or parquet.",
            show_default="by the file's name; jsonl on standard output",
        ),
    ] = None,
    accepted: Accepted = False,
    rejected: Rejected = False,
    where: Where = None,
    columns: Columns = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Rows at most.", show_default=False)
    ] = None,
    formulas: Formulas = False,
    as_json: AsJson = False,
) -> None:
    """Write the rows of a corpus, all of them or those that a condition keeps.

    Output: the rows, unless --out names a file; their number and the file.
    """
    from synthkd.commands.export import STDOUT, corpus_at, export_rows
    from synthkd.errors import InputError

    if as_json and out == STDOUT:
        raise InputError(
            "--json reports where the rows go, standard output; name a file with --out"
        )
    choice = choice_of(accepted, rejected, where, columns, limit)
    count = export_rows(corpus_at(path), choice, out, format_, formulas)
    if out == STDOUT:
        typer.echo(f"{count:,} {'row' if count == 1 else 'rows'}", err=True)
        return
    emit({"file": str(out), "rows": count}, f"{count:,} rows written to {out}", as_json)
