"""Options of the tagger, and the course of a training."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field, model_validator

from synthkd.options import BaseOptions, PathText

#: The base that is no encoder.
SPACY = "spacy"


class TaggerOptions(BaseOptions):
    """Options of the tagger, and the course of a training."""

    base: PathText = Field(
        description="Folder or hub name of a transformers encoder with safetensors, or `spacy`: a"
        " small network of spaCy's, trained from nothing (extra `text`)."
    )
    epochs: int = Field(30, ge=1, description="Epochs at most.")
    lr: float = Field(
        1e-4, gt=0, description="Learning rate of the encoder; spaCy's network has its own, 1e-3."
    )
    batch_size: int = Field(16, ge=1, description="Windows of text of a batch.")
    max_length: int | None = Field(
        None,
        ge=8,
        description="Tokens of a window. Default: 128, or fewer if the encoder reads fewer.",
    )
    shared: int = Field(
        32, ge=0, description="Tokens that neighbouring windows of a long text share."
    )
    patience: int = Field(
        5, ge=1, description="Epochs without a better validation F1 after which training stops."
    )
    warmup: float = Field(
        0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises."
    )
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the head.")
    head_factor: float = Field(10.0, gt=0, description="The head learns at this multiple of `lr`.")
    embeddings: bool = Field(
        False,
        description="Train the token vectors too. Words without a training row keep their place"
        " beside known ones if they are not trained, and a step is faster.",
    )
    self_training: bool = Field(
        False,
        description="For labels with errors: after `epochs` epochs, two students go on with the"
        " labels on which their teachers, which are their moving averages, agree (ATSEN).",
    )
    self_epochs: int = Field(3, ge=1, description="Epochs of self-training.")
    self_lr: float | None = Field(
        None, gt=0, description="Learning rate of self-training. Default: half of `lr`."
    )
    ema: float = Field(
        0.98, ge=0, lt=1, description="Share that a teacher keeps of itself at each step."
    )
    fragments: float = Field(
        0.8, gt=0, le=1, description="Probability that a layer of a teacher moves at a step."
    )
    threshold: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="Probability, by the mean of both teachers, below which a unit on which they"
        " agree is unlabelled too.",
    )
    prototypes: bool = Field(
        False,
        description="Weight the labels of self-training by the distance of the unit to the"
        " prototype of its label, a moving average over units (ProKD).",
    )
    prototype_temperature: float = Field(
        0.5, gt=0, description="Cosine distance at which a weight falls to 1/e."
    )
    bf16: bool | None = Field(
        None, description="Train in half precision. Default: if the hardware is faster with it."
    )
    device: str | None = Field(None, description="Device of torch. Default: the fastest.")

    @model_validator(mode="after")
    def _spacy_trains_alone(self) -> TaggerOptions:
        if self.base == SPACY and self.self_training:
            raise ValueError("self_training needs an encoder as `base`; spaCy's trainer has none")
        if self.prototypes and not self.self_training:
            raise ValueError("prototypes weigh the labels of self-training; set `self_training`")
        return self


@dataclass
class TaggingHistory:
    """The course of a training.

    Attributes:
        losses: The mean training loss of each epoch.
        validation: The F1 on the validation rows after each epoch.
        kept: The epoch, from 1, whose weights were kept.
        cut: Training texts of more than one window.
        agreed: Of each epoch of self-training, the share of units that had a label.
    """

    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    kept: int = 0
    cut: int = 0
    agreed: list[float] = field(default_factory=list)
