"""Rows of a pool or label sheet for another labelling tool, and its annotations into a sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from synthkd.errors import InputError, nearest
from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SOURCES, CandidatePool, candidate_sentence, sheet_text
from synthkd.labels.exchange.argilla import ArgillaFormat
from synthkd.labels.exchange.base import Annotation, ExchangeFormat, ExportedRow
from synthkd.labels.exchange.label_studio import LabelStudioFormat
from synthkd.labels.sampling_design import SamplingDesign
from synthkd.labels.sheet import META, Record, Sheet
from synthkd.labels.verdicts import verdict_of

#: Columns of a sheet that an annotation fills; the others describe the row.
_ANNOTATION_COLUMNS = ("verdict", "annotator", "time", "why")
_FORMATS: dict[str, type[ExchangeFormat]] = {
    "label-studio": LabelStudioFormat,
    "argilla": ArgillaFormat,
}


def format_named(name: str) -> ExchangeFormat:
    """Return the file format of `label-studio` or `argilla`."""
    if name not in _FORMATS:
        raise InputError(f"unknown format {name!r}{nearest(name, list(_FORMATS))}")
    return _FORMATS[name]()


def drawn_rows(
    pool: CandidatePool, kind: Kind, design: SamplingDesign, name: str, count: int
) -> list[ExportedRow]:
    """Return the first rows of a design; their weights hold once all of them are labelled."""
    sample = design.sample(count)
    rows = []
    for position, strategy, probability, weight in zip(
        sample.rows, sample.strategies, sample.probability, sample.weights, strict=True
    ):
        row = pool.rows[position]
        columns = {column: sheet_text(row.get(column)) for column in pool.sheet_columns}
        columns |= {
            "chosen": strategy,
            "probability": f"{probability:.9g}",
            "weight": f"{weight:.9g}",
            "design": name,
        }
        source = _source(row, kind.columns)
        rows.append(ExportedRow(row["id"], candidate_sentence(kind, row), source, columns))
    return rows


def sheet_rows(records: Iterable[Record], kind: Kind) -> list[ExportedRow]:
    """Return the rows of a label sheet with their annotations."""
    rows: dict[str, ExportedRow] = {}
    for record in records:
        name = record["id"]
        if name not in rows:
            columns = {k: v for k, v in record.items() if k not in (*_ANNOTATION_COLUMNS, "id")}
            source = _source(record, kind.columns)
            rows[name] = ExportedRow(name, candidate_sentence(kind, record), source, columns)
        annotation = Annotation(name, *(record[column] for column in _ANNOTATION_COLUMNS))
        rows[name].annotations.append(annotation)
    return list(rows.values())


def _source(row: dict[str, Any], columns: Sequence[str]) -> str:
    return "\n\n".join(
        sheet_text(row[name]) for name in SOURCES if row.get(name) and name not in columns
    )


def add_annotations(
    annotations: Iterable[Annotation], rows: Sequence[ExportedRow], sheet: Sheet
) -> tuple[int, list[str]]:
    """Add annotations of exported rows to a sheet.

    Returns:
        The number of annotations added, and a line for each one that was not.
    """
    by_id = {row.id: row for row in rows}
    verdicts = {(record["id"], record["annotator"]): record["verdict"] for record in sheet.records}
    count, problems = 0, []
    for annotation in annotations:
        verdict = verdict_of(annotation.verdict)
        key = (annotation.id, annotation.annotator)
        entry = f"{annotation.place}: id {annotation.id!r}"
        if annotation.id not in by_id:
            problems.append(f"{entry} was not among the exported rows")
        elif not verdict:
            problems.append(f"{entry} has the verdict {annotation.verdict!r}, which is none")
        elif key in verdicts:
            same = verdicts[key] == verdict
            change = "again" if same else f"before {verdicts[key]}, now {verdict}"
            problems.append(
                f"{entry} by {annotation.annotator!r} is in the sheet already ({change})"
            )
        else:
            sheet.append(
                by_id[annotation.id].columns
                | {"id": annotation.id, "verdict": verdict, "annotator": annotation.annotator}
                | {"time": annotation.time, "why": annotation.why}
            )
            verdicts[key] = verdict
            count += 1
    return count, problems


def sheet_columns(rows: Sequence[ExportedRow]) -> list[str]:
    """Return the columns that describe a row, for a new sheet."""
    return [name for name in rows[0].columns if name not in META]
