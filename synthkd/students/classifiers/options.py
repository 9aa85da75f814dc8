"""Options of the encoder student."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from synthkd.options import BaseOptions, PathText
from synthkd.students.classifiers.class_names import are_descriptive

#: start -> its defaults, chosen on parts of BANKING77's training rows.
_BY_START: dict[str, dict[str, Any]] = {
    "none": {"epochs": 20, "lr": 5e-5},
    "contrastive": {"epochs": 5, "lr": 3e-5},
}
#: Objectives on teacher probabilities that compare the rows of a batch; rows have no weights there.
BATCH_OBJECTIVES = frozenset({"dist", "sinkhorn"})


def _default(name: str) -> Any:
    """Return a field's default as a function of the options before it."""
    return lambda before: _BY_START[before.get("start", "none")][name]


def _of_contrastive(name: str) -> str:
    return (
        f"The default is that of `start: none`; {_BY_START['contrastive'][name]} for `contrastive`."
    )


class EncoderOptions(BaseOptions):
    """Options of the encoder student."""

    base: PathText = Field(
        description="Folder or hub name of a transformers encoder with safetensors."
    )
    start: Literal["none", "contrastive"] = Field(
        "none",
        description="`none` fine-tunes encoder and head with cross-entropy; `contrastive` tunes the"
        " encoder by comparing texts, and fits a logistic head to its vectors.",
    )
    epochs: int = Field(
        default_factory=_default("epochs"),
        ge=1,
        description=f"Epochs at most. {_of_contrastive('epochs')}",
    )
    lr: float = Field(
        default_factory=_default("lr"),
        gt=0,
        description=f"Learning rate of the encoder. {_of_contrastive('lr')}",
    )
    batch_size: int = Field(32, ge=2, description="Rows of a batch.")
    max_length: int | None = Field(
        None,
        ge=3,
        description="Tokens read of a text. Default: 128, or fewer if the encoder reads fewer.",
    )
    patience: int = Field(
        3, ge=1, description="Epochs without a lower validation loss after which training stops."
    )
    warmup: float = Field(
        0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises."
    )
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the head.")
    head_factor: float = Field(10.0, gt=0, description="The head learns at this multiple of `lr`.")
    strength: float = Field(
        10.0, gt=0, description="C of the logistic head of a contrastive start."
    )
    class_weights: Literal["balanced"] | None = Field(
        None, description="`balanced` gives each class the same weight."
    )
    class_names: float | None = Field(
        None,
        ge=0,
        description="Weight of the name of each class as a training row. Default: 1 with a"
        " contrastive start and descriptive names, else 0.",
    )
    calibrate: bool = Field(
        True,
        description="Without validation rows, train first on four fifths of the rows, to find the"
        " temperature and the number of epochs, then on all.",
    )
    soft: Literal["ce", "kl", "reverse_kl", "jsd", "dist", "sinkhorn"] | None = Field(
        None,
        description="Objective on a teacher's probabilities (`LabelledTexts.soft`), a function of"
        " `synthkd.students.losses`.",
    )
    soft_share: float = Field(0.5, gt=0, le=1, description="Share of `soft` in the loss.")
    soft_temperature: float = Field(1.0, gt=0, description="Temperature of `soft`.")
    bf16: bool | None = Field(
        None, description="Train in half precision. Default: if the hardware is faster with it."
    )
    device: str | None = Field(None, description="Device of torch. Default: the fastest.")

    @model_validator(mode="after")
    def _soft_labels_are_read(self) -> EncoderOptions:
        if self.soft is not None and self.start == "contrastive":
            raise ValueError(
                "a contrastive start compares texts by their labels and reads no soft ones; leave"
                " `soft` out, or take `start: none`"
            )
        return self

    def names_for(self, classes: Sequence[str]) -> float:
        """Return the weight of the names of these classes as training rows."""
        if self.class_names is not None:
            return self.class_names
        return 1.0 if self.start == "contrastive" and are_descriptive(classes) else 0.0

    def with_epochs(self, epochs: int) -> EncoderOptions:
        """Return the same options with another number of epochs."""
        return self.model_copy(update={"epochs": epochs})
