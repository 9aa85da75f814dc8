"""The linear student: TF-IDF, hashed or embedded text under a logistic regression. Trained in about a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.artifacts.settings import Name
from synthkd.encoders.reference import EncoderReference, resolve_encoder_path
from synthkd.errors import StudentError, nearest, require_extra
from synthkd.students.base import Classifier, Floats, Ints, LabelledTexts, text_list
from synthkd.students.classifiers import files
from synthkd.students.classifiers.class_names import (
    add_class_name_rows,
    check_name_weight,
    is_number,
    is_whole,
)
from synthkd.students.classifiers.heads import (
    MultinomialHead,
    out_of_fold_temperature,
    probabilities_with_floor,
    training_weights,
)
from synthkd.students.classifiers.temperature import fit_temperature
from synthkd.students.classifiers.tfidf import WordFeatures

#: C of the logistic regression where none is given; chosen on parts of BANKING77's training rows.
STRENGTHS = {"tfidf": 10.0, "hashing": 10.0, "embeddings": 30.0}
#: Texts that are in memory as features at a time.
_WINDOW = 4096
_VERSION = 2
#: Numbers in a matrix of weights at most: 4 GB.
_MOST = 1 << 30


class _Settings(files.ClassifierSettings):
    rows: Annotated[int, Field(ge=1, le=1 << 40)]
    vocabularies: list[list[Name]] | None = None
    encoder: EncoderReference | None = None


class LinearStudent(Classifier):
    """Logistic regression on features of a text.

    ``features``: `tfidf` (words, pairs of words, pieces of words; the vocabulary comes from the training rows), `hashing`
    (the same in 2**``bits`` columns each, without a vocabulary), or `embeddings` (mean vectors of the frozen ``encoder``, a
    folder or hub name of a transformers model with safetensors). ``strength``: C of scikit-learn. ``class_weights``:
    `balanced` lets each class weigh the same. ``class_names``: the name of each class is a training row that counts as
    so many. ``calibrate``: fit a temperature on the validation rows, or out of fold
    where there are none.
    """

    name: ClassVar[str] = "linear"
    load_options: ClassVar[frozenset[str]] = frozenset({"encoder"})

    def __init__(
        self,
        classes: Sequence[str] = (),
        seed: int = 0,
        *,
        features: Literal["tfidf", "hashing", "embeddings"] = "tfidf",
        encoder: str | Path | None = None,
        strength: float | None = None,
        class_weights: Literal["balanced"] | None = None,
        class_names: float = 0.0,
        bits: int = 16,
        max_length: int | None = None,
        calibrate: bool = True,
        device: str | None = None,
    ) -> None:
        super().__init__(classes, seed)
        _require_packages(features == "embeddings")
        _check(features, encoder, strength, class_weights, bits, max_length, calibrate)
        self.features, self.encoder = features, None if encoder is None else str(encoder)
        # The working folder may be another one when it is read.
        self._encoder_place = None if encoder is None else resolve_encoder_path(str(encoder))
        self.strength = STRENGTHS[features] if strength is None else float(strength)
        check_name_weight(self.name, class_names)
        self.class_names = float(class_names)
        self.class_weights, self.bits, self.max_length = class_weights, bits, max_length
        self.calibrate, self.device, self.temperature = calibrate, device, 1.0
        self._asked = self.classes
        self._words = WordFeatures(bits if features == "hashing" else None)
        self._head: MultinomialHead | None = None
        self._encoder_hash = ""
        #: Of a loaded student on embeddings: what its folder says of the encoder, the folder, and what the user says.
        self._named: tuple[EncoderReference, Path, str | None] | None = None

    def fit(self, train: LabelledTexts, validation: LabelledTexts | None = None) -> Self:
        self.classes = self._asked
        self.check_training_rows(train)
        if validation is not None and len(validation):
            self.check_labels(validation, "validation rows")
        self._head, self._encoder_hash, self._named = None, "", None
        rows, train = len(train), add_class_name_rows(train, self.classes, self.class_names)
        places, count = self.label_indices(train.labels), len(self.classes)
        weights = training_weights(train, places, count, self.class_weights == "balanced")
        matrix = self._words.fit(train.texts) if self.features != "embeddings" else self._matrix(train.texts)
        if not isinstance(matrix, np.ndarray) and not matrix.nnz:
            raise StudentError(
                "no training row has a word or a sign in it; a student on words has nothing to learn from"
            )
        self._head = MultinomialHead.fit(matrix, places, count, weights, self.strength)
        self.temperature = 1.0
        if not self.calibrate:
            return self
        if validation is not None and len(validation):
            logits = self._head.logits(self._matrix(validation.texts))
            self.temperature = fit_temperature(
                logits, self.label_indices(validation.labels), validation.weights
            )
        else:
            self.temperature = out_of_fold_temperature(
                lambda known, new: self._apart(train.texts, matrix, known, new),
                places, count, weights, self.strength, self.seed, rows,
            )  # fmt: skip
        return self

    def probabilities(self, texts: Sequence[str] | str) -> Floats:
        if self._head is None:
            raise StudentError("this student was not trained yet: `fit` comes before `probabilities`")
        texts = text_list(texts)
        parts = [
            probabilities_with_floor(
                self._logits(texts[start : start + _WINDOW]), self.temperature, self._head.rows
            )
            for start in range(0, len(texts), _WINDOW)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)))

    def _logits(self, texts: Sequence[str]) -> Floats:
        assert self._head is not None
        return self._head.logits(self._matrix(texts))

    def _matrix(self, texts: Sequence[str]) -> Any:
        """(n, d) features: CSR of words, or an array of vectors."""
        if self.features != "embeddings":
            return self._words.of(texts)
        from synthkd.encoders.frozen import embed_texts, load_frozen_encoder, load_referenced_encoder

        if self._named is not None:
            reference, folder, given = self._named
            vectors, self.encoder = load_referenced_encoder(
                reference, folder, given, self.max_length, self.device
            )
            self._encoder_place = self.encoder
            self._named = None
            width = int(vectors.model.config.hidden_size)
            if self._head is not None and len(self._head.weight) != width:
                raise STUDENT_ARTIFACT.refuse(
                    folder / files.ARRAYS, f"weight: {width} rows are needed for this encoder"
                )
            return embed_texts(vectors, texts)
        assert self._encoder_place is not None
        vectors = load_frozen_encoder(self._encoder_place, self.max_length, self.device)
        if self._encoder_hash not in ("", vectors.content) and self._head is not None:
            raise StudentError(
                f"the encoder {self.encoder!r} is another one now than at training; put the right one there, or train again"
            )
        self._encoder_hash = vectors.content
        return embed_texts(vectors, texts)

    def _apart(self, texts: Sequence[str], matrix: Any, known: Ints, new: Ints) -> tuple[Any, Any]:
        """Features of two parts of the training rows; a vocabulary is that of the first part alone."""
        if self.features == "embeddings":
            return matrix[known], matrix[new]
        words = WordFeatures(self._words.blocks[0].bits)
        return words.fit([texts[row] for row in known]), words.of([texts[row] for row in new])

    def save(self, folder: Path) -> None:
        """Arrays and JSON. An encoder is named by its content and not copied."""
        if self._head is None:
            raise StudentError("this student was not trained yet: nothing to save")
        arrays: dict[str, Any] = {"bias": self._head.bias, "weight": self._head.weight}
        settings: dict[str, Any] = {
            "classes": list(self.classes), "seed": self.seed, "options": self.options(),
            "temperature": self.temperature, "rows": self._head.rows,
        }  # fmt: skip
        if self.encoder is not None:
            named = (
                self._named[0]
                if self._named
                else EncoderReference.of(self._encoder_place or self.encoder, self._encoder_hash, folder)
            )
            settings["encoder"] = named.model_dump()
            settings["options"]["encoder"] = named.name
        if self.features != "embeddings":
            arrays |= {f"idf_{number}": block.idf for number, block in enumerate(self._words.blocks)}
        if self.features == "tfidf":
            settings["vocabularies"] = [list(block.vocabulary) for block in self._words.blocks]
        if self.features == "hashing":  # most columns were never met
            used = np.flatnonzero(self._head.weight.any(1))
            arrays |= {"weight": self._head.weight[used], "columns": used}
        files.write(folder, self.name, _VERSION, settings, arrays)

    def options(self) -> dict[str, Any]:
        """The keyword arguments that it was made with, defaults filled in."""
        return {
            "features": self.features, "encoder": self.encoder, "strength": self.strength,
            "class_weights": self.class_weights, "class_names": self.class_names, "bits": self.bits, "max_length": self.max_length,
            "calibrate": self.calibrate,
        }  # fmt: skip

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        """``encoder``: folder or hub name of its encoder, if it has one that is not found by itself."""
        settings, arrays = files.read(folder, cls.name, _VERSION, _Settings)
        student = cls(tuple(settings.classes), settings.seed, **_options(folder, settings))
        student.temperature = settings.temperature
        given = options.get("encoder")
        if (student.features == "embeddings") != (settings.encoder is not None):
            raise STUDENT_ARTIFACT.refuse(
                folder / files.SETTINGS, "encoder: needed for `features: embeddings`, and for no other"
            )
        if settings.encoder is not None:
            student._encoder_hash = settings.encoder.sha256
            given = None if given is None else resolve_encoder_path(str(given))
            student._named = (settings.encoder, folder.resolve(), given)
        elif given is not None:
            raise StudentError(f"{folder}: it was trained without an encoder; leave `encoder` out")
        student._head = student._read_head(folder, settings, arrays)
        return student

    def _read_head(self, folder: Path, settings: _Settings, arrays: dict[str, Any]) -> MultinomialHead:
        """Weights, and what the features learnt, checked against each other."""
        path, count = folder / files.ARRAYS, len(self.classes)
        widths: list[int] = []
        if self.features == "tfidf":
            vocabularies = settings.vocabularies or []
            if len(vocabularies) != 2 or any(len(set(words)) != len(words) for words in vocabularies):
                raise STUDENT_ARTIFACT.refuse(
                    folder / files.SETTINGS, "vocabularies: two lists of distinct words are needed"
                )
            widths = [len(words) for words in vocabularies]
            for block, words in zip(self._words.blocks, vocabularies, strict=True):
                block.vocabulary = {word: at for at, word in enumerate(words)}
        elif self.features == "hashing":
            widths = [1 << self.bits] * 2
        shapes = {
            "bias": Array("float64", (count,), infinite=True),
            "weight": Array("float32", ("used" if self.features == "hashing" else "width", count)),
        } | {f"idf_{number}": Array("float64", (width,), 0, 100) for number, width in enumerate(widths)}
        if self.features == "hashing":
            shapes["columns"] = Array("int64", ("used",), 0, sum(widths) - 1)
        check_arrays(path, arrays, shapes, STUDENT_ARTIFACT, **({"width": sum(widths)} if widths else {}))
        if not np.isfinite(arrays["bias"]).any():
            raise STUDENT_ARTIFACT.refuse(path, "bias: no class has one")
        for number, block in enumerate(self._words.blocks if widths else ()):
            block.idf = arrays[f"idf_{number}"]
        weight = arrays["weight"]
        if self.features == "hashing":
            if sum(widths) * count > _MOST:
                raise STUDENT_ARTIFACT.refuse(
                    folder / files.SETTINGS, f"bits: {sum(widths):,} columns of {count:,} classes"
                )
            weight = np.zeros((sum(widths), count), dtype=np.float32)
            weight[arrays["columns"]] = arrays["weight"]
        return MultinomialHead(weight, arrays["bias"], settings.rows)


def _options(folder: Path, settings: _Settings) -> dict[str, Any]:
    """The options as the constructor takes them: those that it knows, of its folder's."""
    known = {
        "features", "encoder", "strength", "class_weights", "class_names", "bits", "max_length", "calibrate",
    }  # fmt: skip
    if set(settings.options) != known:
        raise STUDENT_ARTIFACT.refuse(
            folder / files.SETTINGS, f"options: {', '.join(sorted(known))} are needed, and no other"
        )
    return settings.options


