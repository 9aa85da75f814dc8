"""The training loop of encoder critics and encoder students.

The `Trainer` of transformers is not used here: it needs accelerate, which critics do without, and
its data loader, callbacks and checkpoints on disk are more code than the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synthkd.encoders.batches import Ints
from synthkd.encoders.forward import Floats
from synthkd.errors import TrainingError

#: What to do about a loss that is not finite.
REMEDY = "take a lower `lr`, or look for weights and soft labels that are out of proportion"
#: Parts of the names of parameters that weight decay does not help.
UNDECAYED = ("bias", "norm")
_MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class TuningSchedule:
    """Settings of the training loop.

    Attributes:
        epochs: Epochs at most.
        lr: The highest learning rate of the encoder.
        warmup: Share of the steps in which the learning rate rises.
        weight_decay: Weight decay of AdamW.
        head_factor: The new head learns at this multiple of `lr`.
    """

    epochs: int
    lr: float
    warmup: float
    weight_decay: float
    head_factor: float = 1.0


class WeightSnapshot:
    """A copy, on the CPU, of the weights of a module that are trained, and of its buffers."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.take()

    def take(self) -> None:
        """Copy the weights as they are now."""
        trained = [
            (name, value) for name, value in self._module.named_parameters() if value.requires_grad
        ]
        self._values = {
            name: value.detach().to("cpu", copy=True)
            for name, value in (*trained, *self._module.named_buffers())
        }

    def restore(self) -> None:
        """Copy the weights back into the module."""
        import torch

        with torch.no_grad():
            for name, value in (*self._module.named_parameters(), *self._module.named_buffers()):
                if name in self._values:
                    value.copy_(self._values[name])


@dataclass
class BestEpoch:
    """The weights of the best epoch, and early stopping.

    Attributes:
        module: The module that is trained.
        validate: Gives the score of the module after an epoch; a higher one is better. None keeps
            the last epoch.
        patience: Epochs without a better score after which training stops.
        kept: The number of the best epoch, from 1; 0 before the first.
        losses: The mean training loss of each epoch.
    """

    module: Any
    validate: Callable[[], Any] | None
    patience: int
    kept: int = 0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._snapshot = WeightSnapshot(self.module)
        self._score: Any = None

    def end_epoch(self, loss: float) -> bool:
        """Record an epoch with its mean loss; return False if training should stop."""
        self.losses.append(loss)
        epoch = len(self.losses)
        score = None if self.validate is None else self.validate()
        if self.validate is None or self.kept == 0 or score > self._score:
            self._score, self.kept = score, epoch
            self._snapshot.take()
        return epoch - self.kept < self.patience

    def restore(self) -> None:
        """Give the module the weights of the best epoch, or its first weights if no epoch ended."""
        self._snapshot.restore()


def fine_tune(
    best: BestEpoch,
    batches: Callable[[], Iterable[Ints]],
    loss: Callable[[Ints], Any],
    parameters: Sequence[dict[str, Any]],
    schedule: TuningSchedule,
    steps: int,
    *,
    objective: str = "training",
    on_batch: Callable[[int], None] | None = None,
) -> None:
    """Train the module of `best` in place, and leave it with its best weights.

    Args:
        best: The module, its validation and its patience.
        batches: Draws the batches of an epoch: the indices of their rows.
        loss: The loss of a batch, a scalar tensor with a gradient.
        parameters: Groups of parameters (`parameter_groups`).
        schedule: Epochs, warm-up and rates.
        steps: Steps of all epochs, over which the learning rate falls to 0.
        objective: The name of the loss in messages.
        on_batch: Called with the number of rows after each step.

    Raises:
        TrainingError: The loss is not finite.
    """
    import torch

    optimizer = torch.optim.AdamW(list(parameters))
    pace = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warmup_factor(step, steps, schedule.warmup)
    )
    module, step = best.module, 0
    try:
        for _ in range(schedule.epochs):
            module.train(True)
            losses = []
            for rows in batches():
                step += 1
                value = loss(rows)
                if not torch.isfinite(value):
                    raise TrainingError(
                        f"step {step}: the {objective} loss is {value.item()}; {REMEDY};"
                        " the weights of the best epoch before are kept"
                    )
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                torch.nn.utils.clip_grad_norm_(module.parameters(), _MAX_GRADIENT_NORM)
                optimizer.step()
                pace.step()
                losses.append(float(value.detach()))
                if on_batch is not None:
                    on_batch(len(rows))
            if not best.end_epoch(float(np.mean(losses)) if losses else math.nan):
                break
    finally:
        best.restore()
        module.train(False)


def warmup_factor(step: int, steps: int, warmup: float) -> float:
    """Return the multiple of the learning rate at a step: linear up to 1, then linear down to 0.

    Unlike `transformers.get_linear_schedule_with_warmup`, no step has a rate of 0: with few steps
    one of them would be lost.
    """
    rise = max(1.0, warmup * steps)
    return max(0.0, min((step + 1) / rise, (steps - step) / max(1.0, steps - rise)))


def parameter_groups(
    module: Any, schedule: TuningSchedule, undecayed: Sequence[str] = UNDECAYED
) -> list[dict[str, Any]]:
    """Return the trained parameters by learning rate and weight decay.

    Args:
        module: Parameters whose name begins with `head.` learn at `head_factor` times the rate.
        schedule: The rates.
        undecayed: Parameters with one of these in their name have no weight decay.
    """
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            plain = any(part in name.lower() for part in undecayed)
            groups.setdefault((name.startswith("head."), plain), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": schedule.lr * (schedule.head_factor if head else 1.0),
            "weight_decay": 0.0 if plain else schedule.weight_decay,
        }
        for (head, plain), parameters in groups.items()
    ]


def balance_classes(weights: Floats, classes: Ints, training: Ints | None = None) -> Floats:
    """Scale the weights (n,) of rows so that every class has the same sum over the training rows.

    Args:
        weights: (n,) weights from 0 on.
        classes: (n,) class indices.
        training: Indices of the training rows; all by default.
    """
    rows = slice(None) if training is None else training
    sums = np.bincount(classes[rows], weights[rows], int(classes.max(initial=0)) + 1)
    balanced: Floats = weights / np.where(sums > 0, sums, 1.0)[classes]
    return balanced
