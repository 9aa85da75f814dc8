"""Cross-encoders and their fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from synthkd.critics.base import Labels, Scores
from synthkd.critics.calibration import Curve
from synthkd.critics.logistic import row_sums
from synthkd.critics.ngrams import Floats
from synthkd.critics.progress import advance
from synthkd.encoders import batches
from synthkd.encoders.batches import Ints, TokenizedTexts
from synthkd.encoders.load import autocast_bf16
from synthkd.errors import CriticError
from synthkd.keys import fraction

_DROPOUT = 0.1
_EPSILON = 1e-5


class CrossEncoder:
    """A transformers encoder with a linear head on its mean vector, scaled to unit variance."""

    def __init__(self, encoder: Any, device: str) -> None:
        import torch

        self.encoder = encoder.to(device)
        self.head = torch.nn.Linear(encoder.config.hidden_size, 1).to(device)
        self.device = device

    def logits(self, fields: Mapping[str, Any]) -> Any:
        """Return the logits (n,) of a batch of token ids (n, length)."""
        import torch

        mean = self._means(fields)
        mean = torch.nn.functional.layer_norm(mean, mean.shape[-1:], eps=_EPSILON)
        mean = torch.nn.functional.dropout(mean, _DROPOUT, training=self.encoder.training)
        return self.head(mean)[:, 0]

    def exact_logits(self, fields: Mapping[str, Any]) -> Floats:
        """Return logits (n,) without dropout, independent of the batch."""
        mean = self._means(fields).double().cpu().numpy()
        mean = mean - mean.mean(axis=1, keepdims=True)
        mean /= np.sqrt((mean * mean).mean(axis=1, keepdims=True) + _EPSILON)
        weight, bias = (part.detach().double().cpu().numpy() for part in (self.head.weight, self.head.bias))
        logits: Floats = row_sums(mean, weight[0]) + bias[0]
        return logits

    def _means(self, fields: Mapping[str, Any]) -> Any:
        """Return the mean vector of each row's tokens (n, hidden size)."""
        states = self.encoder(**fields).last_hidden_state
        mask = fields["attention_mask"][..., None].to(states.dtype)
        return (states * mask).sum(1) / mask.sum(1)

    def train(self, on: bool) -> None:
        """Switch dropout on or off."""
        self.encoder.train(on)

    def parameters(self) -> Iterator[Any]:
        """Yield all parameters, the encoder's first."""
        yield from self.encoder.parameters()
        yield from self.head.parameters()

    def state(self) -> list[Any]:
        """Return a copy of the weights, for `restore`."""
        return [
            {name: v.detach().clone() for name, v in m.state_dict().items()}
            for m in (self.encoder, self.head)
        ]

    def restore(self, state: list[Any]) -> None:
        """Restore the weights that `state` returned."""
        for module, values in zip((self.encoder, self.head), state, strict=True):
            module.load_state_dict(values)

    def freeze(self, trained_layers: int | None) -> None:
        """Train only this many upper layers, without the embeddings; None trains everything."""
        if trained_layers is None:
            return
        layers = self._layers()
        inside = [p for part in (self.encoder.get_input_embeddings(), *layers) for p in part.parameters()]
        kept = {id(p) for part in layers[max(0, len(layers) - trained_layers) :] for p in part.parameters()}
        for parameter in inside:
            parameter.requires_grad_(id(parameter) in kept)

    def _layers(self) -> list[Any]:
        import torch

        count = self.encoder.config.num_hidden_layers
        for part in self.encoder.modules():
            if isinstance(part, torch.nn.ModuleList) and len(part) == count:
                return list(part)
        raise CriticError(
            "critic 'encoder': `trained_layers` cannot find this encoder's layers; leave it out"
        )


#: Recall at which epochs are compared.
RECALL = 0.8
_STRICT = ConfigDict(extra="forbid")
#: Fewest rows of each verdict in a validation part.
_FEWEST = 10


@dataclass(frozen=True, config=_STRICT)
class FineTuningSchedule:
    """Options of a fine-tuning.

    Attributes:
        validation: Share of the groups that decides when to stop; 0 runs every epoch.
        trained_layers: Number of upper layers to train, without the embeddings, in less memory and
            time; None trains everything.
        bf16: Train in half precision; None does on accelerators that support it. A CPU with
            AVX512-BF16 is about three times as fast with it, others are slower. Scores are computed
            in fp32.
    """

    epochs: int = 4
    lr: float = 5e-5
    batch_size: int = 32
    warmup: float = 0.1
    weight_decay: float = 0.01
    head_factor: float = 10.0
    validation: float = 0.15
    patience: int = 2
    balanced: bool = True
    trained_layers: int | None = None
    bf16: bool | None = None
    seed: int = 0


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
    held = np.array(
        [fraction(f"{schedule.seed}:{group}") < schedule.validation for group in groups], dtype=bool
    )
    valid = int(labels[held].sum())
    if min(valid, int(held.sum()) - valid) < _FEWEST:
        held[:] = False
    return np.flatnonzero(~held), np.flatnonzero(held)


