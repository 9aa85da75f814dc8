"""The encoder student: any transformers encoder, fine-tuned, or tuned by comparing texts where there are few rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.errors import StudentError, require_extra
from synthkd.recipe.published_values import public_name
from synthkd.students.base import Classifier, Floats, LabelledTexts, text_list
from synthkd.students.classifiers import files
from synthkd.students.classifiers.class_names import add_class_name_rows
from synthkd.students.classifiers.heads import training_weights
from synthkd.students.classifiers.options import EncoderOptions
from synthkd.students.classifiers.temperature import class_folds, softmax_at

if TYPE_CHECKING:
    from synthkd.students.classifiers.training import LabelledRows, TrainedEncoder

#: The folder of the tuned encoder in the student's.
MODEL = "encoder"
#: Texts that are in memory as token ids at a time.
_WINDOW = 16_384
#: One row in so many is held out of a first training where no validation rows are given.
_FOLDS = 5
_VERSION = 1


class _Settings(files.ClassifierSettings):
    max_length: Annotated[int, Field(ge=1, le=1_000_000)]
    history: dict[str, Any]


class EncoderStudent(Classifier):
    """``base``: folder or hub name of a transformers encoder with safetensors. The options are those of `EncoderOptions`.

    Once it is trained it has ``model`` (a torch module: token ids to logits before the temperature), ``tokenizer``,
    ``max_length``, ``temperature`` and ``history`` (losses of the epochs, the one that was kept, rows that were cut).
    """

    name: ClassVar[str] = "encoder"

    def __init__(
        self,
        classes: Sequence[str] = (),
        seed: int = 0,
        *,
        base: str | Path,
        start: Literal["none", "contrastive"] = "none",
        device: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(classes, seed)
        require_extra(
            "the encoder student", "students", "torch", "transformers", "accelerate", "sklearn", "safetensors"
        )
        from synthkd.encoders.load import pick_device

        self.base, self.settings = str(base), EncoderOptions.of(start=start, **options)
        self.device = pick_device(device)
        self.model: Any = None
        self.tokenizer: Any = None
        self.max_length, self.temperature = 0, 1.0
        self.history: dict[str, Any] = {}
        self._asked = self.classes

    def fit(self, train: LabelledTexts, validation: LabelledTexts | None = None) -> Self:
        """As `Classifier.fit`. After a `TrainingError` the student is that of the best epoch before it, or what it was."""
        before, self.classes = self.classes, self._asked
        try:
            self.check_training_rows(train)
            if validation is not None and len(validation):
                self.check_labels(validation)
                made = self._train(self.settings, self._named(train), self._labelled(validation, False))
            elif self.settings.calibrate:
                made = self._twice(train)
            else:
                made = self._train(self.settings, self._named(train), None)
        except BaseException:
            self.classes = before
            raise
        self._take(made)
        if made.error is not None:
            raise made.error
        return self

    def _labelled(self, rows: LabelledTexts, balanced: bool) -> LabelledRows:
        from synthkd.students.classifiers.training import LabelledRows

        places = self.label_indices(rows.labels)
        if balanced or rows.weights is not None:
            return LabelledRows(rows, places, training_weights(rows, places, len(self.classes), balanced))
        return LabelledRows(rows, places, np.ones(len(rows)))

    def _train(
        self, options: EncoderOptions, rows: LabelledRows, held: LabelledRows | None
    ) -> TrainedEncoder:
        from synthkd.students.classifiers.training import train_encoder

        return train_encoder(self.base, options, len(self.classes), rows, held, self.seed, self.device)

    def _named(self, train: LabelledTexts) -> LabelledRows:
        """Training rows with the names of the classes, as the options ask."""
        rows = add_class_name_rows(train, self.classes, self.settings.names_for(self.classes))
        return self._labelled(rows, self.settings.class_weights == "balanced")

    def _twice(self, train: LabelledTexts) -> TrainedEncoder:
        """Once on most rows, to see how long to train and how sure to be; then on all."""
        split = next(class_folds(self.label_indices(train.labels), _FOLDS, self.seed), None)
        if split is None:  # too few rows for two parts
            return self._train(self.settings, self._named(train), None)
        part, held = (train.take(chosen) for chosen in split)
        first = self._train(self.settings, self._named(part), self._labelled(held, False))
        if first.error is not None:
            return first
        made = self._train(self.settings.with_epochs(first.history.kept), self._named(train), None)
        made.temperature, made.history.validation = first.temperature, first.history.validation
        return made

    def _take(self, made: TrainedEncoder) -> None:
        self.model, self.tokenizer, self.max_length = made.module, made.tokenizer, made.max_length
        self.temperature, self.history = made.temperature, asdict(made.history)

    def probabilities(self, texts: Sequence[str] | str) -> Floats:
        """(n, C) in windows of texts; which texts stand together changes nothing but the last digits."""
        texts = text_list(texts)
        parts = [
            softmax_at(self.logits(texts[at : at + _WINDOW]), self.temperature)
            for at in range(0, len(texts), _WINDOW)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)))

    def logits(self, texts: Sequence[str]) -> Floats:
        """(n, C) before the temperature."""
        from synthkd.encoders.batches import forward_in_batches, tokenize_texts

        if self.model is None:
            raise StudentError("this student was not trained yet: `fit` comes before `probabilities`")
        rows = tokenize_texts(self.tokenizer, list(texts), self.max_length)
        return forward_in_batches(self.model, lambda fields: self.model(**fields), rows, self.device)

    def options(self) -> dict[str, Any]:
        """The keyword arguments that it was made with, defaults filled in."""
        return {"base": self.base, **asdict(self.settings)}

    def save(self, folder: Path) -> None:
        """The tuned encoder as an ordinary checkpoint (safetensors), the head as arrays, the rest as JSON."""
        from synthkd.encoders.load import quiet_transformers

        if self.model is None:
            raise StudentError("this student was not trained yet: nothing to save")
        with quiet_transformers():
            self.model.encoder.save_pretrained(folder / MODEL)
            self.tokenizer.save_pretrained(folder / MODEL)
        head = {name: value.cpu().numpy() for name, value in self.model.head.state_dict().items()}
        settings = {
            "classes": list(self.classes), "seed": self.seed,
            "options": {**self.options(), "base": public_name(self.base)}, "max_length": self.max_length,
            "temperature": self.temperature, "history": self.history,
        }  # fmt: skip
        files.write(folder, self.name, _VERSION, settings, head)

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        settings, arrays = files.read(folder, cls.name, _VERSION, _Settings)
        try:
            student = cls(tuple(settings.classes), settings.seed, **settings.options)
        except TypeError as error:
            raise STUDENT_ARTIFACT.refuse(folder / files.SETTINGS, f"options: {error}") from None
        student.max_length, student.temperature = settings.max_length, settings.temperature
        student.history = settings.history
        student._stand(folder, arrays)
        return student

    def _stand(self, folder: Path, head: dict[str, Any]) -> None:
        import torch

        from synthkd.encoders.load import load_classifier_encoder, usable_length
        from synthkd.students.classifiers.module import EncoderClassifier

        if not (folder / MODEL).is_dir():
            raise STUDENT_ARTIFACT.refuse(folder / MODEL, "missing")
        encoder, self.tokenizer = load_classifier_encoder(str(folder / MODEL), own=True)
        count, width = len(self.classes), int(encoder.config.hidden_size)
        shapes = {"weight": Array("float32", (count, width)), "bias": Array("float32", (count,))}
        check_arrays(folder / files.ARRAYS, head, shapes, STUDENT_ARTIFACT)
        if usable_length(encoder, self.tokenizer, self.max_length) != self.max_length:
            raise STUDENT_ARTIFACT.refuse(
                folder / files.SETTINGS, f"max_length: {self.max_length} is more than the encoder reads"
            )
        unit = self.settings.start == "contrastive"
        self.model = EncoderClassifier(encoder, len(self.classes), unit, self.settings.dropout)
        self.model.head.load_state_dict(
            {name: torch.from_numpy(value.copy()) for name, value in head.items()}
        )
        self.model.to(self.device).train(False)
