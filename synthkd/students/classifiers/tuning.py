"""Fine-tune an encoder classifier with the Trainer of transformers: own batches, own loss, the best epoch in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synthkd.encoders.batches import TokenizedTexts, training_batches
from synthkd.encoders.load import autocast_bf16, quiet_transformers
from synthkd.errors import TrainingError
from synthkd.storage import TemporaryFolder
from synthkd.students.base import Floats, Ints
from synthkd.students.classifiers.module import ClassificationLoss

#: Layers of weights that decay does nothing for.
_NO_DECAY = ("bias", "norm")


@dataclass(frozen=True)
class TuningSchedule:
    """How a fine-tuning goes. ``head_factor``: the head, which starts from nothing, learns at so many times the rate."""

    epochs: int
    lr: float
    batch_size: int
    warmup: float
    weight_decay: float
    head_factor: float
    patience: int
    bf16: bool | None
    seed: int


@dataclass
class TuningHistory:
    """What each epoch came to. ``kept``: the epoch (from 1) whose weights were kept. ``cut``: training rows that were
    longer than ``max_length``."""

    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    kept: int = 0
    cut: int = 0


@dataclass(frozen=True)
class TuningRows:
    """Training rows as tensors' stuff: token ids (n), places (n,), weights (n,) with mean 1, soft labels (n, C) or None."""

    encoded: TokenizedTexts
    places: Ints
    weights: Floats
    soft: Floats | None = None


def tune(
    module: Any,
    rows: TuningRows,
    loss: ClassificationLoss,
    schedule: TuningSchedule,
    device: str,
    best: BestEpoch,
) -> None:
    """Train in place; the module is left as it was after the best epoch.

    Raises `TrainingError` for a loss that is no number; the module then has the weights of the best epoch before it, or
    those it came with.
    """
    import torch
    from transformers import TrainingArguments

    steps = math.ceil(len(rows.places) / schedule.batch_size) * schedule.epochs
    optimizer = torch.optim.AdamW(_groups(module, schedule))
    pace = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warmup_factor(step, steps, schedule.warmup)
    )
    with TemporaryFolder() as folder, quiet_transformers():
        arguments = TrainingArguments(
            output_dir=folder, num_train_epochs=schedule.epochs, per_device_train_batch_size=schedule.batch_size,
            seed=schedule.seed, report_to="none", save_strategy="no", logging_strategy="no", eval_strategy="no",
            disable_tqdm=True, use_cpu=device == "cpu", max_grad_norm=1.0, remove_unused_columns=False,
        )  # fmt: skip
        trainer = _trainer(module, arguments, (optimizer, pace), rows, loss, schedule, device, best)
        try:
            trainer.train()
        finally:
            best.restore()
            module.train(False)


class BestEpoch:
    """The weights after the best epoch so far, and whether to go on."""

    def __init__(
        self, module: Any, judge: Callable[[], float] | None, patience: int, history: TuningHistory
    ) -> None:
        self.module, self.judge, self.patience, self.history = module, judge, patience, history
        self.state: dict[str, Any] = self._copy()
        self.least = math.inf

    def _copy(self) -> dict[str, Any]:
        return {name: value.detach().clone() for name, value in self.module.state_dict().items()}

    def after(self, epoch: int, loss: float) -> bool:
        """Take note of an epoch, from 1; false where no better one has come for as many as patience has."""
        self.history.losses.append(loss)
        if self.judge is None:
            self.state, self.history.kept = self._copy(), epoch
            return True
        self.history.validation.append(self.judge())
        if not math.isfinite(self.history.validation[-1]):
            raise TrainingError(f"epoch {epoch}: the loss on the validation rows is no number; {REMEDY}")
        if self.history.validation[-1] < self.least:
            self.least, self.state, self.history.kept = self.history.validation[-1], self._copy(), epoch
        return epoch - self.history.kept < self.patience

    def restore(self) -> None:
        self.module.load_state_dict(self.state)


REMEDY = "take a lower `lr`, or look for weights and soft labels that are out of proportion"


def warmup_factor(step: int, total: int, warmup: float) -> float:
    """Linear from 0 to 1 over the warm-up, then linear down to 0 at the end."""
    rise = max(1.0, warmup * total)
    return max(0.0, min((step + 1) / rise, (total - step) / max(1.0, total - rise)))


def _groups(module: Any, schedule: TuningSchedule) -> list[dict[str, Any]]:
    """Parameters by rate and decay."""
    found: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in module.named_parameters():
        plain = any(part in name.lower() for part in _NO_DECAY)
        found.setdefault((name.startswith("head."), plain), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": schedule.lr * (schedule.head_factor if head else 1.0),
            "weight_decay": 0.0 if plain else schedule.weight_decay,
        }
        for (head, plain), parameters in found.items()
    ]


def _trainer(
    module: Any,
    arguments: Any,
    optimizers: Any,
    rows: TuningRows,
    loss: ClassificationLoss,
    schedule: TuningSchedule,
    device: str,
    best: BestEpoch,
) -> Any:
    import torch
    from transformers import Trainer, TrainerCallback

    class Batches(torch.utils.data.IterableDataset):  # type: ignore[misc]
        """Batches of like lengths, others in every epoch."""

        def __init__(self) -> None:
            self.rng = np.random.default_rng(schedule.seed)

        def __len__(self) -> int:
            return math.ceil(len(rows.places) / schedule.batch_size)

        def __iter__(self) -> Iterator[dict[str, Any]]:
            for chosen in training_batches(rows.encoded.lengths, schedule.batch_size, self.rng):
                fields = rows.encoded.batch(chosen, "cpu")
                fields["places"] = torch.from_numpy(rows.places[chosen])
                fields["weights"] = torch.from_numpy(rows.weights[chosen]).float()
                if rows.soft is not None:
                    fields["soft"] = torch.from_numpy(rows.soft[chosen]).float()
                yield fields

    class Tuning(Trainer):  # type: ignore[misc]
        def get_train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(Batches(), batch_size=None)

        def compute_loss(self, model: Any, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
            places, weights = inputs.pop("places"), inputs.pop("weights")
            soft = inputs.pop("soft", None)
            with autocast_bf16(device, schedule.bf16):
                logits = model(**inputs)
            value = loss(logits, places, weights, soft)
            if not torch.isfinite(value):
                raise TrainingError(
                    f"step {self.state.global_step + 1}: the training loss is {value.item()}; {REMEDY};"
                    " the weights of the best epoch before are kept"
                )
            self.seen.append(float(value.detach()))
            return value

    class AfterEpoch(TrainerCallback):  # type: ignore[misc]
        def on_epoch_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
            mean = float(np.mean(trainer.seen)) if trainer.seen else math.nan
            trainer.seen.clear()
            if not best.after(round(state.epoch), mean):
                control.should_training_stop = True

    trainer = Tuning(model=module, args=arguments, optimizers=optimizers, callbacks=[AfterEpoch()])
    trainer.seen = []
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer
