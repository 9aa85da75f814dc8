"""The verbs of `synthkd student`."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthkd.cli.options import Formulas, read_options
from synthkd.reporting.safe_text import clean, json_text

if TYPE_CHECKING:
    from synthkd.students.train import TrainedStudent, TrainingRequest

app = typer.Typer(
    help="Train a student on a corpus; evaluate, use and export it.", no_args_is_help=True
)

Folder = Annotated[
    Path, typer.Argument(help="Folder of a student, or of an exported one.", show_default=False)
]
Text = Annotated[str, typer.Option(help="Column of the text.")]
Label = Annotated[str, typer.Option(help="Column of the label.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads of an exported student.", show_default=False)
]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="Folder or hub name of the frozen encoder of a student on embeddings, if it is not"
        " beside the student.",
        show_default=False,
    ),
]


@app.command("train")
def student_train(
    source: Annotated[
        Path,
        typer.Argument(
            help="A corpus, labelled rows (CSV, JSONL, Parquet), or a recipe (YAML), which names"
            " its corpus and student.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Argument(help="Folder of the student. Default: the recipe's.", show_default=False),
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(
            help="Which student: linear, encoder, generator, tagger. Default: the recipe's, or"
            " linear.",
            show_default=False,
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="KEY=VALUE", help="An option of that student.", show_default=False
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(help="Rows that decide when to stop, and calibrate.", show_default=False),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="Rows that are only measured.", show_default=False)
    ] = None,
    text: Text = "text",
    label: Label = "label",
    kind: Annotated[
        str | None,
        typer.Option(
            help="Kind of the rows, for a student that writes text; a corpus says its own.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Seed of the training. Default: the recipe's, or 0.", show_default=False
        ),
    ] = None,
) -> None:
    """Train a student, evaluate it and write its folder.

    Output: the figures on test or validation rows, and one line on the training.
    """
    from synthkd.students.train import train_student

    request = _training(source, out, student, read_options(option or []), seed)
    changes: dict[str, Any] = {
        "validation": validation,
        "test": test,
        "text": text,
        "label": label,
        "kind": kind,
    }
    # What a student leaves out is told in one line, without the place in the code.
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: typer.echo(clean(message), err=True)
        done = train_student(replace(request, **changes))
    manifest = done.manifest
    for name, count in done.repeated.items():
        typer.echo(
            f"{clean(name)}: {count:,} rows stand among the training rows too; they tell nothing of"
            " new texts",
            err=True,
        )
    _show(done)
    sampled = f", a sample of {manifest['sampled_from']:,}" if "sampled_from" in manifest else ""
    typer.echo(
        f"{request.out}: {request.student}, {manifest['rows']:,} rows{sampled},"
        f" {manifest['training_seconds']:,.1f} s"
    )


def _show(done: TrainedStudent) -> None:
    """Print the figures on the test or validation rows."""
    figures = done.manifest["figures"]
    if not figures:
        return
    # The same rows decided something: the card says so too.
    used = (
        ", which also stopped or calibrated the training" if figures["on"] == "validation" else ""
    )
    on = f"on the {figures['on']} rows{used}:"
    if done.evaluation is not None:
        typer.echo(f"{on}\n{done.evaluation}\n")
    else:
        typer.echo(f"{on} loss {figures['loss']:.3f} nats a token")


@app.command("eval")
def student_eval(
    folder: Folder,
    rows: Annotated[
        Path,
        typer.Argument(
            help="Labelled rows, or texts with spans: CSV, JSONL, Parquet or a corpus.",
            show_default=False,
        ),
    ],
    text: Text = "text",
    label: Label = "label",
    threads: Threads = None,
    encoder: Encoder = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Evaluate a student: on labelled rows, texts with spans, or a generator's kind of rows.

    Output: a table of figures, or JSON with --json.
    """
    from synthkd.students.base import SpanStudent, TextStudent, check_known_labels
    from synthkd.students.folders import load_student
    from synthkd.students.metrics import evaluate_classifier, evaluate_spans
    from synthkd.students.rows import read_labelled_texts
    from synthkd.students.serve import learnt_by, open_classifier
    from synthkd.students.span_rows import read_tagged_texts
    from synthkd.students.train import generator_figures, read_row_list
    from synthkd.students.training_hashes import kind_row_hashes, text_hashes

    learnt = learnt_by(folder)
    if learnt == "text":
        student, held_out = load_student(folder, encoder), read_row_list(rows)
        assert isinstance(student, TextStudent)
        figures = generator_figures(student, held_out)
        hashes = kind_row_hashes(held_out, student.kind)
        figures["trained_on"] = _tell_seen(rows, hashes, student.training_hashes)
        summary = f"loss {figures['loss']:.3f} nats a token on {figures['rows']:,} rows"
        typer.echo(json_text(figures, indent=1) if as_json else summary)
        return
    if learnt == "spans":
        tagger, tagged = load_student(folder, encoder), read_tagged_texts(rows, text)
        assert isinstance(tagger, SpanStudent)
        of_spans = evaluate_spans(tagged.spans, tagger.spans(tagged.texts))
        seen = _tell_seen(rows, text_hashes(tagged.texts), tagger.training_hashes)
        as_dict = of_spans.as_dict() | {"trained_on": seen}
        typer.echo(json_text(as_dict, indent=1) if as_json else str(of_spans))
        return
    model, given = open_classifier(folder, threads, encoder), read_labelled_texts(rows, text, label)
    check_known_labels(given.labels, model.classes, str(rows))
    evaluation = evaluate_classifier(model.probabilities(given.texts), given.labels, model.classes)
    seen = _tell_seen(rows, text_hashes(given.texts), model.training_hashes)
    typer.echo(
        json_text(evaluation.as_dict() | {"trained_on": seen}, indent=1)
        if as_json
        else str(evaluation)
    )


