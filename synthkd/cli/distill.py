"""`synthkd distill`: the student steers the teacher, round by round."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from synthkd.cli.options import key_values


def distill_command(
    recipe: Annotated[Path, typer.Argument(help="The recipe, with a `loop`.", show_default=False)],
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Rounds at most.", show_default=False)
    ] = None,
    set_: Annotated[
        list[str] | None,
        key_values("--set", "Change a value of the recipe, such as loop.rows=64."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check everything, train the first student, show what would be asked; send"
            " nothing.",
        ),
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Dollars that all rounds may cost, over all resumptions.",
            show_default=False,
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens",
            min=1,
            help="Tokens that may be read and written, over all rounds and resumptions.",
            show_default=False,
        ),
    ] = None,
    grace: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Seconds that requests in flight are waited for after Ctrl-C, SIGTERM or SIGHUP.",
            show_default="30",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Train a student in rounds: its errors decide what the teacher writes next; keep the best.

    Output: a line for each round on standard error; at the end a table of the rounds, and the
    folders of student, corpus and report.
    """
    from synthkd.recipe import Recipe

    options = {
        "loop.rounds": rounds,
        "limits.dollars": budget,
        "limits.tokens": max_tokens,
        "limits.grace": grace,
    }
    changes = [f"{key}={json.dumps(value)}" for key, value in options.items() if value is not None]
    loaded = Recipe.load(recipe, [*(set_ or []), *changes])
    if dry_run:
        from synthkd.commands.dry_run import dry_run as dry
        from synthkd.commands.dry_run import dry_run_steps
        from synthkd.loops.dry_run import first_round

        with first_round(loaded) as first:
            typer.echo(first.description)
            if first.recipe is not None:
                has_steps = first.recipe.steps is not None
                typer.echo(str((dry_run_steps if has_steps else dry)(first.recipe)))
        return
    from synthkd.loops.engine import distill as run

    done = run(loaded, quiet)
    typer.echo(str(done))
    if any(one.corpora for one in done.rounds):
        from synthkd.pipeline import check_guarantee

        check_guarantee(done.corpus.manifest.get("critic"), loaded.corpus_path)
