"""Fine-tune a cross-encoder: schedule, validation split, class weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from synthkd.critics.base import Labels, Scores
from synthkd.critics.calibration import Curve
from synthkd.critics.progress import advance
from synthkd.encoders.batches import Ints, TokenizedTexts, training_batches
from synthkd.encoders.device import autocast_bf16
from synthkd.encoders.fine_tuning import (
    BestEpoch,
    TuningSchedule,
    balance_classes,
    fine_tune,
    parameter_groups,
)
from synthkd.keys import fraction
from synthkd.options import BaseOptions

if TYPE_CHECKING:
    from synthkd.critics.encoder.cross_encoder import CrossEncoder

#: Recall at which epochs are compared.
RECALL = 0.8
_STRICT = ConfigDict(extra="forbid")
#: Fewest rows of each verdict in a validation part.
_FEWEST = 10


class FineTuningSchedule(BaseOptions):
    """Options of a fine-tuning."""

    epochs: int = Field(4, ge=1, description="Epochs at most.")
    lr: float = Field(5e-5, gt=0, description="Learning rate of the encoder.")
    batch_size: int = Field(32, ge=1, description="Rows of a batch.")
    warmup: float = Field(
        0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises."
    )
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    head_factor: float = Field(10.0, gt=0, description="The head learns at this multiple of `lr`.")
    validation: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="Share of the groups that decides when to stop; 0 runs every epoch.",
    )
    patience: int = Field(
        2, ge=1, description="Epochs without a better validation figure after which training stops."
    )
    balanced: bool = Field(True, description="Give both verdicts the same weight.")
    trained_layers: int | None = Field(
        None,
        ge=0,
        description="Upper layers to train, without the embeddings, in less memory and time."
        " Default: everything.",
    )
    bf16: bool | None = Field(
        None,
        description="Train in half precision; scores are computed in fp32. Default: on accelerators"
        " that support it. A CPU with AVX512-BF16 is about three times as fast with it.",
    )
    seed: int = Field(0, ge=0, description="Seed of head, dropout and batches.")


@dataclass(config=_STRICT)
class FineTuningHistory:
    """Figures of each epoch on the validation part, and the epoch kept."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    kept: int = -1
    validation_rows: int = 0


def validation_split(
    groups: Sequence[str], labels: Labels, schedule: FineTuningSchedule
) -> tuple[Ints, Ints]:
    """Return training and validation rows that share no group.

    All rows train if validation would be too small.
    """
    validation = np.array(
        [fraction(f"{schedule.seed}:{group}") < schedule.validation for group in groups], dtype=bool
    )
    valid = int(labels[validation].sum())
    if min(valid, int(validation.sum()) - valid) < _FEWEST:
        validation[:] = False
    return np.flatnonzero(~validation), np.flatnonzero(validation)


def fine_tune_cross_encoder(
    model: CrossEncoder,
    encoded: TokenizedTexts,
    labels: Labels,
    groups: Sequence[str],
    weights: Scores | None,
    schedule: FineTuningSchedule,
) -> FineTuningHistory:
    """Train in place; the model ends with the weights of its best epoch.

    Raises:
        TrainingError: The loss is not finite.
    """
    import torch

    from synthkd.critics.encoder.cross_encoder import logits_of

    train, validation = validation_split(groups, labels, schedule)
    target = torch.tensor(labels.astype(np.float32), device=model.device)
    weight = torch.tensor(
        cross_entropy_weights(labels, train, weights, schedule.balanced), device=model.device
    )
    model.freeze(schedule.trained_layers)
    rng = np.random.default_rng(schedule.seed)
    history = FineTuningHistory(validation_rows=len(validation))

    def batches() -> Iterator[Ints]:
        for batch in training_batches(encoded.lengths[train], schedule.batch_size, rng):
            yield train[batch]

    def loss(rows: Ints) -> Any:
        with autocast_bf16(model.device, schedule.bf16):
            logits = model.logits(encoded.tensors(rows, model.device))
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits.float(), target[rows], weight=weight[rows]
        )

    def validate() -> tuple[float, float]:
        history.epochs.append(_figures(logits_of(model, encoded, validation), labels[validation]))
        return _rank(history.epochs[-1])

    tuning = TuningSchedule(
        schedule.epochs, schedule.lr, schedule.warmup, schedule.weight_decay, schedule.head_factor
    )
    best = BestEpoch(model, validate if len(validation) else None, schedule.patience)
    steps = math.ceil(len(train) / schedule.batch_size) * schedule.epochs
    parameters = parameter_groups(model, tuning, undecayed=())
    fine_tune(best, batches, loss, parameters, tuning, steps, on_batch=advance)
    history.kept = best.kept - 1
    return history


def cross_entropy_weights(
    labels: Labels, train: Ints, weights: Scores | None, balanced: bool
) -> Any:
    """Return (n,) float32 weights with mean 1: sampling weight times class weight."""
    weight = np.ones(len(labels)) if weights is None else np.array(weights, dtype=np.float64)
    if balanced:
        weight = balance_classes(weight, labels.astype(np.int64), train)
    return (weight / weight[train].mean()).astype(np.float32)


def _figures(scores: Scores, labels: Labels) -> dict[str, float]:
    curve = Curve.of(scores, labels)
    return {"precision_at_recall_0.8": curve.precision_at_recall(RECALL), "auc": curve.auc}


def _rank(figures: dict[str, float]) -> tuple[float, float]:
    return figures["precision_at_recall_0.8"], figures["auc"]
