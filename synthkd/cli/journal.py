"""The verbs of `synthkd journal`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from synthkd.cli.options import AsJson, emit

app = typer.Typer(
    help="Look into a journal, export it, import another's rows.", no_args_is_help=True
)

JournalPath = Annotated[
    Path, typer.Argument(help="The journal, a SQLite file.", show_default=False)
]


@app.command("info")
def journal_info(path: JournalPath, as_json: AsJson = False) -> None:
    """Count completions, failures, and requests left in flight by a process that ended.

    Output: requests, completions, failures, samples in flight and cost, one on a line; with
    --json the same by name.
    """
    from synthkd.journal import Journal

    with Journal(path, read_only=True) as journal:
        counts = journal.counts()
    cost = "unknown" if counts.price is None else f"${counts.price:,.4f}"
    emit(
        {
            "requests": counts.requests,
            "completions": counts.completions,
            "failures": counts.failures,
            "in_flight": counts.in_flight,
            "cost": counts.price,
        },
        f"requests {counts.requests:,}\ncompletions {counts.completions:,}\nfailures"
        f" {counts.failures:,}\n"
        f"in flight {counts.in_flight:,}\ncost {cost}",
        as_json,
    )


@app.command("list")
def journal_list(
    path: JournalPath,
    table: Annotated[
        str, typer.Option(help="completions, failures, flights or requests.")
    ] = "completions",
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 20,
) -> None:
    """Print rows as JSON lines.

    Output: A JSON line for each row.
    """
    from itertools import islice

    from synthkd.journal import Journal
    from synthkd.reporting.safe_text import json_text

    with Journal(path, read_only=True) as journal:
        for row in islice(journal.rows(table), limit):
            typer.echo(json_text(row))


@app.command("export")
def journal_export(
    path: JournalPath,
    out: Annotated[Path, typer.Argument(help="A Parquet file.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Write all completions, with what was sent, to a Parquet file.

    Output: one line with the number of completions, and the file.
    """
    from synthkd.journal.exchange import export_parquet

    count = export_parquet(path, out)
    emit(
        {"file": str(out), "completions": count},
        f"{count:,} completions written to {out}",
        as_json,
    )


@app.command("import")
def journal_import(
    path: JournalPath,
    source: Annotated[Path, typer.Argument(help="A Parquet file of `export`.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Take in completions that another journal exported; those already here stay as they are.

    A row whose key does not match what it says was asked, or with an impossible value, is left out
    and counted.

    Output: one line with new completions, and those that were there; rows that were left out
    on standard error.
    """
    from synthkd.journal.exchange import import_parquet

    done = import_parquet(path, source)
    if reasons := done.reasons():
        typer.echo(reasons, err=True)
    existing = f", {done.existing:,} were here already" if done.existing else ""
    emit(
        {"journal": str(path), "new": done.new, "existing": done.existing},
        f"{done.new:,} new completions in {path}{existing}",
        as_json,
    )


@app.command("retry")
def journal_retry(path: JournalPath, as_json: AsJson = False) -> None:
    """Forget recorded failures, so that the next run asks again.

    Output: one line with the number of failures that were forgotten.
    """
    from synthkd.journal import Journal

    with Journal(path, must_exist=True) as journal:
        count = journal.forget_failures()
    emit(
        {"journal": str(path), "forgotten": count},
        f"{count:,} failures forgotten; the next run asks again",
        as_json,
    )


@app.command("spending")
def journal_spending(
    path: JournalPath,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what each run has spent, has reserved, and was charged for attempts of unknown cost.

    Output: a table with a line for each run; with --json the same as JSON.
    """
    from dataclasses import asdict

    from synthkd.journal import Journal
    from synthkd.reporting.safe_text import clean, json_text

    with Journal(path, read_only=True) as journal:
        spending = {run: journal.spending(run) for run in journal.runs()}
    if as_json:
        typer.echo(json_text({run: asdict(spent) for run, spent in spending.items()}, indent=1))
        return
    spending = {clean(run): spent for run, spent in spending.items()}
    width = max([len("run"), *map(len, spending)])
    typer.echo(f"{'run':<{width}}  {'spent':>24}  {'reserved':>24}  {'unknown cost':>24}")
    for run, spent in spending.items():
        cells = (
            (spent.dollars, spent.tokens),
            (spent.in_flight_dollars, spent.in_flight_tokens),
            (spent.unknown_dollars, spent.unknown_tokens),
        )
        row = "  ".join(f"{f'${dollars:,.4f}, {tokens:,} tok':>24}" for dollars, tokens in cells)
        typer.echo(f"{run:<{width}}  {row}")
    if any(spent.unknown_tokens or spent.unknown_dollars for spent in spending.values()):
        typer.echo(
            "unknown cost: attempts that may have been billed (timeouts, broken connections, killed"
            " processes) count in full; compare with the provider's bill, then `synthkd journal"
            " settle JOURNAL RUN`"
        )


@app.command("settle")
def journal_settle(
    path: JournalPath,
    run: Annotated[
        str, typer.Argument(help="The run, as `spending` names it.", show_default=False)
    ],
    dollars: Annotated[
        float,
        typer.Option(
            min=0.0, help="What the attempts of unknown cost did cost, by the provider's bill."
        ),
    ] = 0.0,
    tokens: Annotated[int, typer.Option(min=0, help="Tokens that they did come to.")] = 0,
) -> None:
    """Replace the charge for a run's attempts of unknown cost by their real cost.

    Output: one line with the charge before and the real cost.
    """
    from synthkd.journal import Journal

    with Journal(path, must_exist=True) as journal:
        before = journal.settle(run, dollars, tokens)
    typer.echo(
        f"{run}: ${before.unknown_dollars:,.4f} and {before.unknown_tokens:,} tokens of unknown"
        f" cost are now ${dollars:,.4f} and {tokens:,} tokens"
    )


@app.command("copy")
def journal_copy(
    path: JournalPath,
    out: Annotated[Path, typer.Argument(help="A new file.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Copy a journal to a new file, also during a run.

    (The SQLite file alone may lack what its log holds.)

    Output: one line with the number of completions, and the file.
    """
    from synthkd.journal import Journal

    # Writable if possible: a run that begins meanwhile and this copy wait for each other.
    with Journal(path, must_exist=True, read_only=not os.access(path.parent, os.W_OK)) as journal:
        journal.copy(out)
        count = journal.counts().completions
    emit(
        {"file": str(out), "completions": count}, f"{count:,} completions copied to {out}", as_json
    )
