"""Open a student, and label or tag a file of rows with it, a batch at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from synthkd.errors import InputError, StudentError
from synthkd.keys import content_hash
from synthkd.reporting.safe_text import to_cell
from synthkd.rows import is_empty, text_cell
from synthkd.storage import check_file, check_place, has_fields, replaced_file
from synthkd.students.base import Classifier, Floats, SpanStudent, StudentModel
from synthkd.students.folders import CARD, load_student, read_card
from synthkd.students.rows import LINE, located_rows, row_text
from synthkd.students.span_rows import text_column

FORMATS = (".csv", ".jsonl", ".parquet")
#: Numbers of a span, by Arrow type.
_NUMBERS = {"start": "int64", "end": "int64", "confidence": "float64"}
#: Rows that are labelled at once.
BATCH = 4096

Rows = list[dict[str, Any]]
Placed = list[tuple[str, dict[str, Any]]]


class LabelModel(Protocol):
    """A classifier or an exported one."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def training_hashes(self) -> frozenset[int]: ...

    def probabilities(self, texts: Any) -> Floats: ...


def learnt_by(folder: Path) -> str:
    """Return what a folder's student learnt (`StudentModel.learns`); labels of an exported one."""
    return str(read_card(folder)["learns"]) if (folder / CARD).is_file() else "labels"


def open_classifier(
    folder: Path, threads: int | None = None, encoder: str | None = None
) -> LabelModel:
    """Open the folder of a classifier, or of one that was exported to ONNX.

    Args:
        folder: The folder.
        threads: Threads of an exported classifier.
        encoder: As in `load_student`.

    Raises:
        StudentError: The folder holds no classifier.
    """
    from synthkd.students.classifiers.onnx import SETTINGS, OnnxClassifier

    if (folder / SETTINGS).is_file():
        if encoder is not None:
            raise StudentError(
                f"{folder}: an exported student has its encoder in it; leave `encoder` out"
            )
        return OnnxClassifier.load(folder, threads)
    student = load_student(folder, encoder)
    if not isinstance(student, Classifier):
        raise StudentError(
            f"{folder}: a student that writes text has no labels; run it as a teacher: backend"
            f" transformers, model {folder}"
            if student.learns == "text"
            else f"{folder}: a student that learns {student.learns} has no labels"
        )
    return student


def predict_file(
    model: LabelModel,
    rows: Path,
    out: Path,
    text: str = "text",
    every: bool = False,
    formulas: bool = False,
) -> int:
    """Write key, text, most likely label and its probability of each row.

    The key is the row's `id`, or else the hash of its text. In a `.txt` file each line that is not
    blank is a row, and `line` is its number. The format is that of the suffix of `out`.

    Args:
        model: The classifier.
        rows: A file of rows, or a corpus.
        out: The file to write.
        text: Column of the texts.
        every: Write the probability of each class too.
        formulas: In CSV, do not mark texts that a spreadsheet would read as formulas.

    Returns:
        The number of rows.
    """
    _check(rows, out, "label", "probability")
    count = 0
    with replaced_file(out) as temporary:
        with _PredictionWriter(temporary, out.suffix.lower(), formulas) as writer:
            for batch in _batches(located_rows(rows, BATCH)):
                writer.write(_predicted(model, batch, text, rows, count, every))
                count += len(batch)
        if not count:
            raise InputError(f"{rows}: no rows")
    return count


def tag_file(
    student: StudentModel, rows: Path, out: Path, text: str = "text", formulas: bool = False
) -> int:
    """Write key, sentence, type, span, start, end and confidence of each span of each row.

    A text without spans has one row, with empty type and span, so that the file can be read again
    as training rows. The rest is as in `predict_file`.

    Returns:
        The number of texts.

    Raises:
        StudentError: The student marks no spans.
    """
    if not isinstance(student, SpanStudent):
        raise StudentError(f"a student that learns {student.learns} marks no spans")
    _check(rows, out, "span", "confidence")
    count = 0
    with replaced_file(out) as temporary:
        with _PredictionWriter(temporary, out.suffix.lower(), formulas) as writer:
            for batch in _batches(located_rows(rows, BATCH)):
                lines = _tagged(student, batch, text, rows, count)
                writer.write(lines)
                count += len(batch)
        if not count:
            raise InputError(f"{rows}: no rows")
    return count