def _tell_seen(path: Path, rows: list[int], seen: frozenset[int]) -> int:
    """Report how many rows the student was trained on, and return the number."""
    count = sum(row in seen for row in rows)
    if count:
        typer.echo(
            f"{clean(str(path))}: the student was trained on {count:,} of these {len(rows):,} rows;"
            " figures on them say nothing about new texts",
            err=True,
        )
    return count


@app.command("predict")
def student_predict(
    folder: Folder,
    rows: Annotated[
        Path,
        typer.Argument(
            help="Rows with a text: CSV, JSONL, Parquet, a corpus, or .txt with a text per line.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Argument(help="File to write: .csv, .jsonl or .parquet.", show_default=False)
    ],
    text: Text = "text",
    every: Annotated[
        bool, typer.Option("--all", help="The probability of each class too.")
    ] = False,
    formulas: Formulas = False,
    threads: Threads = None,
    encoder: Encoder = None,
) -> None:
    """Label rows: key, text, label and probability of each; or mark the spans of each text.

    Output: one line with the number of rows, and the file.
    """
    from synthkd.students.folders import load_student
    from synthkd.students.serve import learnt_by, open_classifier, predict_file, tag_file

    if learnt_by(folder) == "spans":
        count = tag_file(load_student(folder, encoder), rows, out, text, formulas)
        typer.echo(f"{count:,} rows tagged into {out}")
        return
    count = predict_file(
        open_classifier(folder, threads, encoder), rows, out, text, every, formulas
    )
    typer.echo(f"{count:,} rows labelled into {out}")


@app.command("export")
def student_export(
    folder: Annotated[
        Path, typer.Argument(help="Folder of an encoder student.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of the export. Default: `onnx` in the student's.", show_default=False
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="8-bit integer weights: smaller, with slightly different probabilities."
        ),
    ] = False,
    encoder: Encoder = None,
) -> None:
    """Write an encoder student as an ONNX model, to be served without torch.

    Output: one line with the folder, its size, and how far it differs from the student.
    """
    from synthkd.students.classifiers.onnx import MODEL
    from synthkd.students.classifiers.onnx_export import export_onnx
    from synthkd.students.folders import load_student

    place = out or folder / ("onnx-int8" if int8 else "onnx")
    difference = export_onnx(load_student(folder, encoder), place, int8)
    size = (place / MODEL).stat().st_size / 1e6
    typer.echo(
        f"{place}: {size:,.1f} MB; probabilities differ from the student's by {difference:.1e} at"
        " most on four texts"
    )


def _training(
    source: Path, out: Path | None, student: str | None, options: dict[str, Any], seed: int | None
) -> TrainingRequest:
    """Merge the options of a recipe and of the command line, which wins."""
    from synthkd.errors import InputError
    from synthkd.students.train import TrainingRequest

    if source.suffix.lower() not in (".yaml", ".yml"):
        if out is None:
            raise InputError("name the folder of the student after the rows")
        return TrainingRequest(source, out, student or "linear", options, seed=seed or 0)
    from synthkd import plugins
    from synthkd.recipe import Recipe, StudentPart

    recipe = Recipe.load(source)
    part = recipe.student or StudentPart()
    if student in (None, part.name):
        student_class = plugins.find("students", part.name, recipe.folder)
        options = {**student_class.located(part.options, recipe.resolve), **options}
        student = plugins.own_name("students", part.name, recipe.folder)
    return TrainingRequest(
        recipe.corpus_path, out or recipe.student_path, str(student), options,
        seed=recipe.seed if seed is None else seed,
    )  # fmt: skip
