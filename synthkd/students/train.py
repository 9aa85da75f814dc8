"""Train a student, evaluate it, and write its folder with manifest and card."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.corpora.read import load_corpus
from synthkd.corpora.write import MANIFEST
from synthkd.errors import InputError, StudentError, TrainingError, nearest
from synthkd.keys import content_hash, file_hash
from synthkd.recipe.published_values import published, published_path
from synthkd.rows import read_rows
from synthkd.storage import STUDENT_FOLDER, check_output, write_text
from synthkd.students.base import (
    Classifier,
    LabelledTexts,
    SpanStudent,
    StudentModel,
    TextStudent,
    check_known_labels,
)
from synthkd.students.folders import save_student
from synthkd.students.metrics import (
    ClassifierEvaluation,
    SpanEvaluation,
    evaluate_classifier,
    evaluate_spans,
)
from synthkd.students.rows import read_labelled_texts, sample_labelled_texts
from synthkd.students.span_rows import read_tagged_texts
from synthkd.students.spans import TaggedTexts
from synthkd.students.training_hashes import kind_row_hashes
from synthkd.text.normal_forms import normal_text

README = "README.md"
#: Packages whose version can change a student.
_PACKAGES = {
    "numpy": "numpy", "sklearn": "scikit-learn", "torch": "torch", "transformers": "transformers",
    "peft": "peft", "spacy": "spacy",
}  # fmt: skip


@dataclass(frozen=True)
class TrainingRequest:
    """The rows, options and folder of a training.

    Attributes:
        source: A corpus, or a file of rows.
        out: The student's folder.
        student: The name of the student.
        options: Its options.
        validation: Rows that decide when to stop, and calibrate.
        test: Rows that are only measured.
        text: Column of the texts, for classifiers and taggers.
        label: Column of the labels, for classifiers.
        kind: The kind of a file of rows, for students that write text.
        seed: Seed of the training.
    """

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
    """A trained student.

    Attributes:
        student: The student.
        manifest: What it was made from.
        evaluation: Figures on the test rows, or else on the validation rows.
        repeated: Test or validation rows that are training rows too, by name of the part.
    """

    student: StudentModel
    manifest: dict[str, Any]
    evaluation: ClassifierEvaluation | SpanEvaluation | None = None
    repeated: dict[str, int] = field(default_factory=dict)


def make_student(name: str, options: Mapping[str, Any], seed: int = 0) -> StudentModel:
    """Make an untrained student.

    Args:
        name: The student.
        options: Its options, and arguments of its constructor.
        seed: Used unless the options have one.

    Raises:
        StudentError: There is no such student, or an option is unknown or does not fit.
    """
    student_class: type[StudentModel] = plugins.find("students", name)
    student_class.check_options(options, f"student {name!r}")
    try:
        return student_class(**{"seed": seed, **options})
    except TypeError as problem:
        raise StudentError(
            f"student {name!r}: {problem}; its constructor takes"
            f" {', '.join(f'`{one}`' for one in sorted(student_class.arguments))} and its options"
        ) from problem


def train_student(request: TrainingRequest) -> TrainedStudent:
    """Train, evaluate and write a student. Options and rows are checked before training starts.

    Raises:
        StudentError: An option or the rows do not fit.
        TrainingError: The loss is not finite; the folder has the best weights before, if an epoch
            ended.
    """
    student = make_student(request.student, request.options, request.seed)
    check_output(request.out, STUDENT_FOLDER)
    try:
        if isinstance(student, Classifier):
            trained = _train_classifier(student, request)
        elif isinstance(student, SpanStudent):
            trained = _train_tagger(student, request)
        else:
            trained = _train_generator(student, request)
    except TrainingError as error:
        if not student.kept_epoch:
            raise
        save_student(student, request.out, _manifest(request, 0.0, {}) | {"broken": str(error)})
        raise TrainingError(f"{error}; the best weights before are in {request.out}") from None
    write_student(trained, request.out)
    return trained


def write_student(trained: TrainedStudent, folder: Path) -> None:
    """Write a trained student and its card into a folder, over an earlier student."""
    from synthkd.students.card import student_card

    save_student(trained.student, folder, trained.manifest)
    write_text(folder / README, student_card(trained.manifest, Path(folder.name)))


def _train_classifier(student: Classifier, request: TrainingRequest) -> TrainedStudent:
    train, available = _training_texts(student, request)
    validation = _texts(request.validation, request) if request.validation else None
    test = _texts(request.test, request) if request.test else None
    if request.kind is not None:
        raise StudentError(
            f"kind {request.kind!r}: the student {request.student!r} learns labels of texts and"
            " takes no kind; leave it out, or take --student generator"
        )
    for path, rows in ((request.validation, validation), (request.test, test)):
        if rows is not None:  # before the training
            classes = student.classes or train.labels
            check_known_labels(
                rows.labels, classes, str(path), "; add training rows of it, or leave this row out"
            )
    repeated = _repeated(train, validation, test)
    began = time.perf_counter()
    student.fit(train, validation)
    seconds = time.perf_counter() - began
    measured = (
        {"test": test}
        if test is not None
        else {"validation": validation}
        if validation is not None
        else {}
    )
    figures: dict[str, Any] = {}
    evaluation = None
    for name, rows in measured.items():
        assert rows is not None
        evaluation = evaluate_classifier(
            student.probabilities(rows.texts), rows.labels, student.classes, seed=request.seed
        )
        figures = {"on": name, **evaluation.as_dict()}
    manifest = _manifest(request, seconds, figures) | {
        "rows": len(train), "classes": list(student.classes), "repeated": repeated,
    }  # fmt: skip
    if len(train) < available:
        manifest["sampled_from"] = available
    return TrainedStudent(student, manifest, evaluation, repeated)


def _training_texts(student: Classifier, request: TrainingRequest) -> tuple[LabelledTexts, int]:
    """Return the training rows, a sample if the student takes fewer, and the number of all."""
    if student.max_rows is None:
        rows = _texts(request.source, request)
        return rows, len(rows)
    _refuse_other_kinds(request.source, request.student)
    return sample_labelled_texts(
        request.source, student.max_rows, student.seed, request.text, request.label
    )


def _repeated(
    train: LabelledTexts | TaggedTexts, *parts: LabelledTexts | TaggedTexts | None
) -> dict[str, int]:
    """Count the validation and test texts that are training texts too."""
    seen = {normal_text(text) for text in train.texts}
    return {
        name: count
        for name, rows in zip(("validation", "test"), parts, strict=True)
        if rows is not None and (count := sum(normal_text(text) in seen for text in rows.texts))
    }


def _train_tagger(student: SpanStudent, request: TrainingRequest) -> TrainedStudent:
    """Train on texts with their spans, of a corpus or a file."""
    if request.kind is not None or request.label != TrainingRequest.label:
        raise StudentError(
            f"the student {request.student!r} learns spans of texts and takes no kind and no column"
            " of labels; leave --kind and --label out"
        )
    train, validation, test = (
        read_tagged_texts(path, request.text) if path else None
        for path in (request.source, request.validation, request.test)
    )
    assert train is not None
    for path, rows in ((request.validation, validation), (request.test, test)):
        known = set(student.types or train.types)
        if rows is not None and (unknown := sorted(set(rows.types) - known)):  # before the training
            raise StudentError(
                f"{path}: {unknown[0]!r} is none of the types of the training rows"
                f"{nearest(unknown[0], sorted(known))}; add training rows of it, or name all types"
                " with --option types='[...]'"
            )
    repeated = _repeated(train, validation, test)
    began = time.perf_counter()
    student.fit(train, validation)
    seconds = time.perf_counter() - began
    evaluation, figures = None, dict[str, Any]()
    for name, rows in (("validation", validation), ("test", test)):
        if rows is not None:
            evaluation = evaluate_spans(rows.spans, student.spans(rows.texts), seed=request.seed)
            figures = {"on": name, **evaluation.as_dict()}
    manifest = _manifest(request, seconds, figures) | {
        "rows": len(train), "types": list(student.types), "repeated": repeated,
    }  # fmt: skip
    return TrainedStudent(student, manifest, evaluation, repeated)


def _train_generator(student: StudentModel, request: TrainingRequest) -> TrainedStudent:
    """Train on a corpus, whose manifest names the kind, or on rows of a named kind."""
    if not isinstance(student, TextStudent):
        raise StudentError(
            f"the student {request.student!r} learns neither labels nor texts nor spans"
        )
    is_corpus = (request.source / MANIFEST).is_file()
    if not is_corpus and request.kind is None:
        raise StudentError(
            f"{request.source}: rows of which kind? The student {request.student!r} learns to write"
            " a kind of knowledge: give a corpus, or name the kind with --kind"
        )
    if is_corpus and request.kind not in (
        None,
        name := load_corpus(request.source).manifest["kind"]["name"],
    ):
        raise StudentError(
            f"{request.source}: a corpus of the kind {name!r}, not {request.kind!r}; leave"
            " --kind out"
        )
    if (request.text, request.label) != (TrainingRequest.text, TrainingRequest.label):
        raise StudentError(
            f"the student {request.student!r} reads the columns of its kind; leave --text and"
            " --label out, and name the columns of the rows as the kind does"
        )
    validation = read_row_list(request.validation) if request.validation else None
    began = time.perf_counter()
    if is_corpus:
        student.fit_corpus(request.source, validation=validation)
    else:
        student.fit_rows(
            read_row_list(request.source),
            plugins.find("kinds", str(request.kind))(),
            validation=validation,
        )
    seconds = time.perf_counter() - began
    student.training_hashes = frozenset(
        kind_row_hashes(read_row_list(request.source), student.kind)
    )
    figures: dict[str, Any] = {}
    for name, path in (("test", request.test), ("validation", request.validation)):
        if path is not None and not figures:
            figures = {"on": name, **generator_figures(student, read_row_list(path))}
    manifest = _manifest(request, seconds, figures) | {
        "kind": student.kind.name, "rows": int(student.record.get("examples", 0)),
    }  # fmt: skip
    return TrainedStudent(student, manifest)


def generator_figures(student: TextStudent, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean cross-entropy in nats a token, and counts of rows."""
    import numpy as np

    losses = student.loss(rows)
    finite = np.isfinite(losses)
    if not finite.any():
        raise StudentError(
            "none of these rows can be an answer of this student; are they of its kind?"
        )
    return {
        "rows": int(finite.sum()),
        "left_out": int((~finite).sum()),
        "loss": float(losses[finite].mean()),
    }


