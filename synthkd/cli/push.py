"""`synthkd push`: a corpus, a student or a critic to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def push_command(
    path: Annotated[
        Path,
        typer.Argument(help="Folder of a corpus, a student or a critic.", show_default=False),
    ],
    repository: Annotated[
        str,
        typer.Argument(
            metavar="REPO", help="OWNER/NAME on the hub; made if not there.", show_default=False
        ),
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    split_rejected: Annotated[
        bool,
        typer.Option("--split-rejected", help="Send rejected rows to a repository of their own."),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check a folder, then send it to the Hugging Face hub in one commit; resumable.

    Refused: a card without licence or language, rows without an outcome, a withdrawn guarantee, a
    private address, a path of this machine or a key.

    Output: the repository and its revision.
    """
    from dataclasses import asdict

    from synthkd.commands.push import push
    from synthkd.reporting.safe_text import clean, json_text

    done = push(path, repository, private, split_rejected)
    if json_:
        typer.echo(json_text(asdict(done)))
        return
    for one in (done, done.rejected):
        if one is not None:
            typer.echo(
                clean(f"{one.repository} ({one.kind}): {one.files} files, revision {one.revision}")
            )