def _require_packages(embeddings: bool) -> None:
    require_extra("the linear student", "students", "sklearn")
    if embeddings:
        require_extra("a student on embeddings", "students", "torch", "transformers", "safetensors")


def _check(
    features: str,
    encoder: str | Path | None,
    strength: float | None,
    class_weights: str | None,
    bits: int,
    length: int | None,
    calibrate: bool,
) -> None:
    if not isinstance(features, str) or features not in STRENGTHS:
        raise StudentError(
            f"student 'linear': unknown features {features!r}{nearest(str(features), list(STRENGTHS))}"
        )
    if (encoder is not None) != (features == "embeddings"):
        raise StudentError("student 'linear': `encoder` and `features: embeddings` belong together")
    if class_weights not in (None, "balanced"):
        raise StudentError(f"student 'linear': `class_weights` is `balanced` or none, not {class_weights!r}")
    for name, value, good, what in (
        ("strength", strength, strength is None or (is_number(strength) and strength > 0), "above 0"),
        ("bits", bits, is_whole(bits) and 8 <= bits <= 22, "a whole number from 8 to 22"),
        (
            "max_length",
            length,
            length is None or (is_whole(length) and length >= 3),
            "3 at least, or left out",
        ),
        ("calibrate", calibrate, isinstance(calibrate, bool), "true or false"),
    ):
        if not good:
            raise StudentError(f"student 'linear': `{name}` must be {what}, not {value!r}")