def read_row_list(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table, or the accepted rows of a corpus."""
    return [row for rows in read_rows(path) for row in rows]


def _texts(path: Path, request: TrainingRequest) -> LabelledTexts:
    _refuse_other_kinds(path, request.student)
    return read_labelled_texts(path, request.text, request.label)


def _refuse_other_kinds(path: Path, student: str) -> None:
    if not (path / MANIFEST).is_file():
        return
    kind = load_corpus(path).manifest["kind"]
    if not {"text", "label"} <= set(kind["columns"]):
        raise StudentError(
            f"{path}: a corpus of the kind {kind['name']!r}, which has no labelled texts; the"
            f" student {student!r} learns from the kind 'labelled_text'. A student that writes text"
            " learns from this corpus: --student generator"
        )


def _manifest(
    request: TrainingRequest, seconds: float, figures: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "student": request.student, "options": published(dict(request.options), Path.cwd()),
        "seed": request.seed,
        "columns": {"text": request.text, "label": request.label},
        "source": _source_of(request.source),
        "validation": _source_of(request.validation), "test": _source_of(request.test),
        "training_seconds": round(seconds, 3), "figures": dict(figures),
        "versions": _package_versions(),
    }  # fmt: skip


def _source_of(path: Path | None) -> dict[str, Any] | None:
    """Return the hashes of a source of rows; of a corpus also kind and teacher."""
    if path is None:
        return None
    shown = published_path(str(path), Path.cwd())
    if (path / MANIFEST).is_file():
        manifest = load_corpus(path).manifest
        return {
            "path": shown, "corpus_hash": manifest["corpus_hash"],
            "manifest_hash": manifest.get("manifest_hash"), "kind": manifest["kind"]["name"],
            "teacher": manifest["teacher"].get("identity"), "rows": manifest["counts"]["accepted"],
        }  # fmt: skip
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        files = {
            file.relative_to(path).as_posix(): file_hash(file)
            for file in sorted(path.rglob("*"))
            if file.is_file()
        }
        return {"path": shown, "hash": content_hash(files)}
    return {"path": shown, "hash": file_hash(path)}


def _package_versions() -> dict[str, str]:
    """Return the versions of Python, synthkd and packages that can change a student."""
    versions = {"python": platform.python_version()}
    for module, package in {"synthkd": "synthkd", **_PACKAGES}.items():
        if module in sys.modules:
            try:
                versions[package] = version(package)
            except PackageNotFoundError:
                continue
    return versions
