"""The linear student: logistic regression on words or on vectors of an encoder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.artifacts.settings import Name
from synthkd.encoders.reference import EncoderReference
from synthkd.errors import StudentError, require_extra
from synthkd.options import BaseOptions, PathText
from synthkd.students.base import Classifier, Floats, LabelledTexts, in_windows, text_list
from synthkd.students.classifiers.class_names import add_class_name_rows
from synthkd.students.classifiers.encoder_features import EncoderFeatures
from synthkd.students.classifiers.files import (
    ARRAYS,
    CLASSIFIER_FILES,
    SETTINGS,
    ClassifierSettings,
    read_classifier,
)
from synthkd.students.classifiers.heads import (
    MultinomialHead,
    out_of_fold_temperature,
    probabilities_with_floor,
    training_weights,
)
from synthkd.students.classifiers.temperature import fit_temperature
from synthkd.students.classifiers.tfidf import WordFeatures
from synthkd.students.rows import LEAST_OF_CLASS, sampled_texts

_LOG = logging.getLogger("synthkd")
#: Options that a student's folder does not hold.
_UNRECORDED = {"device", "max_rows"}
#: Default C of the logistic regression by features, chosen on parts of BANKING77's training rows.
_STRENGTHS = {"tfidf": 10.0, "hashing": 10.0, "embeddings": 30.0}
#: Texts that are in memory as features at a time.
_WINDOW = 4096
_VERSION = 2
#: Entries of a matrix of weights at most: 4 GB.
_MAX_WEIGHTS = 1 << 30


class _Settings(ClassifierSettings):
    rows: Annotated[int, Field(ge=1, le=1 << 40)]
    vocabularies: list[list[Name]] | None = None
    encoder: EncoderReference | None = None


class LinearStudent(Classifier):
    """Logistic regression on features of a text."""

    name: ClassVar[str] = "linear"
    load_options: ClassVar[frozenset[str]] = frozenset({"encoder"})
    path_options: ClassVar[frozenset[str]] = frozenset({"encoder"})

    class Options(BaseOptions):
        features: Literal["tfidf", "hashing", "embeddings"] = Field(
            "tfidf",
            description="`tfidf`: words, pairs of words and n-grams, with a vocabulary from the"
            " training rows; `hashing`: the same in 2**`bits` columns each, without a vocabulary;"
            " `embeddings`: mean vectors of the frozen `encoder`.",
        )
        encoder: PathText | None = Field(
            None,
            description="Folder or hub name of a transformers encoder with safetensors, for"
            " `features: embeddings`.",
        )
        strength: float = Field(
            default_factory=lambda before: _STRENGTHS[before.get("features", "tfidf")],
            gt=0,
            description="C of scikit-learn: the weight of the rows against the penalty. With"
            f" `features: embeddings` the default is {_STRENGTHS['embeddings']}.",
        )
        class_weights: Literal["balanced"] | None = Field(
            None, description="`balanced` gives each class the same weight."
        )
        class_names: float = Field(
            0.0, ge=0, description="Weight of the name of each class as a training row."
        )
        bits: int = Field(
            16, ge=8, le=22, description="Logarithm to base 2 of the columns of `hashing`."
        )
        max_length: int | None = Field(
            None,
            ge=3,
            description="Tokens read of a text. Default: 128, or fewer if the encoder reads fewer.",
        )
        calibrate: bool = Field(
            True,
            description="Fit a temperature, on the validation rows or else out of fold.",
        )
        max_rows: int = Field(
            200_000,
            ge=100,
            description="Training rows at most. Of more, a seeded sample by the hash of text and"
            f" label is taken, with {LEAST_OF_CLASS} rows of each class at least; output, manifest"
            " and card tell it. Time and memory grow with this number, not with the rows.",
        )
        device: str | None = Field(None, description="Device of the encoder. Default: the fastest.")

        @model_validator(mode="after")
        def _embeddings_have_an_encoder(self) -> Self:
            if (self.encoder is not None) != (self.features == "embeddings"):
                raise ValueError("`encoder` and `features: embeddings` belong together")
            return self

    options: Options

    def __init__(self, classes: Sequence[str] = (), seed: int = 0, **options: Any) -> None:
        super().__init__(classes, seed, **options)
        given = self.options
        _require_packages(given.features == "embeddings")
        self.temperature = 1.0
        self._features: WordFeatures | EncoderFeatures = (
            WordFeatures(given.bits if given.features == "hashing" else None)
            if given.encoder is None
            else EncoderFeatures(given.encoder, given.max_length, given.device)
        )
        self._head: MultinomialHead | None = None

    @property
    def encoder(self) -> str | None:
        """Folder or hub name of the frozen encoder."""
        return self._features.encoder if isinstance(self._features, EncoderFeatures) else None

    @property
    def max_rows(self) -> int | None:
        return self.options.max_rows

    def fit(self, train: LabelledTexts, validation: LabelledTexts | None = None) -> Self:
        train = self._sampled(train)
        self.check_training_rows(train)
        if validation is not None and len(validation):
            self.check_labels(validation, "validation rows")
        rows, train = len(train), add_class_name_rows(train, self.classes, self.options.class_names)
        labels, count = self.label_indices(train.labels), len(self.classes)
        weights = training_weights(train, labels, self.options.class_weights == "balanced")
        self._head = None
        matrix = self._features.fit(train.texts)
        if not isinstance(matrix, np.ndarray) and not matrix.nnz:
            raise StudentError(
                "no training row has a word or a sign in it; a student on words has nothing to"
                " learn from"
            )
        self._head = MultinomialHead.fit(matrix, labels, count, weights, self.options.strength)
        self.temperature = 1.0
        if not self.options.calibrate:
            return self
        if validation is not None and len(validation):
            logits = self._logits(validation.texts)
            self.temperature = fit_temperature(
                logits, self.label_indices(validation.labels), validation.weights
            )
        else:
            self.temperature = out_of_fold_temperature(
                lambda part, held_out: self._features.fold(train.texts, matrix, part, held_out),
                labels, count, weights, self.options.strength, self.seed, rows,
            )  # fmt: skip
        return self

    def _sampled(self, train: LabelledTexts) -> LabelledTexts:
        """Return at most `max_rows` rows; a sample is logged."""
        sample = sampled_texts(train, self.options.max_rows, self.seed)
        if len(sample) < len(train):
            _LOG.warning(
                "trained on a sample of %s of %s rows; the option `max_rows` takes more",
                f"{len(sample):,}", f"{len(train):,}",
            )  # fmt: skip
        return sample

    def probabilities(self, texts: Sequence[str] | str) -> Floats:
        if self._head is None:
            raise StudentError(
                "this student was not trained yet: `fit` comes before `probabilities`"
            )
        rows = self._head.rows
        return in_windows(
            text_list(texts), _WINDOW, len(self.classes),
            lambda part: probabilities_with_floor(self._logits(part), self.temperature, rows),
        )  # fmt: skip

    def _logits(self, texts: Sequence[str]) -> Floats:
        assert self._head is not None
        return self._head.logits(self._features.transform(texts))

    def recorded_options(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor, with defaults.

        Without the device and the number of training rows, which the trained student does not need.
        """
        return self.options.model_dump(exclude=_UNRECORDED) | {"encoder": self.encoder}

    def save(self, folder: Path) -> None:
        """Write arrays and JSON; the encoder is named by its content and not copied."""
        if self._head is None:
            raise StudentError("this student was not trained yet: nothing to save")
        arrays: dict[str, Any] = {"bias": self._head.bias, "weight": self._head.weight}
        settings: dict[str, Any] = {
            "student": self.name, "version": _VERSION, "classes": list(self.classes),
            "seed": self.seed, "options": self.recorded_options(),
            "temperature": self.temperature, "rows": self._head.rows,
        }  # fmt: skip
        if isinstance(self._features, EncoderFeatures):
            reference = self._features.reference(folder)
            settings["encoder"] = reference.model_dump()
            settings["options"]["encoder"] = reference.name
        else:
            arrays |= {
                f"idf_{number}": block.idf for number, block in enumerate(self._features.blocks)
            }
            if self.options.features == "tfidf":
                settings["vocabularies"] = [
                    list(block.vocabulary) for block in self._features.blocks
                ]
            else:  # most of the hashed columns have no entry
                used = np.flatnonzero(self._head.weight.any(1))
                arrays |= {"weight": self._head.weight[used], "columns": used}
        CLASSIFIER_FILES.write(folder, settings, arrays)

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        """Read what `save` wrote.

        Args:
            folder: The student's folder.
            options: `encoder`: folder or hub name of the encoder, if it is not found by itself.
        """
        settings, arrays = read_classifier(folder, cls, _VERSION, _Settings)
        recorded = set(cls.Options.model_fields) - _UNRECORDED
        if set(settings.options) != recorded:
            raise STUDENT_ARTIFACT.refuse(
                folder / SETTINGS,
                f"options: {', '.join(sorted(recorded))} are needed, and no other",
            )
        student = cls(settings.classes, settings.seed, **settings.options)
        student.temperature = settings.temperature
        given = options.get("encoder")
        if isinstance(student._features, EncoderFeatures) != (settings.encoder is not None):
            raise STUDENT_ARTIFACT.refuse(
                folder / SETTINGS, "encoder: needed for `features: embeddings`, and for no other"
            )
        if settings.encoder is None and given is not None:
            raise StudentError(f"{folder}: it was trained without an encoder; leave `encoder` out")
        student._head = student._read_head(folder, settings, arrays)
        if isinstance(student._features, EncoderFeatures) and settings.encoder is not None:
            width = len(student._head.weight)
            student._features.restore(
                settings.encoder, folder, None if given is None else str(given), width
            )
        return student

    def _read_head(
        self, folder: Path, settings: _Settings, arrays: dict[str, Any]
    ) -> MultinomialHead:
        """Check weights and learnt features against each other, and restore the features."""
        path, count = folder / ARRAYS, len(self.classes)
        blocks = self._features.blocks if isinstance(self._features, WordFeatures) else ()
        if self.options.features == "tfidf":
            vocabularies = settings.vocabularies or []
            if len(vocabularies) != 2 or any(
                len(set(words)) != len(words) for words in vocabularies
            ):
                raise STUDENT_ARTIFACT.refuse(
                    folder / SETTINGS, "vocabularies: two lists of distinct words are needed"
                )
            for block, words in zip(blocks, vocabularies, strict=True):
                block.vocabulary = {word: column for column, word in enumerate(words)}
        widths = [block.width for block in blocks]
        hashed = self.options.features == "hashing"
        shapes = {
            "bias": Array("float64", (count,), infinite=True),
            "weight": Array("float32", ("used" if hashed else "width", count)),
        } | {
            f"idf_{number}": Array("float64", (width,), 0, 100)
            for number, width in enumerate(widths)
        }
        if hashed:
            shapes["columns"] = Array("int64", ("used",), 0, sum(widths) - 1)
        check_arrays(
            path, arrays, shapes, STUDENT_ARTIFACT, **({"width": sum(widths)} if widths else {})
        )
        if not np.isfinite(arrays["bias"]).any():
            raise STUDENT_ARTIFACT.refuse(path, "bias: no class has one")
        for number, block in enumerate(blocks):
            block.idf = arrays[f"idf_{number}"]
        weight = arrays["weight"]
        if hashed:
            if sum(widths) * count > _MAX_WEIGHTS:
                raise STUDENT_ARTIFACT.refuse(
                    folder / SETTINGS, f"bits: {sum(widths):,} columns of {count:,} classes"
                )
            weight = np.zeros((sum(widths), count), dtype=np.float32)
            weight[arrays["columns"]] = arrays["weight"]
        return MultinomialHead(weight, arrays["bias"], settings.rows)


def _require_packages(embeddings: bool) -> None:
    require_extra("the linear student", "students", "sklearn")
    if embeddings:
        require_extra("a student on embeddings", "students", "torch", "transformers", "safetensors")
