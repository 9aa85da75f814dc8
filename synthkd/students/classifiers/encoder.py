"""The encoder student: a transformers encoder, fine-tuned or tuned contrastively."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.errors import StudentError, require_extra
from synthkd.recipe.published_values import public_name
from synthkd.students.base import Classifier, Floats, LabelledTexts, in_windows, text_list
from synthkd.students.classifiers.class_names import add_class_name_rows
from synthkd.students.classifiers.files import (
    ARRAYS,
    CLASSIFIER_FILES,
    SETTINGS,
    ClassifierSettings,
    read_classifier,
)
from synthkd.students.classifiers.heads import training_weights
from synthkd.students.classifiers.options import EncoderOptions
from synthkd.students.classifiers.temperature import class_folds, softmax_at

if TYPE_CHECKING:
    from synthkd.students.classifiers.training import IndexedTexts, TrainedEncoder

#: Folder of the tuned encoder in the student's folder.
MODEL = "encoder"
#: Texts that are in memory as token ids at a time.
_WINDOW = 16_384
#: Without validation rows, one of this many folds is held out of a first training.
_FOLDS = 5
_VERSION = 1


class _Settings(ClassifierSettings):
    max_length: Annotated[int, Field(ge=1, le=1_000_000)]
    history: dict[str, Any]


class EncoderStudent(Classifier):
    """A classifier on a transformers encoder with safetensors.

    Attributes:
        model: After training, a torch module from token ids to logits, before the temperature.
        tokenizer: Its tokenizer.
        max_length: Tokens that are read of a text.
        temperature: The calibrating temperature.
        history: Losses of the epochs, the epoch that was kept, rows that were cut.
    """

    name: ClassVar[str] = "encoder"
    exports_onnx: ClassVar[bool] = True
    path_options: ClassVar[frozenset[str]] = frozenset({"base"})
    Options = EncoderOptions
    options: EncoderOptions

    def __init__(self, classes: Sequence[str] = (), seed: int = 0, **options: Any) -> None:
        super().__init__(classes, seed, **options)
        require_extra(
            "the encoder student", "students", "torch", "transformers", "sklearn", "safetensors"
        )
        from synthkd.encoders.device import pick_device

        self.device = pick_device(self.options.device)
        self.model: Any = None
        self.tokenizer: Any = None
        self.max_length, self.temperature = 0, 1.0
        self.history: dict[str, Any] = {}

    @property
    def kept_epoch(self) -> int:
        return int(self.history.get("kept", 0))

    def fit(self, train: LabelledTexts, validation: LabelledTexts | None = None) -> Self:
        """Train from the base encoder (see `Classifier.fit`).

        After a `TrainingError` the student has the weights of the best epoch before the error, or
        is unchanged if no epoch ended.
        """
        before = self.classes
        try:
            self.check_training_rows(train)
            if validation is not None and len(validation):
                self.check_labels(validation)
                trained = self._train(
                    self.options,
                    self._with_class_names(train),
                    self._labelled_rows(validation, False),
                )
            elif self.options.calibrate:
                trained = self._train_twice(train)
            else:
                trained = self._train(self.options, self._with_class_names(train), None)
        except BaseException:
            self.classes = before
            raise
        self._adopt(trained)
        if trained.error is not None:
            raise trained.error
        return self

    def _labelled_rows(self, rows: LabelledTexts, balanced: bool) -> IndexedTexts:
        from synthkd.students.classifiers.training import IndexedTexts

        labels = self.label_indices(rows.labels)
        if balanced or rows.weights is not None:
            return IndexedTexts(rows, labels, training_weights(rows, labels, balanced))
        return IndexedTexts(rows, labels, np.ones(len(rows)))

    def _train(
        self, options: EncoderOptions, rows: IndexedTexts, validation: IndexedTexts | None
    ) -> TrainedEncoder:
        from synthkd.students.classifiers.training import train_encoder

        return train_encoder(options, len(self.classes), rows, validation, self.seed, self.device)

    def _with_class_names(self, train: LabelledTexts) -> IndexedTexts:
        rows = add_class_name_rows(train, self.classes, self.options.names_for(self.classes))
        return self._labelled_rows(rows, self.options.class_weights == "balanced")

    def _train_twice(self, train: LabelledTexts) -> TrainedEncoder:
        """Train on four fifths of the rows, to find epochs and temperature; then on all rows."""
        split = next(class_folds(self.label_indices(train.labels), _FOLDS, self.seed), None)
        if split is None:  # too few rows for two parts
            return self._train(self.options, self._with_class_names(train), None)
        part, held_out = (train.take(rows) for rows in split)
        first = self._train(
            self.options, self._with_class_names(part), self._labelled_rows(held_out, False)
        )
        if first.error is not None:
            return first
        options = self.options.with_epochs(first.history.kept)
        trained = self._train(options, self._with_class_names(train), None)
        trained.temperature, trained.history.validation = (
            first.temperature,
            first.history.validation,
        )
        return trained

    def _adopt(self, trained: TrainedEncoder) -> None:
        self.model, self.tokenizer = trained.module, trained.tokenizer
        self.max_length, self.temperature = trained.max_length, trained.temperature
        self.history = asdict(trained.history)

    def probabilities(self, texts: Sequence[str] | str) -> Floats:
        return in_windows(
            text_list(texts), _WINDOW, len(self.classes),
            lambda part: softmax_at(self.logits(part), self.temperature),
        )  # fmt: skip

    def logits(self, texts: Sequence[str]) -> Floats:
        """Return (n, C) logits, before the temperature."""
        from synthkd.encoders.batches import tokenize_texts
        from synthkd.encoders.forward import forward_in_batches

        if self.model is None:
            raise StudentError(
                "this student was not trained yet: `fit` comes before `probabilities`"
            )
        rows = tokenize_texts(self.tokenizer, list(texts), self.max_length)
        return forward_in_batches(
            self.model, lambda fields: self.model(**fields), rows, self.device
        )

    def recorded_options(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor, with defaults; without the device."""
        return self.options.model_dump(exclude={"device"})

    def save(self, folder: Path) -> None:
        """Write the tuned encoder as a checkpoint, the head as arrays, settings as JSON."""
        from synthkd.encoders.device import quiet_transformers

        if self.model is None:
            raise StudentError("this student was not trained yet: nothing to save")
        with quiet_transformers():
            self.model.encoder.save_pretrained(folder / MODEL)
            self.tokenizer.save_pretrained(folder / MODEL)
        head = {name: value.cpu().numpy() for name, value in self.model.head.state_dict().items()}
        settings = {
            "student": self.name, "version": _VERSION, "classes": list(self.classes),
            "seed": self.seed,
            "options": {**self.recorded_options(), "base": public_name(self.options.base)},
            "max_length": self.max_length,
            "temperature": self.temperature, "history": self.history,
        }  # fmt: skip
        CLASSIFIER_FILES.write(folder, settings, head)

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        settings, arrays = read_classifier(folder, cls, _VERSION, _Settings)
        student = cls(settings.classes, settings.seed, **settings.options)
        student.max_length, student.temperature = settings.max_length, settings.temperature
        student.history = settings.history
        student._load_module(folder, arrays)
        return student

    def _load_module(self, folder: Path, head: dict[str, Any]) -> None:
        import torch

        from synthkd.encoders.load import load_classifier_encoder, usable_length
        from synthkd.students.classifiers.module import EncoderClassifier

        if not (folder / MODEL).is_dir():
            raise STUDENT_ARTIFACT.refuse(folder / MODEL, "missing")
        encoder, self.tokenizer = load_classifier_encoder(str(folder / MODEL), own=True)
        count, width = len(self.classes), int(encoder.config.hidden_size)
        shapes = {"weight": Array("float32", (count, width)), "bias": Array("float32", (count,))}
        check_arrays(folder / ARRAYS, head, shapes, STUDENT_ARTIFACT)
        if usable_length(encoder, self.tokenizer, self.max_length) != self.max_length:
            raise STUDENT_ARTIFACT.refuse(
                folder / SETTINGS, f"max_length: {self.max_length} is more than the encoder reads"
            )
        unit = self.options.start == "contrastive"
        self.model = EncoderClassifier(encoder, len(self.classes), unit, self.options.dropout)
        self.model.head.load_state_dict(
            {name: torch.from_numpy(value.copy()) for name, value in head.items()}
        )
        self.model.to(self.device).train(False)
