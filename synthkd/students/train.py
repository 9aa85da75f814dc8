"""Train a student on a corpus or on a table, and write its folder: the student, what it was made from, a short card."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.corpora.read import load_corpus
from synthkd.corpora.write import MANIFEST
from synthkd.errors import StudentError, TrainingError
from synthkd.recipe.published_values import published
from synthkd.rows import read_rows
from synthkd.storage import STUDENT_FOLDER, check_output, write_text
from synthkd.students.base import Classifier, LabelledTexts, Student, check_known_labels
from synthkd.students.factory import make_student, package_versions, source_of
from synthkd.students.folders import save_student
from synthkd.students.metrics import ClassifierEvaluation, evaluate_classifier
from synthkd.students.rows import read_labelled_texts
from synthkd.students.training_hashes import kind_row_hashes
from synthkd.text.normal_forms import normal_text

README = "README.md"


@dataclass(frozen=True)
class TrainingRequest:
    """What to train on, and how. ``text`` and ``label`` are columns; ``kind`` is what a table of rows for a student that
    writes text is of."""

    source: Path
    out: Path
    student: str = "linear"
    options: Mapping[str, Any] = field(default_factory=dict)
    validation: Path | None = None
    test: Path | None = None
    text: str = "text"
    label: str = "label"
    kind: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class TrainedStudent:
    """A student, its manifest, and what it did on the test rows, or else on the validation rows, where there are any."""

    student: Student
    manifest: dict[str, Any]
    evaluation: ClassifierEvaluation | None = None
    #: Test or validation rows that stand in the training rows too.
    repeated: dict[str, int] = field(default_factory=dict)


def train_student(asked: TrainingRequest) -> TrainedStudent:
    """Train, judge and write. All that can be wrong with what was asked for is said before anything is trained."""
    student = make_student(asked.student, asked.options, asked.seed)
    check_output(asked.out, STUDENT_FOLDER)
    try:
        done = _classifier(student, asked) if isinstance(student, Classifier) else _generator(student, asked)
    except TrainingError as error:
        if not _has_good_epoch(student):
            raise
        save_student(student, asked.out, _manifest(asked, 0.0, {}) | {"broken": str(error)})
        raise TrainingError(f"{error}; it stands in {asked.out}") from None
    save_student(done.student, asked.out, done.manifest)
    from synthkd.students.card import student_card

    write_text(asked.out / README, student_card(done.manifest, Path(asked.out.name)))
    return done


def _has_good_epoch(student: Student) -> bool:
    """Does a student whose training broke hold the weights of an epoch before?"""
    record, history = getattr(student, "record", {}), getattr(student, "history", {})
    return bool(record.get("best") or history.get("kept"))


def _classifier(student: Classifier, asked: TrainingRequest) -> TrainedStudent:
    train = _texts(asked.source, asked)
    validation = _texts(asked.validation, asked) if asked.validation else None
    test = _texts(asked.test, asked) if asked.test else None
    if asked.kind is not None:
        raise StudentError(
            f"kind {asked.kind!r}: the student {asked.student!r} learns labels of texts and takes no kind; leave it out, or"
            " take --student generator"
        )
    for path, rows in ((asked.validation, validation), (asked.test, test)):
        if rows is not None:  # before the training
            of = student.classes or train.labels
            check_known_labels(rows.labels, of, str(path), "; add training rows of it, or leave this row out")
    seen = {normal_text(text) for text in train.texts}
    repeated = {
        name: count
        for name, rows in (("validation", validation), ("test", test))
        if rows is not None and (count := sum(normal_text(text) in seen for text in rows.texts))
    }
    began = time.perf_counter()
    student.fit(train, validation)
    seconds = time.perf_counter() - began
    judged = (
        {"test": test} if test is not None else {"validation": validation} if validation is not None else {}
    )
    figures: dict[str, Any] = {}
    evaluation = None
    for name, rows in judged.items():
        assert rows is not None
        evaluation = evaluate_classifier(
            student.probabilities(rows.texts), rows.labels, student.classes, seed=asked.seed
        )
        figures = {"on": name, **evaluation.as_dict()}
    manifest = _manifest(asked, seconds, figures) | {
        "rows": len(train), "classes": list(student.classes), "repeated": repeated,
    }  # fmt: skip
    return TrainedStudent(student, manifest, evaluation, repeated)


def _generator(student: Any, asked: TrainingRequest) -> TrainedStudent:
    """A student that writes text learns from a corpus, whose manifest says the kind, or from rows of a kind that is named."""
    is_corpus = (asked.source / MANIFEST).is_file()
    if not is_corpus and asked.kind is None:
        raise StudentError(
            f"{asked.source}: rows of which kind? The student {asked.student!r} learns to write a kind of knowledge:"
            " give a corpus, or name the kind with --kind"
        )
    if is_corpus and asked.kind not in (None, name := load_corpus(asked.source).manifest["kind"]["name"]):
        raise StudentError(
            f"{asked.source}: a corpus of the kind {name!r}, not {asked.kind!r}; leave --kind out"
        )
    if (asked.text, asked.label) != (TrainingRequest.text, TrainingRequest.label):
        raise StudentError(
            f"the student {asked.student!r} reads the columns of its kind; leave --text and --label out, and name the columns"
            " of the rows as the kind does"
        )
    validation = read_row_list(asked.validation) if asked.validation else None
    began = time.perf_counter()
    if is_corpus:
        student.fit_corpus(asked.source, validation=validation)
    else:
        student.fit_rows(
            read_row_list(asked.source), plugins.find("kinds", str(asked.kind))(), validation=validation
        )
    seconds = time.perf_counter() - began
    student.training_hashes = frozenset(kind_row_hashes(read_row_list(asked.source), student.kind))
    figures: dict[str, Any] = {}
    for name, path in (("test", asked.test), ("validation", asked.validation)):
        if path is not None and not figures:
            figures = {"on": name, **generator_figures(student, read_row_list(path))}
    manifest = _manifest(asked, seconds, figures) | {
        "kind": student.kind.name, "rows": int(student.record.get("examples", 0)),
    }  # fmt: skip
    return TrainedStudent(student, manifest)


def generator_figures(student: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean cross-entropy, in nats a token, of a student that writes text; rows that no answer can say are counted."""
    import numpy as np

    losses = student.loss(rows)
    said = np.isfinite(losses)
    if not said.any():
        raise StudentError("none of these rows can be an answer of this student; are they of its kind?")
    return {"rows": int(said.sum()), "left_out": int((~said).sum()), "loss": float(losses[said].mean())}


def read_row_list(path: Path) -> list[dict[str, Any]]:
    """The rows of a table, or the accepted ones of a corpus."""
    return [row for rows in read_rows(path) for row in rows]


def _texts(path: Path, asked: TrainingRequest) -> LabelledTexts:
    _refuse_other_kinds(path, asked.student)
    return read_labelled_texts(path, asked.text, asked.label)


def _refuse_other_kinds(path: Path, student: str) -> None:
    if not (path / MANIFEST).is_file():
        return
    kind = load_corpus(path).manifest["kind"]
    if not {"text", "label"} <= set(kind["columns"]):
        raise StudentError(
            f"{path}: a corpus of the kind {kind['name']!r}, which has no labelled texts; the student {student!r} learns from the"
            " kind 'labelled_text'. A student that writes text learns from this corpus: --student generator"
        )


def _manifest(asked: TrainingRequest, seconds: float, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "student": asked.student, "options": published(dict(asked.options), Path.cwd()), "seed": asked.seed,
        "columns": {"text": asked.text, "label": asked.label},
        "source": source_of(asked.source),
        "validation": source_of(asked.validation), "test": source_of(asked.test),
        "training_seconds": round(seconds, 3), "figures": dict(figures), "versions": package_versions(),
    }  # fmt: skip
