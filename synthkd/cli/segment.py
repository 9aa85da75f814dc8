"""`synthkd segment`: documents in, propositions out.

The verb makes a recipe and runs it; the journal of the run keeps every completion.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def segment(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Documents: .txt, .md, .rst, a folder of these, or rows with `text` (JSONL, CSV,"
            " Parquet).",
            show_default=False,
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of a model at a server, or a checkpoint folder. Default: the embedded"
            " teacher.",
            show_default=False,
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="Address of an OpenAI-compatible server, up to /v1.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a .jsonl or .parquet file. Default: JSON lines to stdout.",
            show_default=False,
        ),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(help="Write the outcome of every sentence as JSON lines.", show_default=False),
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option(
            min=1, help="Sentences read together. Default: 5, embedded 2.", show_default=False
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Segmentations of each chunk.")] = 1,
    agreement: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of the segmentations that must agree."),
    ] = 0.0,
    sentences: Annotated[
        str, typer.Option(help="`sentencizer`, or an installed spaCy model such as en_core_web_sm.")
    ] = "sentencizer",
    template: Annotated[
        str | None, typer.Option(help="Another prompt template.", show_default=False)
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a value of the recipe.", show_default=False
        ),
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder of the journal and the run.")] = Path(
        "synthkd-segment"
    ),
    workers: Annotated[int, typer.Option(min=1, help="Processes that do the work.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Cut documents into propositions: one claim each, with the place of its sentence.

    Output: a JSON line for each proposition, unless --out is given; a summary on standard
    error.
    """
    from synthkd import pipeline
    from synthkd.commands import segment as parts
    from synthkd.errors import RecipeError

    if base_url and not model:
        raise RecipeError("--base-url needs --model: the name of the model at that server")
    parts.check_output_file(out, parts.OUT)
    parts.check_output_file(outcomes, (".jsonl",))
    documents = parts.gather(files, work)
    recipe = parts.make_recipe(
        work, documents, model, base_url, chunk, samples, agreement, sentences, template, set_ or []
    )
    result = pipeline.run(recipe, quiet, workers)
    parts.write_rows(result.corpus, out)
    if outcomes is not None or not quiet:
        parts.report(recipe, documents, outcomes, quiet)
