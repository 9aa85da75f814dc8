"""What a student is."""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from synthkd.errors import StudentError, nearest
from synthkd.students.training_hashes import text_hashes

#: Characters of a name that no reader sees and no spelling needs.
_UNSEEN = dict.fromkeys([0x00AD, 0x200B, 0x2060, 0xFEFF])
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class LabelledTexts:
    """Labelled texts to train on or to judge by; all of equal length n.

    ``weights`` (n,): how much a row counts; None for 1 each. ``soft`` (n, C): a teacher's probabilities in the order of the
    classes that the student was made with, for the objectives that learn from them.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    weights: Floats | None = None
    soft: Floats | None = None

    def __post_init__(self) -> None:
        sizes = {len(part) for part in (self.texts, self.labels, self.weights, self.soft) if part is not None}
        if len(sizes) > 1:
            raise ValueError(f"texts, labels, weights and soft labels differ in length: {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int] | Ints) -> LabelledTexts:
        """These rows, in this order."""
        places = [int(row) for row in rows]
        return replace(
            self,
            texts=tuple(self.texts[i] for i in places),
            labels=tuple(self.labels[i] for i in places),
            weights=None if self.weights is None else self.weights[places],
            soft=None if self.soft is None else self.soft[places],
        )


def normal_class_name(text: str) -> str:
    """The name of a class as all readers take it: NFC, single blanks, none at the ends, no characters without a width.

    Names with commas or quotes, numbers, and names such as ``NA`` or ``None`` are names like any.
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(_UNSEEN)).split())


def check_known_labels(
    labels: Sequence[str], classes: Sequence[str], where: str = "", remedy: str = ""
) -> None:
    """Refuse a label that is none of the classes; ``where`` the labels stand, and what to do: ``remedy``."""
    known = set(classes)
    for number, label in enumerate(labels, 1):
        if label not in known:
            hint = nearest(str(label), sorted(known)) if len(known) <= 20 else ""
            said = f"row {number}: {label!r} is none of the {len(known)} classes of the student{hint}{remedy}"
            raise StudentError(f"{where} {said}" if where else said)


def check_distinct_names(classes: Sequence[str]) -> None:
    """Refuse classes whose names differ in blanks or Unicode form alone (`class_name`)."""
    known: dict[str, str] = {}
    for name in classes:
        if (other := known.setdefault(normal_class_name(name), name)) != name:
            raise StudentError(
                f"the class {name!r} reads the same as {other!r}; write the labels alike (`students.rows.read_texts` does)"
            )


def label_indices(labels: Sequence[str], classes: Sequence[str]) -> Ints:
    """(n,) place of each label among the classes."""
    known = {label: place for place, label in enumerate(classes)}
    return np.fromiter((known[label] for label in labels), np.int64, len(labels))


def text_list(given: Iterable[Any]) -> list[str]:
    """The texts of a list, an array or a column; a string is one text. Raises `StudentError` for what is no text."""
    if isinstance(given, Mapping | bytes) or hasattr(given, "columns") or not hasattr(given, "__iter__"):
        # A table would give the names of its columns.
        raise StudentError(
            f"texts: a {type(given).__name__} was given; give a text, a list of texts or one column of a table"
        )
    texts = [given] if isinstance(given, str) else list(given)
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            said = "empty" if text is None or text != text else f"a {type(text).__name__}"
            raise StudentError(f"text {number:,} of {len(texts):,} is {said}, where a text is needed")
    return texts


def validated_seed(seed: Any) -> int:
    """The seed, where it is one that every generator of random numbers takes."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 1 << 32:
        raise StudentError(f"seed: a whole number from 0 to {(1 << 32) - 1} is needed, not {seed!r}")
    return int(seed)


def check_option_names(given: Iterable[Any], known: Sequence[str], what: str) -> None:
    """Raise `StudentError` for the first option that ``what`` does not have, with the nearest one that it has."""
    for name in given:
        if name not in known:
            raise StudentError(f"{what}: no option {name!r}{nearest(str(name), list(known))}")


class Student(ABC):
    """What classifiers and generators share. Options are keyword arguments of the constructor; a wrong one is refused
    there, before anything is read."""

    name: ClassVar[str]
    #: Options that `load` takes, for what a folder does not say.
    load_options: ClassVar[frozenset[str]] = frozenset()
    #: Hashes of its training rows (`students.training_hashes`); they are kept in its folder.
    training_hashes: frozenset[int] = frozenset()
    #: What it learns: labels of texts, or knowledge of a kind as text.
    learns: ClassVar[Literal["labels", "text"]]

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write safetensors, arrays and JSON into an existing empty folder; nothing that can run code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        """Read what `save` wrote; ``options`` are some of `load_options`. Raises `StudentError` for what is missing, cut, altered or of another version."""


class Classifier(Student):
    """Texts to one of C classes."""

    learns = "labels"

    def __init__(self, classes: Sequence[str] = (), seed: int = 0) -> None:
        """``classes``: all that there are, also those without a training row; none: those of the training rows, sorted."""
        if isinstance(classes, str) or not all(isinstance(one, str) for one in classes):
            raise StudentError(
                f"classes: a list of names is needed, not {classes!r}; quote what YAML takes for another value, such as 'no'"
            )
        if len(set(classes)) != len(classes):
            raise StudentError("a class stands twice among the classes")
        check_distinct_names(classes)
        self.classes: tuple[str, ...] = tuple(classes)
        self.seed = validated_seed(seed)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.classes)} classes>"

    @abstractmethod
    def fit(self, train: LabelledTexts, validation: LabelledTexts | None = None) -> Self:
        """Train from nothing, also when it was trained before; the same rows and seed give the same student.

        ``validation`` decides when to stop and calibrates the probabilities; without it a part of ``train`` does, or nothing.
        Raises `StudentError` for rows that cannot train (one class, an unknown label) and `TrainingError` for a loss that
        is no number.
        """

    @abstractmethod
    def probabilities(self, texts: Sequence[str] | str) -> Floats:
        """(n, C) calibrated probabilities, in the order of ``classes``; each row sums to 1. A string is one text."""

    def predict(self, texts: Sequence[str] | str) -> list[str]:
        """The likeliest class of each text; a string is one text."""
        texts = text_list(texts)
        if not texts:
            return []
        return [self.classes[place] for place in self.probabilities(texts).argmax(1)]

    def check_training_rows(self, rows: LabelledTexts, what: str = "training rows") -> None:
        """Take the classes from the rows if none were given, and note the rows; refuse what no training can come from."""
        present = sorted(set(rows.labels))
        check_distinct_names(present)
        if not self.classes:
            self.classes = tuple(present)
        self.check_labels(rows, what)
        self.training_hashes = frozenset(text_hashes(rows.texts))
        if len(present) < 2:
            has = f"have the one class {present[0]!r}" if present else "are none"
            raise StudentError(f"{what} {has}; a classifier needs rows of two classes at least")

    def check_labels(self, rows: LabelledTexts, what: str = "validation rows") -> None:
        """Refuse a label that is none of the classes."""
        check_known_labels(rows.labels, self.classes, f"{what},")

    def label_indices(self, labels: Sequence[str]) -> Ints:
        """(n,) place of each label among the classes."""
        return label_indices(labels, self.classes)