def fine_tune(
    model: CrossEncoder,
    encoded: TokenizedTexts,
    labels: Labels,
    groups: Sequence[str],
    weights: Scores | None,
    schedule: FineTuningSchedule,
) -> FineTuningHistory:
    """Train in place, and restore the weights of the best epoch."""
    import torch

    train, held = validation_split(groups, labels, schedule)
    target = torch.tensor(labels.astype(np.float32), device=model.device)
    weight = torch.tensor(
        cross_entropy_weights(labels, train, weights, schedule.balanced), device=model.device
    )
    model.freeze(schedule.trained_layers)
    steps = _Steps(model, schedule, math.ceil(len(train) / schedule.batch_size) * schedule.epochs)
    rng = np.random.default_rng(schedule.seed)
    history, best = FineTuningHistory(validation_rows=len(held)), None
    for epoch in range(schedule.epochs):
        model.train(True)
        for batch in batches.training_batches(encoded.lengths[train], schedule.batch_size, rng):
            chosen = train[batch]
            steps.take(encoded.batch(chosen, model.device), target[chosen], weight[chosen])
            advance(len(chosen))
        if not len(held):
            history.kept = epoch
            continue
        history.epochs.append(_figures(logits_of(model, encoded, held), labels[held]))
        if epoch == 0 or _rank(history.epochs[-1]) > _rank(history.epochs[history.kept]):
            history.kept, best = epoch, model.state()
        if epoch - history.kept >= schedule.patience:
            break
    if best is not None:
        model.restore(best)
    model.train(False)
    return history


class _Steps:
    """The optimiser: the encoder at the given rate.

    The head, which starts at random, at a multiple of it.
    """

    def __init__(self, model: CrossEncoder, schedule: FineTuningSchedule, total: int) -> None:
        import torch

        self.model, self.total, self.warmup, self.done = model, total, schedule.warmup, 0
        self.bf16 = schedule.bf16
        self.rates = (schedule.lr, schedule.lr * schedule.head_factor)
        parts = [[p for p in part.parameters() if p.requires_grad] for part in (model.encoder, model.head)]
        groups = [{"params": part, "lr": rate} for part, rate in zip(parts, self.rates, strict=True)]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=schedule.weight_decay)

    def take(self, fields: Any, target: Any, weight: Any) -> None:
        """Take one step on the weighted cross-entropy of a batch."""
        import torch

        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * _pace(self.done, self.total, self.warmup)
        with autocast_bf16(self.model.device, self.bf16):
            logits = self.model.logits(fields)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), target, weight=weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.model.parameters()), 1.0)
        self.optimizer.step()
        self.done += 1


def logits_of(model: CrossEncoder, encoded: TokenizedTexts, chosen: Ints | None = None) -> Scores:
    """Return logits (n,) in the order of the rows, computed in fp32."""
    import torch

    rows = np.arange(len(encoded.lengths)) if chosen is None else chosen
    logits = np.zeros(len(rows))
    model.train(False)
    with torch.inference_mode():
        for batch, fields in encoded.scoring(model.device, rows):
            logits[batch] = model.exact_logits(fields)[: len(batch)]
    return logits


def cross_entropy_weights(labels: Labels, train: Ints, weights: Scores | None, balanced: bool) -> Any:
    """Return sampling weight times class weight (n,), with mean 1 over training rows."""
    weight = np.ones(len(labels)) if weights is None else np.array(weights, dtype=np.float64)
    if balanced:
        for value in (False, True):
            here = labels == value
            weight[here] /= weight[train][labels[train] == value].sum() or 1.0
    return (weight / weight[train].mean()).astype(np.float32)


def _pace(step: int, total: int, warmup: float) -> float:
    """Return the share of the rate: linear up to 1 over the warm-up, then linear down to 0."""
    rise = max(1.0, warmup * total)
    return min((step + 1) / rise, (total - step) / max(1.0, total - rise))


def _figures(scores: Scores, labels: Labels) -> dict[str, float]:
    curve = Curve.of(scores, labels)
    return {"precision_at_recall_0.8": curve.precision_at_recall(RECALL), "auc": curve.auc}


def _rank(figures: dict[str, float]) -> tuple[float, float]:
    return figures["precision_at_recall_0.8"], figures["auc"]
