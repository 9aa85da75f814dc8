"""The encoder critic: a fine-tuned cross-encoder, or a linear head on a frozen one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.artifacts.settings import Name
from synthkd.critics.base import CriticModel, Labels, Scores, require_both_verdicts
from synthkd.critics.encoder import texts
from synthkd.critics.encoder.head import LogisticHead, comparison_features
from synthkd.critics.encoder.training import (
    FineTuningHistory,
    FineTuningSchedule,
    fine_tune_cross_encoder,
)
from synthkd.critics.files import ARRAYS, CriticSettings, check_columns, read_files, write_files
from synthkd.critics.labels import SOURCE
from synthkd.critics.logistic import sigmoid
from synthkd.critics.teacher_numbers import SCALES, WIDTH, Scales, number_columns, teacher_numbers
from synthkd.encoders import load as models
from synthkd.encoders.batches import TokenizedTexts
from synthkd.encoders.device import pick_device, quiet_transformers
from synthkd.encoders.frozen import FrozenEncoder
from synthkd.encoders.reference import EncoderReference
from synthkd.errors import CriticError
from synthkd.kinds.base import Kind
from synthkd.recipe.published_values import public_name

if TYPE_CHECKING:
    from synthkd.critics.encoder.cross_encoder import CrossEncoder

#: Rows sorted by length together and held in memory at a time.
WINDOW = 16_384
#: Folder of the fine-tuned encoder; a copy of a frozen encoder may be put there.
MODEL = "encoder"
_VERSION = 1
_HEAD = {name: Array("float64", ("features",)) for name in ("head_mean", "head_weight")} | {
    "head_scale": Array("float64", ("features",), 1e-12),
    "head_bias_and_C": Array("float64", (2,)),
    **SCALES,
}


class _Settings(CriticSettings):
    model: Name
    frozen: bool
    max_length: Annotated[int, Field(ge=1, le=1_000_000)]
    grounded: bool
    schedule: FineTuningSchedule
    history: FineTuningHistory
    encoder: EncoderReference | None = None


class EncoderCritic(CriticModel):
    """A transformers encoder with safetensors.

    A column ``source`` in the training rows is read beside the candidate.
    """

    name: ClassVar[str] = "encoder"
    load_options: ClassVar[frozenset[str]] = frozenset({"encoder", "device"})
    path_options: ClassVar[frozenset[str]] = frozenset({"model", "encoder"})

    class Options(FineTuningSchedule):
        model: str = Field(description="Folder or hub name of the encoder.")
        frozen: bool = Field(
            False,
            description="Encode each text once and train a linear head on the vectors and the"
            " teacher's numbers, instead of fine-tuning the encoder.",
        )
        max_length: int = Field(128, ge=4, description="Tokens read of a text.")
        device: str | None = Field(None, description="Device of torch. Default: the fastest.")

    options: Options

    def __init__(self, kind: Kind, model: str | Path, **options: Any) -> None:
        models.require_encoder_extras("the encoder critic")
        super().__init__(kind, model=str(model), **options)
        given = self.options
        self.model_name, self.frozen, self.max_length = given.model, given.frozen, given.max_length
        device, self.schedule = given.device, given
        self.device = pick_device(device)
        self.grounded = False
        self.history = FineTuningHistory()
        self._model: Any = None
        self._cross: CrossEncoder | None = None
        self._tokenizer: Any = None
        self._vectors: FrozenEncoder | None = None
        self._head: LogisticHead | None = None
        self._scales: Scales | None = None

    def work(self, rows: int) -> int:
        return rows if self.frozen else rows * self.schedule.epochs

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Fine-tune the encoder, or fit the head of a frozen one.

        Without groups, each row is its own.
        """
        import torch

        require_both_verdicts(labels)
        groups = list(groups) or [str(i) for i in range(rows.num_rows)]
        self.grounded = SOURCE in rows.schema.names
        # Head and dropout follow the seed; the caller's random state stays as it was.
        with torch.random.fork_rng():
            torch.manual_seed(self.schedule.seed)
            self._model, self._tokenizer = models.load_transformer(self.model_name)
            self.max_length = models.usable_length(self._model, self._tokenizer, self.max_length)
            if self.frozen:
                self._fit_head(rows, labels, groups, weights)
            else:
                from synthkd.critics.encoder.cross_encoder import CrossEncoder

                self._cross = CrossEncoder(self._model, self.device)
                encoded = self._encoded(rows)
                self.history = fine_tune_cross_encoder(
                    self._cross, encoded, labels, groups, weights, self.schedule
                )

    def _fit_head(
        self, rows: pa.Table, labels: Labels, groups: Sequence[str], weights: Scores | None
    ) -> None:
        content = models.encoder_hash(self._model, self._tokenizer)
        self._vectors = FrozenEncoder(
            self._model, self._tokenizer, self.max_length, self.device, content
        )
        self._scales = Scales.of(teacher_numbers(rows, self.kind.columns))
        self._head = LogisticHead.fit(self._features(rows), labels, groups, weights)

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        """Return probabilities window by window; a row's score does not depend on its window."""
        if self._model is None:
            raise CriticError("this critic was not trained yet")
        parts = [self._logits(part) for part in _windows(batch)]
        logits = np.concatenate(parts) if parts else np.zeros(0)
        return sigmoid(logits)

    def numbers(self) -> tuple[list[str], list[str]]:
        return ([], []) if self._scales is None else number_columns(self._scales.used)

    def _logits(self, rows: pa.RecordBatch | pa.Table) -> Scores:
        if self._head is not None:
            return self._head.logits(self._features(rows))
        from synthkd.critics.encoder.cross_encoder import logits_of

        assert self._cross is not None
        return logits_of(self._cross, self._encoded(rows))

    def _encoded(self, rows: pa.RecordBatch | pa.Table) -> TokenizedTexts:
        return TokenizedTexts(
            self._tokenizer, texts.text_pairs(rows, self.kind, self.grounded), self.max_length
        )

    def _features(self, rows: pa.RecordBatch | pa.Table) -> Any:
        """Return features (n, d): vectors of texts, and the teacher's numbers."""
        assert self._vectors is not None
        assert self._scales is not None
        blocks = [self._vectors.embed(texts.sentences(rows, self.kind))]
        sides = texts.compared_texts(rows, self.kind, self.grounded)
        if sides is not None:
            blocks.append(
                comparison_features(self._vectors.embed(sides[0]), self._vectors.embed(sides[1]))
            )
        blocks.append(self._scales.dense(teacher_numbers(rows, self.kind.columns)))
        return np.concatenate(blocks, axis=1)

    def save(self, folder: Path) -> None:
        """Save the critic with a fine-tuned encoder.

        A frozen encoder is named by its content, not copied.
        """
        if self._model is None:
            raise CriticError("this critic was not trained yet")
        config: dict[str, Any] = {
            "critic": self.name, "version": _VERSION, "kind": self.kind.name,
            "columns": list(self.kind.columns),
            "model": public_name(self.model_name), "frozen": self.frozen,
            "max_length": self.max_length, "grounded": self.grounded,
            "schedule": self.schedule.model_dump(include=set(FineTuningSchedule.model_fields)),
            "history": asdict(self.history),
        }  # fmt: skip
        arrays: dict[str, Any] = {}
        if self._vectors is not None and self._head is not None and self._scales is not None:
            arrays = _arrays(self._head, self._scales)
            config["encoder"] = EncoderReference.of(
                self.model_name, self._vectors.sha256, folder
            ).model_dump()
        elif self._cross is not None:
            arrays = {
                name: value.cpu().numpy() for name, value in self._cross.head.state_dict().items()
            }
            with quiet_transformers():
                self._model.save_pretrained(folder / MODEL)
                self._tokenizer.save_pretrained(folder / MODEL)
        write_files(folder, arrays, config)

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> EncoderCritic:
        """Load a critic; ``encoder`` names a frozen encoder that is not found by itself."""
        models.require_encoder_extras("the encoder critic")
        arrays, settings = read_files(folder, cls.name, _VERSION, _Settings)
        check_columns(folder, settings, kind)
        critic = cls(
            kind,
            settings.model,
            frozen=settings.frozen,
            max_length=settings.max_length,
            device=options.get("device"),
            **settings.schedule.model_dump(),
        )
        critic.grounded, critic.history = settings.grounded, settings.history
        given = options.get("encoder")
        if not critic.frozen:
            if given is not None:
                raise CriticError(
                    f"{folder}: its fine-tuned encoder is in the folder; leave `encoder` out"
                )
            critic._load_tuned(folder, arrays)
        elif settings.encoder is None:
            raise CRITIC_ARTIFACT.refuse(
                folder, "critic.json: encoder: a frozen encoder is not named"
            )
        else:
            critic._load_frozen(
                folder, arrays, settings.encoder, None if given is None else str(given)
            )
        return critic

    def _load_tuned(self, folder: Path, arrays: dict[str, Any]) -> None:
        import torch

        from synthkd.critics.encoder.cross_encoder import CrossEncoder

        if not (folder / MODEL).is_dir():
            raise CRITIC_ARTIFACT.refuse(folder / MODEL, "missing")
        self._model, self._tokenizer = models.load_transformer(str(folder / MODEL), own=True)
        width = int(self._model.config.hidden_size)
        shapes = {"weight": Array("float32", (1, width)), "bias": Array("float32", (1,))}
        check_arrays(folder / ARRAYS, arrays, shapes, CRITIC_ARTIFACT)
        self._check_length(folder)
        self._cross = CrossEncoder(self._model, self.device)
        self._cross.head.load_state_dict(
            {name: torch.tensor(value) for name, value in arrays.items()}
        )

    def _load_frozen(
        self, folder: Path, arrays: dict[str, Any], encoder: EncoderReference, given: str | None
    ) -> None:
        self._model, self._tokenizer, self.model_name = models.load_referenced(
            encoder, folder, given, CRITIC_ARTIFACT
        )
        if "centre" not in arrays:
            raise CriticError(
                f"{folder / ARRAYS}: a head of an earlier version; train the critic again"
            )
        sizes = check_arrays(folder / ARRAYS, arrays, _HEAD, CRITIC_ARTIFACT)
        width = int(self._model.config.hidden_size)
        if sizes["features"] not in (width + WIDTH, 5 * width + 1 + WIDTH):
            raise CRITIC_ARTIFACT.refuse(
                folder / ARRAYS,
                f"{sizes['features']} features, which an encoder of {width} does not give",
            )
        self._check_length(folder)
        self._vectors = FrozenEncoder(
            self._model, self._tokenizer, self.max_length, self.device, encoder.sha256
        )
        self._head, self._scales = _head(arrays)

    def _check_length(self, folder: Path) -> None:
        if models.usable_length(self._model, self._tokenizer, self.max_length) != self.max_length:
            raise CRITIC_ARTIFACT.refuse(
                folder, f"critic.json: max_length: {self.max_length} is more than the encoder reads"
            )


def _windows(batch: pa.RecordBatch | pa.Table) -> Iterator[pa.RecordBatch | pa.Table]:
    for start in range(0, batch.num_rows, WINDOW):
        yield batch.slice(start, WINDOW)


def _arrays(head: LogisticHead, scales: Scales) -> dict[str, Any]:
    return {
        "head_mean": head.mean, "head_scale": head.scale, "head_weight": head.weight,
        "head_bias_and_C": np.array([head.bias, head.strength]),
        **{name: getattr(scales, name) for name in SCALES},
    }  # fmt: skip


def _head(arrays: dict[str, Any]) -> tuple[LogisticHead, Scales]:
    bias, strength = (float(value) for value in arrays["head_bias_and_C"])
    head = LogisticHead(
        arrays["head_mean"], arrays["head_scale"], arrays["head_weight"], bias, strength
    )
    return head, Scales(**{name: arrays[name] for name in SCALES})
