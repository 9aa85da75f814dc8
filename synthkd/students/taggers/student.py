"""The tagger: a student that marks spans of texts, on an encoder or on spaCy's trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field

from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.artifacts.model_files import ModelFiles
from synthkd.artifacts.settings import Name, PluginName, Settings
from synthkd.errors import StudentError, require_extra
from synthkd.recipe.published_values import public_name
from synthkd.students.base import SpanStudent, text_list
from synthkd.students.spans import Spans, TaggedTexts
from synthkd.students.taggers.options import SPACY, TaggerOptions

if TYPE_CHECKING:
    from synthkd.students.taggers.spacy_base import SpacyTagger
    from synthkd.students.taggers.training import TrainedTagger

SETTINGS, ARRAYS = "tagger.json", "tagger.safetensors"
TAGGER_FILES = ModelFiles(STUDENT_ARTIFACT, "student", SETTINGS, ARRAYS)
#: Folder of the tuned encoder in the student's folder.
MODEL = "encoder"
#: Texts that are tagged at a time.
_WINDOW = 2048
_VERSION = 1


class TaggerSettings(Settings):
    """Settings of a tagger; `max_length` is an encoder's, `moves` are those of spaCy's network."""

    student: PluginName
    version: int
    types: Annotated[list[Name], Field(min_length=1, max_length=100_000)]
    seed: Annotated[int, Field(ge=0, lt=1 << 32)]
    options: dict[str, Any]
    max_length: Annotated[int, Field(ge=0, le=1_000_000)]
    by_blanks: bool
    history: dict[str, Any]
    moves: dict[str, Any] | None = None


class TaggerStudent(SpanStudent):
    """A tagger of spans: token classification with BIO labels.

    Units are words and marks, or what stands between blanks if all training spans begin and end at
    blanks. A long text is read in windows that overlap. A span's confidence is the geometric mean
    of the probabilities of its units' labels.

    Attributes:
        history: Losses of the epochs, the epoch that was kept, texts of several windows.
    """

    name: ClassVar[str] = "tagger"
    path_options: ClassVar[frozenset[str]] = frozenset({"base"})
    Options = TaggerOptions
    options: TaggerOptions

    def __init__(self, types: Sequence[str] = (), seed: int = 0, **options: Any) -> None:
        super().__init__(types, seed, **options)
        self.history: dict[str, Any] = {}
        self._tagger: TrainedTagger | SpacyTagger | None = None
        if self.options.base == SPACY:
            require_extra("the tagger on spaCy", "text", "spacy")
            self.device = "cpu"
            return
        require_extra("the tagger", "students", "torch", "transformers", "safetensors")
        from synthkd.encoders.device import pick_device

        self.device = pick_device(self.options.device)

    @property
    def kept_epoch(self) -> int:
        return int(self.history.get("kept", 0))

    def fit(self, train: TaggedTexts, validation: TaggedTexts | None = None) -> Self:
        before = self.types
        try:
            self.check_training_rows(train)
            if validation is not None:
                self.check_types(validation)
            tagger = self._trained(train, validation)
        except BaseException:
            self.types = before
            raise
        self._tagger, self.history = tagger, asdict(tagger.history)
        if tagger.error is not None:
            raise tagger.error
        return self

    def _trained(
        self, train: TaggedTexts, validation: TaggedTexts | None
    ) -> TrainedTagger | SpacyTagger:
        if self.options.base == SPACY:
            from synthkd.students.taggers.spacy_base import train_spacy

            return train_spacy(self.options, train, self.types, validation, self.seed)
        if self.options.self_training:
            from synthkd.students.taggers.self_training import self_train as training
        else:
            from synthkd.students.taggers.training import train_tagger as training
        return training(self.options, train, self.types, validation, self.seed, self.device)

    def spans(self, texts: Sequence[str] | str) -> list[Spans]:
        if self._tagger is None:
            raise StudentError("this student was not trained yet: `fit` comes before `spans`")
        given = text_list(texts)
        parts = (given[start : start + _WINDOW] for start in range(0, len(given), _WINDOW))
        return [spans for part in parts for spans in self._tagger.spans(part)]

    def save(self, folder: Path) -> None:
        """Write the tuned encoder as a checkpoint, head or spaCy's weights as arrays, and JSON."""
        tagger = self._tagger
        if tagger is None:
            raise StudentError("this student was not trained yet: nothing to save")
        options = self.options.model_dump(exclude={"device"})
        settings = {
            "student": self.name, "version": _VERSION, "types": list(self.types),
            "seed": self.seed, "options": {**options, "base": public_name(self.options.base)},
            "history": self.history, **tagger.settings(),
        }  # fmt: skip
        TAGGER_FILES.write(folder, settings, tagger.save(folder / MODEL))

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        settings, arrays = TAGGER_FILES.read(folder, cls.name, _VERSION, TaggerSettings)
        cls.checked(settings.options, f"{folder / SETTINGS}: options")
        if len(set(settings.types)) != len(settings.types):
            raise STUDENT_ARTIFACT.refuse(folder / SETTINGS, "types: two have the same name")
        student = cls(settings.types, settings.seed, **settings.options)
        student.history = settings.history
        if student.options.base == SPACY:
            from synthkd.students.taggers.spacy_base import SpacyTagger

            student._tagger = SpacyTagger.load(
                settings.types, settings.by_blanks, settings.moves or {}, arrays, folder / ARRAYS
            )
        else:
            student._tagger = student._loaded(folder, settings, arrays)
        return student

    def _loaded(
        self, folder: Path, settings: TaggerSettings, head: dict[str, Any]
    ) -> TrainedTagger:
        import torch

        from synthkd.encoders.load import load_classifier_encoder, usable_length
        from synthkd.students.taggers.module import EncoderTagger
        from synthkd.students.taggers.training import TrainedTagger

        if not (folder / MODEL).is_dir():
            raise STUDENT_ARTIFACT.refuse(folder / MODEL, "missing")
        encoder, tokenizer = load_classifier_encoder(str(folder / MODEL), own=True)
        labels, width = 1 + 2 * len(self.types), int(encoder.config.hidden_size)
        shapes = {"weight": Array("float32", (labels, width)), "bias": Array("float32", (labels,))}
        check_arrays(folder / ARRAYS, head, shapes, STUDENT_ARTIFACT)
        if usable_length(encoder, tokenizer, settings.max_length) != settings.max_length:
            raise STUDENT_ARTIFACT.refuse(
                folder / SETTINGS, f"max_length: {settings.max_length} is more than is read"
            )
        module = EncoderTagger(encoder, labels, self.options.dropout)
        module.head.load_state_dict(
            {name: torch.from_numpy(value.copy()) for name, value in head.items()}
        )
        module.to(self.device).train(False)
        return TrainedTagger(
            module, tokenizer, self.types, settings.max_length, self.options.shared,
            settings.by_blanks, self.device,
        )  # fmt: skip
