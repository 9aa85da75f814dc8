"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Formulas = Annotated[
    bool,
    typer.Option(
        "--formulas", help="Write texts that a spreadsheet takes for formulas into CSV as they are."
    ),
]


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
