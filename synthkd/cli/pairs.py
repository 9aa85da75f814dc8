"""`synthkd pairs`: pairs of things worth comparing, from a list."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer

from synthkd.cli.options import Formulas
from synthkd.reporting.safe_text import csv_line, raw_stream, to_cell


def pairs(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Things, one in each row (CSV, TSV, JSONL or Parquet).",
            show_default=False,
        ),
    ],
    by: Annotated[
        str,
        typer.Option(help="category (sisters under one parent), similar (neighbours) or random."),
    ] = "category",
    n: Annotated[int, typer.Option("-n", min=1, help="How many pairs at most.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="Column of the names.", show_default="name, entity, head …")
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(
            help="Column of the categories; a cell may hold several, with | between.",
            show_default="category, parent, class …",
        ),
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="Folder or hub name of an encoder, for --by similar.",
            show_default="TF-IDF of the row's text",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="CSV file to write, left,right.", show_default="standard output"
        ),
    ] = None,
    formulas: Formulas = False,
) -> None:
    """Make pairs to compare from a list of things. No pair comes twice, in either order.

    Output: the pairs as CSV, unless --out is given; their number on standard error.
    """
    from synthkd.commands.pairs import make_pairs, read_things
    from synthkd.errors import InputError
    from synthkd.rows import read_rows
    from synthkd.storage import storage_errors

    if out is not None and out.exists():
        raise InputError(f"{out} already exists; name another file, or remove it")
    if out is not None and not out.parent.is_dir():
        raise InputError(f"{out}: no such folder {str(out.parent)!r}")
    rows = [row for batch in read_rows(path) for row in batch]
    things = read_things(rows, name, category, by == "category")
    drawn = make_pairs(things, by, n, seed, embedder)
    if out is None:
        # Exact in a pipe, clean on a terminal.
        _write(sys.stdout if sys.stdout.isatty() else raw_stream(sys.stdout), drawn, formulas)
    else:
        with storage_errors(out), out.open("w", encoding="utf-8", newline="") as file:
            _write(file, drawn, formulas)
    fewer = "" if len(drawn) == n else f" (no more exist; {n:,} were requested)"
    typer.echo(f"{len(drawn):,} pairs of {len(things):,} things{fewer}", err=True)


def _write(file: TextIO, drawn: list[tuple[str, str]], formulas: bool) -> None:
    rows = [("left", "right"), *drawn]
    file.writelines(csv_line(to_cell(name, formulas) for name in row) for row in rows)
