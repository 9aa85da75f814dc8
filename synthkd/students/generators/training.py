"""Training with the transformers Trainer: completions alone count, the best state is kept, a broken loss ends it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

from synthkd.encoders.load import quiet_transformers
from synthkd.errors import TrainingError
from synthkd.storage import TemporaryFolder
from synthkd.students.device import has_bf16, seeded
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


class State:
    """The best weights so far, of those that are trained, on the CPU."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.keep()

    def keep(self) -> None:
        self.held = {
            name: value.detach().to("cpu", copy=True)
            for name, value in self.model.named_parameters()
            if value.requires_grad
        }

    def restore(self) -> None:
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                if name in self.held:
                    value.copy_(self.held[name])

    def sound(self) -> bool:
        """Whether every trained weight of the model is a number."""
        return all(bool(torch.isfinite(v).all()) for v in self.model.parameters() if v.requires_grad)


@dataclass
class TrainingStats:
    """How a training went. ``curve``: a point for each epoch; ``seconds`` and ``tokens`` (read and written) of the steps."""

    steps: int = 0
    best: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0


class _Broken(Exception):
    """A loss that is no number, at a step."""


class _Trainer(Trainer):  # type: ignore[misc]
    """Batches by length, and an objective of its own."""

    def __init__(self, work: GeneratorTraining, **rest: Any) -> None:
        super().__init__(**rest)
        self.work = work
        # The loss is a mean of its batch: the Trainer is to divide it by the batches of a step.
        self.model_accepts_loss_kwargs = False

    def get_train_dataloader(self) -> Any:
        work = self.work
        loader = DataLoader(range(len(work.coded)), batch_sampler=work.batches, collate_fn=work.collate)
        return self.accelerator.prepare(loader) if self.args.world_size > 1 else loader

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        work = self.work
        rows = inputs["rows"]
        with work.half():
            sums, tokens = completion_loss(model, inputs, work.picks)
        examples = (
            [work.examples[int(work.coded.places[i])] for i in rows.tolist()] if work.names_examples else []
        )
        loss = work.objective(sums, tokens, inputs["weights"], examples, model)
        value = float(loss.detach())
        if value != value or value in (float("inf"), float("-inf")):
            raise _Broken(f"{value}")
        work.losses.append(value)
        work.trained.tokens += int(inputs["attention_mask"].sum())
        return loss


class _Epochs(TrainerCallback):  # type: ignore[misc]
    """After each epoch: measure, keep what is best, stop where it does not get better."""

    def __init__(self, work: GeneratorTraining) -> None:
        self.work, self.bad = work, 0

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        work = self.work
        if not work.state.sound():
            raise _Broken("nan")
        point = {
            "epoch": round(float(state.epoch), 4),
            "step": state.global_step,
            "loss": _rounded(work.losses),
        }
        work.losses = []
        if work.validation is None:
            work.state.keep()
            work.trained.best = state.global_step
        else:
            point["validation"] = round(work.measure(), 6)
            before = min((old["validation"] for old in work.trained.curve), default=float("inf"))
            if point["validation"] < before:
                work.state.keep()
                work.trained.best, self.bad = state.global_step, 0
            else:
                self.bad += 1
                control.should_training_stop = self.bad >= work.options.patience
        work.trained.curve.append(point)
        work.trained.steps = state.global_step
        return control


def _rounded(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 6) if values else float("nan")


class GeneratorTraining:
    """One training of a model."""

    def __init__(
        self,
        model: Any,
        pad: int,
        coded: TokenizedExamples,
        examples: Sequence[Example],
        options: GeneratorOptions,
        objective: Objective | None = None,
        validation: TokenizedExamples | None = None,
    ) -> None:
        self.model, self.pad, self.options = model, pad, options
        self.coded, self.examples, self.validation = coded, examples, validation
        self.objective: Objective = objective or CrossEntropy()
        self.names_examples = not isinstance(self.objective, CrossEntropy)
        groups = None
        if self.objective.grouped:
            groups = np.array([examples[int(place)].question for place in coded.places], np.int64)
        self.batches = EpochBatches(coded.lengths, options.batch_size, options.seed, groups)
        self.seq2seq, self.picks = is_seq2seq(model), False
        self.halves = has_bf16(model.device.type) if options.half is None else options.half
        self.losses: list[float] = []
        self.trained = TrainingStats()
        self.state = State(model)

    def collate(self, rows: Sequence[int]) -> dict[str, Tensor]:
        return collate(self.coded, rows, self.pad, self.seq2seq)

    def run(self, lr: float) -> TrainingStats:
        """Train; the model ends with the best weights. Raises `TrainingError`, and the last good ones stand."""
        with TemporaryFolder() as folder, quiet_transformers(), seeded(self.options.seed):
            trainer = _Trainer(
                self, model=self.model, args=self._arguments(lr, folder), callbacks=[_Epochs(self)],
                train_dataset=range(len(self.coded)),
            )  # fmt: skip
            for plain in list(trainer.callback_handler.callbacks):
                if type(plain).__name__ in ("PrinterCallback", "ProgressCallback"):
                    trainer.remove_callback(plain)
            self.picks = selects_logits(self.model)
            attention = self._attention()
            start = time.perf_counter()
            try:
                trainer.train()
            except _Broken as broken:
                self._broken(str(broken), trainer.state)
            finally:
                self.trained.seconds = time.perf_counter() - start
                self.state.restore()
                self.model.eval()
                if attention:
                    self.model.set_attn_implementation(attention)
        return self.trained

    def half(self) -> Any:
        """A context that computes in bf16, weights and sums aside: where the option `half` or the hardware says so."""
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=self.halves)

    def _attention(self) -> str | None:
        """On a CPU in bf16 the plain attention is twice as fast as the fused one; what to put back after training."""
        was = getattr(self.model.config, "_attn_implementation", None)
        if self.model.device.type != "cpu" or not self.halves or was != "sdpa":
            return None
        self.model.set_attn_implementation("eager")
        return str(was)

    def _broken(self, value: str, state: Any) -> None:
        best = self.trained.best
        kept = f"what was there after step {best}" if best else "what was there before training"
        raise TrainingError(
            f"the loss is {value} at step {state.global_step + 1} (epoch {int(state.epoch or 0) + 1}); {kept} is kept;"
            " take a smaller lr or more warmup"
        ) from None

    def _arguments(self, lr: float, folder: str) -> TrainingArguments:
        options = self.options
        steps = len(self.batches) * options.epochs / options.accumulate
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=options.batch_size, num_train_epochs=options.epochs,
            gradient_accumulation_steps=options.accumulate, learning_rate=lr, lr_scheduler_type=options.schedule,
            warmup_steps=int(options.warmup * steps), weight_decay=options.weight_decay, seed=options.seed,
            use_cpu=self.model.device.type == "cpu", report_to="none", save_strategy="no",
            logging_strategy="no", eval_strategy="no", disable_tqdm=True, remove_unused_columns=False,
            dataloader_pin_memory=False, average_tokens_across_devices=False,
        )  # fmt: skip
        # Several GPUs are used where the program is started on each (torchrun); else one.
        arguments._n_gpu = min(1, arguments.n_gpu)
        return arguments

    def measure(self) -> float:
        """Mean cross-entropy of the validation rows' tokens, weighted; nats a token."""
        assert self.validation is not None
        with self.half():
            sums, tokens = row_losses(
                self.model, self.validation, self.pad, 2 * self.options.batch_size, self.picks
            )
        weights = self.validation.weights
        return float((weights * sums).sum() / (weights * tokens).sum())
