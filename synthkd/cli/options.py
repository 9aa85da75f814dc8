"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthkd.reporting.safe_text import json_text

if TYPE_CHECKING:
    from synthkd.commands.export import RowChoice

Formulas = Annotated[
    bool,
    typer.Option(
        "--formulas", help="Write texts that a spreadsheet takes for formulas into CSV as they are."
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object in place of the text.")]
Columns = Annotated[
    str | None,
    typer.Option(metavar="NAME,NAME", help="Columns, with commas between.", show_default=False),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="CONDITION",
        help="Only rows that keep to a condition as in SQL: \"relation = 'IsA' and score < 0.3\".",
        show_default=False,
    ),
]
Accepted = Annotated[bool, typer.Option("--accepted", help="Accepted rows. With --rejected, both.")]
Rejected = Annotated[bool, typer.Option("--rejected", help="Rejected rows.")]


def emit(value: Mapping[str, Any], text: object, as_json: bool) -> None:
    """Print a report on standard output: as one JSON object, or as text."""
    typer.echo(json_text(value, indent=1) if as_json else str(text))


def row_choice(
    accepted: bool,
    rejected: bool,
    where: str | None,
    columns: str | None,
    limit: int | None,
) -> RowChoice:
    """Return the rows that the options ask for: the accepted ones unless they say otherwise."""
    from synthkd.commands.export import RowChoice

    splits = [
        name for name, wanted in (("accepted", accepted), ("rejected", rejected)) if wanted
    ] or ["accepted"]
    names = None if columns is None else tuple(name.strip() for name in columns.split(","))
    return RowChoice(tuple(splits), where, names, limit)


def key_values(flag: str, help: str) -> Any:
    """Declare an option that may be given several times, each a ``KEY=VALUE``."""
    return typer.Option(flag, metavar="KEY=VALUE", help=help, show_default=False)


def read_options(changes: list[str], flag: str = "--option") -> dict[str, Any]:
    """Read options given as ``KEY=VALUE``; values are YAML, and keys may be dotted paths.

    Raises:
        RecipeError: An option is malformed; the message names ``flag``.
    """
    from synthkd.errors import RecipeError
    from synthkd.recipe.validation_errors import override

    options: dict[str, Any] = {}
    for change in changes:
        try:
            override(options, change)
        except RecipeError as error:
            # The recipe's own option of the program is another one.
            raise RecipeError(str(error).replace("--set", flag, 1)) from None
    return options


def check_share(flag: str, value: float) -> None:
    """Refuse a share that is not strictly between 0 and 1."""
    from synthkd.errors import InputError

    if not 0 < value < 1:
        raise InputError(f"{flag} is {value:g}; it must lie between 0 and 1")
