"""The verbs of `synthkd batches`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthkd.reporting.safe_text import clean

if TYPE_CHECKING:
    from synthkd.teachers.batch.open_batches import OpenBatch

app = typer.Typer(
    help="Look at the batches that a run has left with a provider, or cancel them.",
    no_args_is_help=True,
)

RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", show_default=False)]


@app.command("list")
def batches_list(recipe: RecipePath) -> None:
    """Show the open batches of a run, and how they stand at the provider.

    Output: a line for each batch: its requests, and how many are done.
    """
    _show(recipe, cancel=False)


@app.command("cancel")
def batches_cancel(recipe: RecipePath) -> None:
    """Cancel the open batches of a run.

    What is done by then is paid for: the next run collects it.

    Output: a line for each batch: its requests, and how many are done.
    """
    _show(recipe, cancel=True)


def _show(path: Path, cancel: bool) -> None:
    from synthkd import plugins
    from synthkd.errors import RecipeError
    from synthkd.journal import Journal
    from synthkd.recipe import Recipe
    from synthkd.teachers.batch.open_batches import cancel_open_batches, open_batch_states

    recipe = Recipe.load(path)
    backend = recipe.teacher.backend
    found = plugins.find("backends", backend, recipe.folder)
    if not found.keeps_batches:
        raise RecipeError(f"{path}: teacher.backend is {backend!r}, which submits no batches")
    with Journal(recipe.journal_path, must_exist=True) as journal:
        states = asyncio.run(
            (cancel_open_batches if cancel else open_batch_states)(
                found.from_recipe(recipe), journal, recipe.name
            )
        )
    for state in states:
        typer.echo(_line(state))
    if not states:
        typer.echo(f"{recipe.name}: no open batch")


def _line(state: OpenBatch) -> str:
    failed = f", {state.failed:,} failed" if state.failed else ""
    name, status = clean(state.batch.batch_id or state.batch.token), clean(state.status)
    return f"{name}  {status}  {state.done:,} of {state.total:,} done{failed}"
