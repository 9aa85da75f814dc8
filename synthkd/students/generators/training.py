"""Train a generator with the transformers Trainer, and keep the best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

from synthkd.encoders.device import autocast_bf16, has_fast_bf16, quiet_transformers, seeded
from synthkd.encoders.fine_tuning import BestEpoch
from synthkd.errors import TrainingError
from synthkd.storage import TemporaryFolder
from synthkd.students.generators.batches import EpochBatches, collate
from synthkd.students.generators.examples import Example
from synthkd.students.generators.objective import (
    CrossEntropy,
    Objective,
    completion_loss,
    is_seq2seq,
    row_losses,
    selects_logits,
)
from synthkd.students.generators.options import GeneratorOptions
from synthkd.students.generators.tokens import TokenizedExamples


@dataclass
class TrainingStats:
    """The course of a training.

    Attributes:
        steps: Steps that were done.
        best: The step whose weights were kept; 0 if no epoch ended.
        curve: A point for each epoch.
        seconds: Seconds of the steps.
        tokens: Tokens of the steps, read and written.
    """

    steps: int = 0
    best: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0


class _NotFiniteError(Exception):
    """A loss or weight that is not finite."""


class _Trainer(Trainer):  # type: ignore[misc]
    """A Trainer with batches by length and an own objective."""

    def __init__(self, training: GeneratorTraining, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.training = training
        # The loss is the mean of a batch: the Trainer divides it by the batches of a step.
        self.model_accepts_loss_kwargs = False

    def get_train_dataloader(self) -> Any:
        training = self.training
        loader = DataLoader(
            range(len(training.tokenized)),
            batch_sampler=training.batches,
            collate_fn=training.collate,
        )
        return self.accelerator.prepare(loader) if self.args.world_size > 1 else loader

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        training = self.training
        rows = inputs["rows"]
        with training.half_precision():
            sums, tokens = completion_loss(model, inputs, training.selects_logits)
        loss = training.objective(
            sums, tokens, inputs["weights"], training.examples_of(rows), model
        )
        value = float(loss.detach())
        if not math.isfinite(value):
            raise _NotFiniteError(f"{value}")
        training.losses.append(value)
        training.stats.tokens += int(inputs["attention_mask"].sum())
        return loss


class _EpochEnd(TrainerCallback):  # type: ignore[misc]
    """Measure after each epoch, keep the best weights, and stop early."""

    def __init__(self, training: GeneratorTraining) -> None:
        self.training = training

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        training = self.training
        training.check_weights()
        stats, best = training.stats, training.best
        loss = _rounded_mean(training.losses)
        training.losses = []
        if not best.end_epoch(loss):
            control.should_training_stop = True
        if best.kept == len(best.losses):
            stats.best = state.global_step
        point = {"epoch": round(float(state.epoch), 4), "step": state.global_step, "loss": loss}
        if training.validation is not None:
            point["validation"] = training.validation_losses[-1]
        stats.curve.append(point)
        stats.steps = state.global_step
        return control


def _rounded_mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 6) if values else float("nan")


class GeneratorTraining:
    """One training of a model."""

    def __init__(
        self,
        model: Any,
        pad: int,
        tokenized: TokenizedExamples,
        examples: Sequence[Example],
        options: GeneratorOptions,
        objective: Objective | None = None,
        validation: TokenizedExamples | None = None,
    ) -> None:
        self.model, self.pad, self.options = model, pad, options
        self.tokenized, self.examples, self.validation = tokenized, examples, validation
        self.objective: Objective = objective or CrossEntropy()
        groups = None
        if self.objective.grouped:
            groups = np.array(
                [examples[int(index)].question for index in tokenized.example_indices], np.int64
            )
        self.batches = EpochBatches(tokenized.lengths, options.batch_size, options.seed, groups)
        self.seq2seq, self.selects_logits = is_seq2seq(model), False
        self.bf16 = has_fast_bf16(model.device.type) if options.half is None else options.half
        self.losses: list[float] = []
        self.validation_losses: list[float] = []
        self.stats = TrainingStats()
        self.best = BestEpoch(
            model, self._score if validation is not None else None, options.patience
        )

    def collate(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """Return the tensors of a batch."""
        return collate(self.tokenized, rows, self.pad, self.seq2seq)

    def examples_of(self, rows: Tensor) -> list[Example]:
        """Return the examples of a batch, for objectives that look at them."""
        if isinstance(self.objective, CrossEntropy):
            return []
        return [self.examples[int(self.tokenized.example_indices[row])] for row in rows.tolist()]

    def run(self, lr: float) -> TrainingStats:
        """Train; the model ends with the best weights, also after an error.

        Raises:
            TrainingError: The loss is not finite.
        """
        with TemporaryFolder() as folder, quiet_transformers(), seeded(self.options.seed):
            trainer = _Trainer(
                self, model=self.model, args=self._arguments(lr, folder),
                callbacks=[_EpochEnd(self)],
                train_dataset=range(len(self.tokenized)),
            )  # fmt: skip
            for callback in list(trainer.callback_handler.callbacks):
                if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
                    trainer.remove_callback(callback)
            self.selects_logits = selects_logits(self.model)
            attention = self._use_plain_attention()
            start = time.perf_counter()
            try:
                trainer.train()
            except _NotFiniteError as problem:
                raise self._training_error(str(problem), trainer.state) from None
            finally:
                self.stats.seconds = time.perf_counter() - start
                self.best.restore()
                self.model.eval()
                if attention:
                    self.model.set_attn_implementation(attention)
        return self.stats

    def half_precision(self) -> Any:
        """Return a context that computes in bf16, if the option `half` or the hardware says so."""
        return autocast_bf16(self.model.device.type, self.bf16)

    def check_weights(self) -> None:
        """Refuse weights that are not finite."""
        if not all(
            bool(torch.isfinite(v).all()) for v in self.model.parameters() if v.requires_grad
        ):
            raise _NotFiniteError("nan")

    def _use_plain_attention(self) -> str | None:
        """Use plain attention on a CPU in bf16 (twice as fast); return what to restore."""
        before = getattr(self.model.config, "_attn_implementation", None)
        if self.model.device.type != "cpu" or not self.bf16 or before != "sdpa":
            return None
        self.model.set_attn_implementation("eager")
        return str(before)

    def _training_error(self, value: str, state: Any) -> TrainingError:
        best = self.stats.best
        kept = (
            f"the weights after step {best} are kept"
            if best
            else "the weights before training are kept"
        )
        return TrainingError(
            f"the loss is {value} at step {state.global_step + 1} (epoch"
            f" {int(state.epoch or 0) + 1}); {kept};"
            " take a smaller lr or more warmup"
        )

    def _arguments(self, lr: float, folder: str) -> TrainingArguments:
        options = self.options
        steps = len(self.batches) * options.epochs / options.accumulate
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=options.batch_size,
            num_train_epochs=options.epochs,
            gradient_accumulation_steps=options.accumulate, learning_rate=lr,
            lr_scheduler_type=options.schedule,
            warmup_steps=int(options.warmup * steps), weight_decay=options.weight_decay,
            seed=options.seed,
            use_cpu=self.model.device.type == "cpu", report_to="none", save_strategy="no",
            logging_strategy="no", eval_strategy="no", disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False, average_tokens_across_devices=False,
        )  # fmt: skip
        # Several GPUs are used if the program is started on each (torchrun), else one.
        arguments._n_gpu = min(1, arguments.n_gpu)
        return arguments

    def _score(self) -> float:
        """Return minus the validation loss, and record the loss."""
        self.validation_losses.append(round(self.measure(), 6))
        if not math.isfinite(self.validation_losses[-1]):
            raise _NotFiniteError(f"{self.validation_losses[-1]} on the validation rows")
        return -self.validation_losses[-1]

    def measure(self) -> float:
        """Return the weighted mean cross-entropy of the validation rows, in nats a token."""
        assert self.validation is not None
        with self.half_precision():
            sums, tokens = row_losses(
                self.model,
                self.validation,
                self.pad,
                2 * self.options.batch_size,
                self.selects_logits,
            )
        weights = self.validation.weights
        return float((weights * sums).sum() / (weights * tokens).sum())
