"""Arguments of the verbs of `synthkd critic`; kind, label sheet and options made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthkd.cli.options import key_values, read_options
from synthkd.reporting.safe_text import clean

if TYPE_CHECKING:
    from synthkd.critics.labels import LabelSheet
    from synthkd.kinds.base import Kind

KindName = Annotated[str, typer.Option(help="The kind of knowledge.")]
KindOfCritic = Annotated[
    str | None,
    typer.Option(
        "--kind", help="The kind of knowledge. Default: the critic's.", show_default=False
    ),
]
KindOptions = Annotated[
    list[str] | None,
    key_values("--kind-option", "`relations`, `several` or an option of the kind, as in a recipe's"
        " `kind`. Default: the critic's."),
]  # fmt: skip
Labels = Annotated[
    Path, typer.Argument(help="Label sheet: CSV, JSONL or Parquet.", show_default=False)
]
Folder = Annotated[Path, typer.Argument(help="Folder of a critic.", show_default=False)]
Column = Annotated[str, typer.Option(help="Column of the verdict.")]
TargetPrecision = Annotated[
    float, typer.Option(help="Target precision, above 0 and below 1, to show a threshold for.")
]
CriticOptions = Annotated[
    list[str] | None,
    key_values("--option", "What the critic's folder does not hold: `teacher.…`, `journal` and"
        " `limits.…` of a judge, `encoder`."),
]  # fmt: skip
BaseUrl = Annotated[
    str | None,
    typer.Option(
        help="Server of a judge's model. A critic's folder never names it.", show_default=False
    ),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--api-key-env", help="Environment variable of the server's key.", show_default=False
    ),
]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        help="Where a judge's replies are kept. Default: judge.sqlite here.",
        show_default=False,
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="Folder or hub name of a frozen encoder that is not beside the critic.",
        show_default=False,
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN|none",
        help="Column whose groups of rows stay on one side of the split and count as clustered;"
        " `none`: each row alone. Default: the kind's own, or the critic's.",
        show_default=False,
    ),
]
Merge = Annotated[
    str, typer.Option(help="How several annotators are merged: `majority` or `dawid-skene`.")
]


def load_options(
    option: list[str] | None,
    base_url: str | None = None,
    api_key_env: str | None = None,
    journal: Path | None = None,
    encoder: str | None = None,
) -> dict[str, Any]:
    """Collect the options of a critic's `load`: server, journal, encoder."""
    options = read_options(option or [])
    for name, value in (("base_url", base_url), ("api_key_env", api_key_env)):
        if value is not None:
            options.setdefault("teacher", {})[name] = value
    options |= {
        name: str(value)
        for name, value in (("journal", journal), ("encoder", encoder))
        if value is not None
    }
    return options


def options_taken(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Select, of the options for several critics, those that this one takes."""
    from synthkd import plugins
    from synthkd.critics.folder import read_facts
    from synthkd.critics.options import OF_MEMBERS

    takes = plugins.find("critics", read_facts(folder).critic).load_options
    return {name: value for name, value in options.items() if name in takes or OF_MEMBERS in takes}


def group_column(critic: Path, group: str | None = None) -> str | None:
    """Choose the group column: the given one, or the one that divided the critic's rows."""
    from synthkd.critics.folder import read_facts

    if group is None:
        own = read_facts(critic).read.get("group")
        group = own if isinstance(own, str) else None
    return group


def kind_from_options(name: str, options: Mapping[str, Any]) -> Kind:
    """Make a kind from options of the command line; see `kind_with_options`."""
    from synthkd.kinds.factory import kind_with_options

    return kind_with_options(name, options, "--kind-option")


def kind_of_critic(critic: Path, name: str | None, options: list[str] | None) -> Kind:
    """Make the kind that a critic was trained for, unless the user names another."""
    from synthkd.critics.folder import read_facts

    given = read_options(options or [], "--kind-option")
    if name is not None and not (critic / "facts.json").is_file():
        return kind_from_options(name, given)
    facts = read_facts(critic)
    kept = facts.kind_options if name in (None, facts.kind) else {}
    return kind_from_options(name or facts.kind, {**kept, **given})


def read_label_sheet(
    path: Path,
    kind: Kind,
    label: str,
    held_out: float,
    merge: str = "majority",
    seed: int = 0,
    group: str | None = None,
    max_rows: int | None = None,
) -> LabelSheet:
    """Read a label sheet and report the rows that were left out."""
    from synthkd.critics.labels import MAX_ROWS, read_labels

    sheet = read_labels(
        path, kind, label=label, held_out=held_out, seed=seed, merge=merge, group=group,
        max_rows=max_rows or MAX_ROWS,
    )  # fmt: skip
    if sheet.sampled_from:
        typer.echo(
            f"a sample of {max_rows or MAX_ROWS:,} distinct rows of {sheet.sampled_from:,}"
            + (" (--max-rows)" if max_rows else ""),
            err=True,
        )
    for conflict in sheet.conflicts:
        typer.echo(f"left out, labelled both ways: {clean(conflict)}", err=True)
    for leak in sheet.leaks:
        typer.echo(
            f"left out of training, near-duplicate of a held-out row: {clean(leak)}", err=True
        )
    for count, what in (
        (sheet.unsure, "left out, unsure or tied"),
        (sheet.unlabelled, "without a verdict yet"),
        (sheet.unweighed, "left out, of unknown weight in a group with held-out rows"),
        (sheet.repeated, "given more than once by one annotator, joined"),
    ):
        if count:
            typer.echo(f"{what}: {count:,} rows", err=True)
    if sheet.agreement is not None:
        typer.echo(
            f"{len(sheet.annotators)} annotators, Krippendorff's alpha {sheet.agreement:.3f}",
            err=True,
        )
    return sheet
