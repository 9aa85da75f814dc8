"""The contract of students, `StudentModel`, and its sorts by what they learn."""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from synthkd.errors import StudentError, nearest
from synthkd.plugins import Plugin
from synthkd.returned_values import Check, check_saved, short_form
from synthkd.students.spans import Spans, TaggedTexts, TypedSpan
from synthkd.students.training_hashes import text_hashes

if TYPE_CHECKING:
    import pyarrow as pa

    from synthkd.kinds.base import Kind, Row

    Rows = Iterable[Row]

#: Invisible characters that no spelling needs.
_INVISIBLE = dict.fromkeys([0x00AD, 0x200B, 0x2060, 0xFEFF])
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class LabelledTexts:
    """Labelled texts; all parts have the same length n.

    Attributes:
        texts: The texts.
        labels: Their labels.
        weights: (n,) weights; None for 1 each.
        soft: (n, C) probabilities of a teacher, in the order of the student's classes, for
            objectives that learn from them.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    weights: Floats | None = None
    soft: Floats | None = None

    def __post_init__(self) -> None:
        sizes = {
            len(part)
            for part in (self.texts, self.labels, self.weights, self.soft)
            if part is not None
        }
        if len(sizes) > 1:
            raise ValueError(
                f"texts, labels, weights and soft labels differ in length: {sorted(sizes)}"
            )

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int] | Ints) -> LabelledTexts:
        """Return some rows, in the given order."""
        indices = [int(row) for row in rows]
        return replace(
            self,
            texts=tuple(self.texts[i] for i in indices),
            labels=tuple(self.labels[i] for i in indices),
            weights=None if self.weights is None else self.weights[indices],
            soft=None if self.soft is None else self.soft[indices],
        )


def normal_class_name(text: str) -> str:
    """Return the name of a class in NFC, with single blanks, and without invisible characters.

    Names with commas or quotes, numbers, and names such as `NA` or `None` are names like any other.
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(_INVISIBLE)).split())


def check_known_labels(
    labels: Sequence[str], classes: Sequence[str], source: str = "", remedy: str = ""
) -> None:
    """Refuse a label that is no class.

    Args:
        labels: The labels.
        classes: The student's classes.
        source: The file of the labels, for the message.
        remedy: What to do, for the message.
    """
    known = set(classes)
    for number, label in enumerate(labels, 1):
        if label not in known:
            hint = nearest(str(label), sorted(known)) if len(known) <= 20 else ""
            problem = (
                f"row {number}: {label!r} is none of the {len(known)} classes of the"
                f" student{hint}{remedy}"
            )
            raise StudentError(f"{source} {problem}" if source else problem)


def check_distinct_names(classes: Sequence[str]) -> None:
    """Refuse classes whose names are equal but for blanks or Unicode form (`normal_class_name`)."""
    known: dict[str, str] = {}
    for name in classes:
        if (other := known.setdefault(normal_class_name(name), name)) != name:
            raise StudentError(
                f"the class {name!r} reads the same as {other!r}; write the labels alike"
                " (`read_labelled_texts` does)"
            )


def label_indices(labels: Sequence[str], classes: Sequence[str]) -> Ints:
    """Return the (n,) index of each label among the classes."""
    known = {label: index for index, label in enumerate(classes)}
    return np.fromiter((known[label] for label in labels), np.int64, len(labels))


def text_list(texts: Iterable[Any]) -> list[str]:
    """Return the texts of a list, an array or a column; a string is one text.

    Raises:
        StudentError: An item is no text, or the texts are a table.
    """
    if (
        isinstance(texts, Mapping | bytes)
        or hasattr(texts, "columns")
        or not isinstance(texts, Iterable)
    ):
        # Iterating a table would give the names of its columns.
        raise StudentError(
            f"texts: a {type(texts).__name__} was given; give a text, a list of texts or one column"
            " of a table"
        )
    items = [texts] if isinstance(texts, str) else list(texts)
    for number, text in enumerate(items, 1):
        if not isinstance(text, str):
            problem = "empty" if text is None or text != text else f"a {type(text).__name__}"
            raise StudentError(f"text {number:,} of {len(items):,} is {problem}; a text is needed")
    return items


def in_windows(
    texts: Sequence[str], size: int, width: int, compute: Callable[[Sequence[str]], Floats]
) -> Floats:
    """Return the (n, width) numbers that `compute` gives for texts, `size` texts at a time."""
    parts = [compute(texts[start : start + size]) for start in range(0, len(texts), size)]
    return np.concatenate(parts) if parts else np.zeros((0, width))


