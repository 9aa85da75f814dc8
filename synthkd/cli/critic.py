"""The verbs of `synthkd critic`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train a critic from a label sheet; score rows with one.", no_args_is_help=True)

KindName = Annotated[str, typer.Option(help="The kind of knowledge.")]


@app.command()
def train(
    labels: Annotated[Path, typer.Argument(help="Label sheet: CSV, JSONL or Parquet.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder of the critic.", show_default=False)],
    kind: KindName = "triple",
    label: Annotated[str, typer.Option(help="Column of the verdict.")] = "label",
    held_out: Annotated[float, typer.Option(help="Share of groups kept for the threshold.")] = 0.3,
    precision: Annotated[float, typer.Option(help="Precision to show a threshold for.")] = 0.9,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
) -> None:
    """Train a critic and show what it can promise."""
    from synthkd.critics.labels import read_labels
    from synthkd.critics.train import train_critic
    from synthkd.plugins import find

    made = find("kinds", kind)()
    sheet = read_labels(labels, made, label=label, held_out=held_out, seed=seed)
    for conflict in sheet.conflicts:
        typer.echo(f"left out, labelled both ways: {conflict}", err=True)
    trained = train_critic(made, sheet, out=out)
    facts = trained.facts()
    typer.echo(f"{out}: AUC {facts['auc']:.3f} on {facts['held_out_rows']:,} held-out labels")
    typer.echo(trained.threshold(precision, 0.95).sentence())


@app.command()
def score(
    critic: Annotated[Path, typer.Argument(help="Folder of a critic.", show_default=False)],
    rows: Annotated[
        Path,
        typer.Argument(
            help="Rows with the kind's columns: CSV, JSONL, Parquet or a corpus.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Argument(help="A Parquet file: the rows and their `score`.", show_default=False)
    ],
    kind: KindName = "triple",
) -> None:
    """Give each row a probability of being valid."""
    from synthkd.critics.score import score_file
    from synthkd.plugins import find

    typer.echo(f"{score_file(critic, rows, out, find('kinds', kind)()):,} rows scored into {out}")
