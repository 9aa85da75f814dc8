"""`Student`: train, evaluate, save and load a student on rows of any table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from synthkd.errors import StudentError, nearest
from synthkd.reporting.tables import html_table
from synthkd.rows import RowSource, is_path, read_rows, rows_in_file, source_rows, text_cell
from synthkd.storage import TemporaryFolder
from synthkd.students.base import Classifier, Floats, SpanStudent, StudentModel, TextStudent
from synthkd.students.folders import load_student, read_manifest
from synthkd.students.metrics import (
    ClassifierEvaluation,
    SpanEvaluation,
    evaluate_classifier,
    evaluate_spans,
)
from synthkd.students.rows import read_labelled_texts
from synthkd.students.span_rows import read_tagged_texts
from synthkd.students.spans import Spans
from synthkd.students.train import (
    TrainedStudent,
    TrainingRequest,
    generator_figures,
    read_row_list,
    train_student,
    write_student,
)


class Student:
    """A trained student: it labels texts, marks their spans, or writes rows of a kind.

    Rows may be a corpus, a list of dicts, a DataFrame, a table, a data set or the path of a file.

    Attributes:
        trained: The student's model, manifest and evaluation.

    Example:
        >>> import synthkd
        >>> rows = [
        ...     {"text": f"{word} {i}", "label": label}
        ...     for i in range(20)
        ...     for word, label in (("where is my parcel", "track"), ("cancel my order", "cancel"))
        ... ]
        >>> student = synthkd.Student.train(rows)
        >>> student
        <Student linear: 2 classes>
        >>> student.predict("please cancel this order")
        ['cancel']
    """

    def __init__(self, trained: TrainedStudent) -> None:
        self.trained = trained

    @classmethod
    def train(
        cls,
        rows: RowSource,
        name: str = "linear",
        *,
        options: Mapping[str, Any] | None = None,
        validation: RowSource | None = None,
        test: RowSource | None = None,
        text: str = "text",
        label: str = "label",
        kind: str | None = None,
        seed: int = 0,
        folder: str | os.PathLike[str] | None = None,
    ) -> Student:
        """Train a student on a corpus or on rows.

        Args:
            rows: Training rows.
            name: Which student: `linear` or `encoder` for labels of texts, `tagger` for spans,
                `generator` for rows of a kind.
            options: Options of the student.
            validation: Rows that decide when to stop, and calibrate.
            test: Rows that are only measured.
            text: Column of the texts, for classifiers and taggers.
            label: Column of the labels, for classifiers.
            kind: The kind of rows that are no corpus, for a `generator`.
            seed: Seed of the training.
            folder: Where it is saved; by default it stays in memory until `save`.

        Raises:
            StudentError: An option or the rows do not fit.
            TrainingError: The loss is not finite.
        """
        with ExitStack() as files:
            source, of_validation, of_test = (
                None if given is None else files.enter_context(rows_in_file(given, word))
                for given, word in ((rows, "rows"), (validation, "validation"), (test, "test"))
            )
            out = files.enter_context(TemporaryFolder()) + "/student" if folder is None else folder
            assert source is not None
            request = TrainingRequest(
                source, Path(os.fspath(out)), name, dict(options or {}), of_validation, of_test,
                text, label, kind, seed,
            )  # fmt: skip
            return cls(train_student(request))

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], encoder: str | os.PathLike[str] | None = None
    ) -> Student:
        """Load the student of a folder.

        Args:
            folder: The folder.
            encoder: Folder or hub name of a frozen encoder that is not found by itself.

        Raises:
            StudentError: A file is missing, altered, or of another version.
        """
        path = Path(os.fspath(folder))
        model = load_student(path, None if encoder is None else os.fspath(encoder))
        return cls(TrainedStudent(model, read_manifest(path)))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the student and its card into a folder, over an earlier student.

        Returns:
            The folder.
        """
        path = Path(os.fspath(folder))
        write_student(self.trained, path)
        return path

    def predict(self, texts: str | Iterable[str] | RowSource, text: str = "text") -> list[Any]:
        """Return what the student says of each text.

        Args:
            texts: One text, a list or column of texts, or rows with a column of texts.
            text: That column.

        Returns:
            The most likely label of each text, or its spans.

        Raises:
            StudentError: The student writes rows: see `generate`.
        """
        if isinstance(self.model, SpanStudent):
            return self.spans(texts, text)
        return self._classifier.predict(_texts(texts, text))

    def probabilities(self, texts: str | Iterable[str] | RowSource, text: str = "text") -> Floats:
        """Return the (n, C) probabilities of the labels of each text, in the order of `classes`."""
        return self._classifier.probabilities(_texts(texts, text))

    def spans(self, texts: str | Iterable[str] | RowSource, text: str = "text") -> list[Spans]:
        """Return the spans that a tagger marks in each text."""
        if not isinstance(self.model, SpanStudent):
            raise StudentError(f"the student {self.name!r} learns {self._learns}, no spans")
        return self.model.spans(_texts(texts, text))

    def generate(self, rows: RowSource, n: int = 1, temperature: float = 0.0) -> list[list[str]]:
        """Return the texts that a generator writes for each input row.

        Args:
            rows: Input rows of its kind.
            n: Texts of each row.
            temperature: 0 takes the most likely words: all ``n`` texts are equal.
        """
        model = self.model
        if not isinstance(model, TextStudent) or not hasattr(model, "generate"):
            raise StudentError(f"the student {self.name!r} learns {self._learns}, and writes none")
        with rows_in_file(rows) as path:
            written: list[list[str]] = model.generate(
                read_row_list(path), n=n, temperature=temperature
            )
        return written

    def evaluate(
        self, rows: RowSource, text: str = "text", label: str = "label"
    ) -> ClassifierEvaluation | SpanEvaluation | dict[str, Any]:
        """Measure the student on labelled rows: accuracy, F1 or loss, with intervals."""
        model = self.model
        with rows_in_file(rows) as path:
            if isinstance(model, Classifier):
                own = read_labelled_texts(path, text, label)
                model.check_labels(own, "rows")
                return evaluate_classifier(
                    model.probabilities(own.texts), own.labels, model.classes
                )
            if isinstance(model, SpanStudent):
                tagged = read_tagged_texts(path, None if text == "text" else text)
                return evaluate_spans(tagged.spans, model.spans(tagged.texts))
            assert isinstance(model, TextStudent)
            return generator_figures(model, read_row_list(path))

    @property
    def model(self) -> StudentModel:
        """The model itself."""
        return self.trained.student

    @property
    def name(self) -> str:
        """Return the name of the student plug-in, such as `linear`."""
        return self.model.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that it knows, in the order of `probabilities`."""
        return self._classifier.classes

    @property
    def manifest(self) -> dict[str, Any]:
        """Return the record of the training, with the figures."""
        return self.trained.manifest

    @property
    def evaluation(self) -> ClassifierEvaluation | SpanEvaluation | None:
        """Figures on the test rows of its training, or else on the validation rows."""
        return self.trained.evaluation

    @property
    def _learns(self) -> str:
        return {"labels": "labels of texts", "text": "to write rows", "spans": "spans of texts"}[
            self.model.learns
        ]

    @property
    def _classifier(self) -> Classifier:
        if not isinstance(self.model, Classifier):
            remedy = "; use `generate`" if isinstance(self.model, TextStudent) else "; use `spans`"
            raise StudentError(f"the student {self.name!r} learns {self._learns}{remedy}")
        return self.model

    def __repr__(self) -> str:
        model = self.model
        if isinstance(model, Classifier):
            learnt = f"{len(model.classes)} classes"
        elif isinstance(model, SpanStudent):
            learnt = f"{len(model.types)} types of spans"
        else:
            assert isinstance(model, TextStudent)
            learnt = f"writes {model.kind.name}"
        return f"<Student {self.name}: {learnt}>"

    def _repr_html_(self) -> str:
        figures = {
            name: value
            for name, value in self.manifest.get("figures", {}).items()
            if isinstance(value, int | float | str)
        }
        rows: list[Sequence[object]] = [["student", self.name]]
        rows += [["training rows", self.manifest.get("rows", "unknown")]]
        rows += [
            [name, f"{value:.3f}" if isinstance(value, float) else value]
            for name, value in figures.items()
        ]
        return html_table(rows, left=2, caption=repr(self)[1:-1], header=False)


def _texts(texts: str | Iterable[str] | RowSource, column: str) -> list[str]:
    """Return texts as a list: of one text, of a list or column of texts, or of rows.

    Raises:
        StudentError: There is no such column, or an item is no text.
    """
    if isinstance(texts, str):
        return [texts]
    if is_path(texts):
        rows = (row for batch in read_rows(Path(os.fspath(texts))) for row in batch)  # type: ignore[arg-type]
        return [_text_of(row, column, number) for number, row in enumerate(rows, 1)]
    if not hasattr(texts, "column_names") and not hasattr(texts, "columns"):
        # A list or a column: texts, or rows.
        items: list[Any] = texts.to_pylist() if hasattr(texts, "to_pylist") else list(texts)  # type: ignore[arg-type]
        if not any(isinstance(item, Mapping) for item in items):
            return items
        texts = items
    return [
        _text_of(row, column, number)
        for number, row in enumerate(source_rows(texts, "texts"), 1)  # type: ignore[arg-type]
    ]


def _text_of(row: Mapping[str, Any], column: str, number: int) -> str:
    if column not in row:
        known = nearest(column, list(row))
        raise StudentError(f"texts row {number}: no column {column!r}{known}; name it by `text`")
    value = text_cell(row[column], f"texts row {number}", column)
    if value is None:
        raise StudentError(f"texts row {number}: {column!r} is empty; a text is needed")
    return value