def validated_seed(seed: Any) -> int:
    """Return the seed if all generators of random numbers take it."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 1 << 32:
        raise StudentError(
            f"seed: a whole number from 0 to {(1 << 32) - 1} is needed, not {seed!r}"
        )
    return int(seed)


class StudentModel(Plugin, ABC):
    """A small model that is trained on a corpus.

    Options are keyword arguments of the constructor, which refuses a wrong one before anything is
    read.
    """

    name: ClassVar[str]
    options_error = StudentError
    returns: ClassVar[Mapping[str, Check]] = {"save": check_saved}
    #: Arguments of the constructor besides the options.
    arguments: ClassVar[frozenset[str]] = frozenset({"seed"})
    #: Options of `load`, for what a folder does not record.
    load_options: ClassVar[frozenset[str]] = frozenset()
    #: What it learns: labels of texts, texts, or spans of texts.
    learns: ClassVar[Literal["labels", "text", "spans"]]
    #: Whether `export_onnx` takes it, for its `model`, `tokenizer`, `max_length` and `temperature`.
    exports_onnx: ClassVar[bool] = False
    #: Hashes of its training rows (`students.training_hashes`), which are kept in its folder.
    training_hashes: frozenset[int] = frozenset()

    @classmethod
    def check_options(cls, options: Mapping[str, Any], label: str) -> None:
        """Check the options of a recipe, which may be arguments of the constructor too.

        Raises:
            StudentError: As `checked`.
        """
        own = {name: value for name, value in options.items() if name not in cls.arguments}
        cls.checked(own, label)
        if "seed" in options and "seed" in cls.arguments:
            validated_seed(options["seed"])

    @property
    def kept_epoch(self) -> int:
        """The epoch or step whose weights the student has; 0 without one."""
        return 0

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write safetensors and JSON into an existing empty folder; nothing that can run code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        """Read what `save` wrote.

        Args:
            folder: The student's folder.
            options: Some of `load_options`.

        Raises:
            StudentError: A file is missing, altered, or of another version.
        """


def _check_probabilities(student: Classifier, value: Any, texts: Sequence[str] | str) -> str:
    rows, classes = len(text_list(texts)), len(student.classes)
    try:
        probabilities = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return f"returned {short_form(value)}; return an array of probabilities"
    if probabilities.shape != (rows, classes):
        return (
            f"returned an array of shape {probabilities.shape} for {rows:,} texts and"
            f" {classes:,} classes"
        )
    sums = probabilities.sum(1)
    # Written so that NaN is refused too.
    if not ((probabilities >= 0).all() and (np.abs(sums - 1) < 1e-3).all()):
        return "returned rows that are no probabilities: each is at least 0, a row's sum is 1"
    return ""


class Classifier(StudentModel):
    """A student that maps texts to one of C classes."""

    learns = "labels"
    returns: ClassVar[Mapping[str, Check]] = {
        "save": check_saved,
        "probabilities": _check_probabilities,
    }
    arguments = frozenset({"classes", "seed"})

    def __init__(self, classes: Sequence[str] = (), seed: int = 0, **options: Any) -> None:
        """Name the classes and check the options.

        Args:
            classes: All classes, also those without a training row; by default those of the
                training rows, sorted.
            seed: The same rows and seed give the same student.
            options: Options of the student.
        """
        super().__init__(**options)
        if isinstance(classes, str) or not all(isinstance(one, str) for one in classes):
            raise StudentError(
                f"classes: a list of names is needed, not {classes!r}; quote what YAML takes for"
                " another value, such as 'no'"
            )
        if len(set(classes)) != len(classes):
            raise StudentError("classes: a name stands twice; give each class its own name")
        check_distinct_names(classes)
        self.classes: tuple[str, ...] = tuple(classes)
        self._given_classes = self.classes
        self.seed = validated_seed(seed)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.classes)} classes>"

    @property
    def max_rows(self) -> int | None:
        """Training rows that are read of a file at most; None for all. More are sampled."""
        return None

    @abstractmethod
    def fit(self, train: LabelledTexts, validation: LabelledTexts | None = None) -> Self:
        """Train anew, also if the student was trained before.

        Args:
            train: Training rows.
            validation: Rows that decide when to stop and calibrate the probabilities; without them
                a part of `train` does, or nothing.

        Raises:
            StudentError: The rows cannot train a classifier: one class, an unknown label.
            TrainingError: The loss is not finite.
        """

    @abstractmethod
    def probabilities(self, texts: Sequence[str] | str) -> Floats:
        """Return (n, C) calibrated probabilities in the order of `classes`."""

    def predict(self, texts: Sequence[str] | str) -> list[str]:
        """Return the most likely class of each text; a string is one text."""
        texts = text_list(texts)
        if not texts:
            return []
        return [self.classes[index] for index in self.probabilities(texts).argmax(1)]

    def check_training_rows(self, rows: LabelledTexts, what: str = "training rows") -> None:
        """Check training rows, take the classes from them, and record their hashes.

        Raises:
            StudentError: A label is unknown, or fewer than two classes have rows.
        """
        present = sorted(set(rows.labels))
        check_distinct_names(present)
        self.classes = self._given_classes or tuple(present)
        self.check_labels(rows, what)
        self.training_hashes = frozenset(text_hashes(rows.texts))
        if len(present) < 2:
            has = f"have the one class {present[0]!r}" if present else "are none"
            raise StudentError(f"{what} {has}; a classifier needs rows of two classes at least")

    def check_labels(self, rows: LabelledTexts, what: str = "validation rows") -> None:
        """Refuse a label that is no class."""
        check_known_labels(rows.labels, self.classes, f"{what},")

    def label_indices(self, labels: Sequence[str]) -> Ints:
        """Return the (n,) index of each label among the classes."""
        return label_indices(labels, self.classes)


class TextStudent(StudentModel):
    """A student that learns to write the rows of a kind."""

    learns = "text"
    #: What was done in training.
    record: dict[str, Any]

    def __init__(self, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.seed = validated_seed(seed)

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """The kind that it was trained on."""

    @abstractmethod
    def fit_rows(
        self, rows: Rows | pa.Table, kind: Kind, validation: Rows | pa.Table | None = None
    ) -> Self:
        """Train on rows of a kind; `validation` decides when to stop."""

    @abstractmethod
    def fit_corpus(
        self, corpus: str | Path, validation: str | Path | Rows | pa.Table | None = None
    ) -> Self:
        """Train on the accepted rows of a corpus; `validation` decides when to stop."""

    @abstractmethod
    def loss(self, rows: Rows | pa.Table) -> Floats:
        """Return the (n,) mean cross-entropy of each row's completion, in nats a token.

        Each row is the only answer to its question. NaN for a row that no completion expresses, or
        that is too long for the model.
        """


def _check_spans(student: SpanStudent, value: Any, texts: Sequence[str] | str) -> str:
    texts = text_list(texts)
    if not isinstance(value, list) or len(value) != len(texts):
        return (
            f"returned {short_form(value)} for {len(texts):,} texts; return a list of their spans"
        )
    for text, spans in zip(texts, value, strict=True):
        for span in spans:
            if not isinstance(span, TypedSpan):
                return f"returned {short_form(span)}; return objects of TypedSpan"
            if not 0 <= span.start < span.end <= len(text) or span.type not in student.types:
                return (
                    f"returned {span!r}, which is no span of the text or of no type of the student"
                )
    return ""


class SpanStudent(StudentModel):
    """A student that marks spans of texts, each of one of T types."""

    learns = "spans"
    returns: ClassVar[Mapping[str, Check]] = {"save": check_saved, "spans": _check_spans}
    arguments = frozenset({"types", "seed"})

    def __init__(self, types: Sequence[str] = (), seed: int = 0, **options: Any) -> None:
        """Name the types and check the options.

        Args:
            types: All types, also those without a training span; by default those of the training
                rows, sorted.
            seed: The same rows and seed give the same student.
            options: Options of the student.
        """
        super().__init__(**options)
        if isinstance(types, str) or not all(isinstance(one, str) for one in types):
            raise StudentError(f"types: a list of names is needed, not {types!r}")
        if len(set(types)) != len(types):
            raise StudentError("types: a name stands twice; give each type its own name")
        self.types: tuple[str, ...] = tuple(types)
        self._given_types = self.types
        self.seed = validated_seed(seed)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.types)} types>"

    @abstractmethod
    def fit(self, train: TaggedTexts, validation: TaggedTexts | None = None) -> Self:
        """Train anew, also if the student was trained before.

        Args:
            train: Training rows.
            validation: Rows that decide which epoch is kept.

        Raises:
            StudentError: The rows cannot train a tagger: no span, an unknown type.
            TrainingError: The loss is not finite.
        """

    @abstractmethod
    def spans(self, texts: Sequence[str] | str) -> list[Spans]:
        """Return the spans of each text, in its order, with their confidence."""

    def check_training_rows(self, rows: TaggedTexts, what: str = "training rows") -> None:
        """Check training rows, take the types from them, and record their hashes.

        Raises:
            StudentError: A type is unknown, or no row has a span.
        """
        if not rows.types:
            raise StudentError(f"{what} have no span; a tagger needs rows with spans")
        self.types = self._given_types or tuple(rows.types)
        self.check_types(rows, what)
        self.training_hashes = frozenset(text_hashes(rows.texts))

    def check_types(self, rows: TaggedTexts, what: str = "validation rows") -> None:
        """Refuse a type that is none of the student's."""
        if unknown := sorted(set(rows.types) - set(self.types)):
            raise StudentError(
                f"{what}: {unknown[0]!r} is none of the {len(self.types)} types of the"
                f" student{nearest(unknown[0], list(self.types))}"
            )
