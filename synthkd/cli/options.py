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