def _tagged(student: SpanStudent, batch: Placed, text: str, path: Path, before: int) -> Rows:
    texts = [
        row_text(
            row, text_column(row, text, where), where, path, before + number
        )
        for number, (where, row) in enumerate(batch)
    ]  # fmt: skip
    lines: Rows = []
    for (where, row), sentence, spans in zip(batch, texts, student.spans(texts), strict=True):
        line = {
            "id": _key(row, sentence, where),
            **({LINE: row[LINE]} if path.suffix.lower() == ".txt" and LINE in row else {}),
            "sentence": sentence,
        }
        none: dict[str, Any] = {
            "type": "",
            "span": "",
            "start": None,
            "end": None,
            "confidence": None,
        }
        marked = [
            {
                "type": span.type, "span": sentence[span.start : span.end],
                "start": span.start, "end": span.end, "confidence": span.confidence,
            }
            for span in spans
        ]  # fmt: skip
        lines += [{**line, **one} for one in marked or [none]]
    return lines


def _check(rows: Path, out: Path, *columns: str) -> None:
    if out.suffix.lower() not in FORMATS:
        raise InputError(f"{out}: name a file that ends in {', '.join(FORMATS)}")
    if out.is_dir():
        raise InputError(f"{out}: a folder; name a file")
    if out.resolve() == rows.resolve() or rows.resolve() in out.resolve().parents:
        raise InputError(f"{out}: this is (in) what is read; name another file")
    check_place(out.parent)
    check_file(out, has_fields(*columns), "a file of predictions")


def _batches(rows: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[Placed]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _predicted(
    model: LabelModel, batch: Placed, text: str, path: Path, before: int, every: bool
) -> Rows:
    texts = [
        row_text(row, text, where, path, before + number)
        for number, (where, row) in enumerate(batch)
    ]
    probabilities = model.probabilities(texts)
    best = probabilities.argmax(1)
    lines = []
    for place, (where, row) in enumerate(batch):
        line = {
            "id": _key(row, texts[place], where),
            **({LINE: row[LINE]} if path.suffix.lower() == ".txt" and LINE in row else {}),
            "text": texts[place],
            "label": model.classes[best[place]],
            "probability": float(probabilities[place, best[place]]),
        }
        if every:
            line |= {
                f"p:{name}": float(value)
                for name, value in zip(model.classes, probabilities[place], strict=True)
            }
        lines.append(line)
    return lines


def _key(row: dict[str, Any], text: str, where: str) -> Any:
    """Return the `id` of a row, a number as a number; without one, the hash of its text."""
    given = row.get("id")
    if is_empty(given):
        return content_hash([text])
    return given if type(given) is int else text_cell(given, where, "id")


class _PredictionWriter:
    """Writes rows as CSV, JSON lines or Parquet, a batch at a time."""

    def __init__(self, path: Path, suffix: str, formulas: bool) -> None:
        self._path, self._suffix, self._formulas = path, suffix, formulas
        self._file: Any = None
        self._csv: Any = None
        self._parquet: Any = None

    def __enter__(self) -> _PredictionWriter:
        if self._suffix != ".parquet":
            self._file = self._path.open("w", encoding="utf-8", newline="")
        return self

    def __exit__(self, *_: object) -> None:
        for output in (self._file, self._parquet):
            if output is not None:
                output.close()

    def write(self, rows: Rows) -> None:
        if self._suffix == ".jsonl":
            self._file.writelines(
                json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows
            )
        elif self._suffix == ".csv":
            if self._csv is None:
                self._csv = csv.DictWriter(self._file, list(rows[0]))
                self._csv.writeheader()
            self._csv.writerows(
                {name: to_cell(value, self._formulas) for name, value in row.items()}
                for row in rows
            )
        else:
            self._write_parquet(rows)

    def _write_parquet(self, rows: Rows) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Keys may be numbers in one batch and texts in the next.
        table = pa.Table.from_pylist([{**row, "id": str(row["id"])} for row in rows])
        for place, field in enumerate(table.schema):
            # A batch without spans has no number to tell the type from.
            if pa.types.is_null(field.type) and field.name in _NUMBERS:
                column = table.column(place).cast(pa.type_for_alias(_NUMBERS[field.name]))
                table = table.set_column(place, field.name, column)
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._parquet.write_table(table)
