"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Formulas = Annotated[
    bool,
    typer.Option(
        "--formulas", help="Write texts that a spreadsheet takes for formulas into CSV as they are."
    ),
]
