"""Train an encoder to tag, from the checkpoint to the weights of the best epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthkd.artifacts.arrays import Arrays
from synthkd.encoders.batches import Ints, batches_by_tokens, training_batches
from synthkd.encoders.device import autocast_bf16, has_fast_bf16, quiet_transformers, seeded
from synthkd.encoders.fine_tuning import BestEpoch, TuningSchedule, fine_tune, parameter_groups
from synthkd.encoders.load import load_classifier_encoder, max_text_length
from synthkd.errors import TrainingError
from synthkd.students.base import Floats
from synthkd.students.metrics.entities import count_spans, micro_scores
from synthkd.students.spans import Spans, TaggedTexts
from synthkd.students.taggers.module import EncoderTagger, unit_loss
from synthkd.students.taggers.options import TaggerOptions, TaggingHistory
from synthkd.students.taggers.units import (
    best_labels,
    divided_by_blanks,
    label_spans,
    text_units,
    unit_labels,
)
from synthkd.students.taggers.windows import TextWindows


@dataclass
class TrainedTagger:
    """A module with what it needs to tag.

    Attributes:
        by_blanks: Units are what stands between blanks.
        error: Why training ended early; the module has the weights of the best epoch before.
    """

    module: Any
    tokenizer: Any
    types: tuple[str, ...]
    max_length: int
    shared: int
    by_blanks: bool
    device: str
    history: TaggingHistory = field(default_factory=TaggingHistory)
    error: TrainingError | None = None

    def settings(self) -> dict[str, Any]:
        """Return what the folder records besides the options."""
        return {"max_length": self.max_length, "by_blanks": self.by_blanks}

    def save(self, folder: Path) -> Arrays:
        """Write the encoder into a folder, and return the arrays of the head."""
        with quiet_transformers():
            self.module.encoder.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        return {name: value.cpu().numpy() for name, value in self.module.head.state_dict().items()}

    def windows(self, texts: Sequence[str]) -> tuple[TextWindows, list[list[tuple[int, int]]]]:
        """Return the windows and the units of texts."""
        units = [text_units(text, self.by_blanks) for text in texts]
        return TextWindows(self.tokenizer, texts, units, self.max_length, self.shared), units

    def log_probabilities(self, windows: TextWindows, counts: Sequence[int]) -> list[Floats]:
        """Return (n, L) log-probabilities of the labels of the units of each text."""
        values: list[Any] = [None] * len(windows.lengths)
        training = self.module.training
        self.module.train(False)
        try:
            with torch.inference_mode():
                for rows in batches_by_tokens(windows.lengths):
                    batch, tokens = windows.positions(rows)
                    fields = windows.tensors(rows, self.device)
                    logits = self.module.logits(self.module.vectors(fields, batch, tokens))
                    logs = torch.log_softmax(logits.double(), dim=1).cpu().numpy()
                    for place, row in enumerate(rows.tolist()):
                        values[row] = logs[batch == place]
        finally:
            self.module.train(training)
        return windows.gather(values, counts, 1 + 2 * len(self.types))

    def spans(self, texts: Sequence[str]) -> list[Spans]:
        """Return the spans of texts, with their confidence."""
        windows, units = self.windows(texts)
        logs = self.log_probabilities(windows, [len(one) for one in units])
        return [
            label_spans(best_labels(one), places, self.types, one)
            for one, places in zip(logs, units, strict=True)
        ]


def load_tagger(
    options: TaggerOptions, rows: TaggedTexts, types: Sequence[str], device: str
) -> Any:
    """Load the base encoder of a tagger of these types, with a new head."""
    encoder, tokenizer = load_classifier_encoder(options.base)
    length = max_text_length(encoder, tokenizer, options.max_length)
    encoder.get_input_embeddings().requires_grad_(options.embeddings)
    module = EncoderTagger(encoder, 1 + 2 * len(types), options.dropout).to(device)
    return TrainedTagger(
        module, tokenizer, tuple(types), length, options.shared, divided_by_blanks(rows), device
    )


class TrainingRows:
    """Training rows as windows and labels of units.

    Attributes:
        windows: The windows of the texts.
        labels: Of each text the (n,) labels of its units.
    """

    def __init__(self, tagger: TrainedTagger, rows: TaggedTexts) -> None:
        self.windows, units = tagger.windows(rows.texts)
        self.labels = [
            unit_labels(places, spans, tagger.types)
            for places, spans in zip(units, rows.spans, strict=True)
        ]
        tagger.history.cut = self.windows.cut

    def steps(self, size: int, epochs: int) -> int:
        """Return the number of steps of all epochs."""
        return math.ceil(len(self.windows.lengths) / size) * epochs

    def batches(self, size: int, rng: np.random.Generator) -> Iterable[Ints]:
        """Return the batches of an epoch: indices of windows."""
        return training_batches(self.windows.lengths, size, rng)


def train_tagger(
    options: TaggerOptions,
    rows: TaggedTexts,
    types: Sequence[str],
    validation: TaggedTexts | None,
    seed: int,
    device: str,
) -> TrainedTagger:
    """Train a tagger on labelled rows; `validation` chooses the epoch by its F1.

    Raises:
        StudentError: The checkpoint is no encoder.
        TrainingError: The loss is not finite before any epoch ended.
    """
    with seeded(seed):
        tagger: TrainedTagger = load_tagger(options, rows, types, device)
        training = TrainingRows(tagger, rows)
        rng = np.random.default_rng(seed)
        windows, module = training.windows, tagger.module
        bf16 = has_fast_bf16(device) if options.bf16 is None else options.bf16

        def batch_loss(chosen: Ints) -> Any:
            batch, tokens = windows.positions(chosen)
            with autocast_bf16(device, bf16):
                vectors = module.vectors(windows.tensors(chosen, device), batch, tokens)
                logits = module.logits(vectors)
            return unit_loss(logits, windows.labels(chosen, training.labels))

        best = BestEpoch(module, validator(tagger, validation), options.patience)
        schedule = tuning_schedule(options)
        try:
            fine_tune(
                best, lambda: training.batches(options.batch_size, rng), batch_loss,
                parameter_groups(module, schedule), schedule,
                training.steps(options.batch_size, options.epochs), objective="tagging",
            )  # fmt: skip
        except TrainingError as error:
            if not best.kept:
                raise
            tagger.error = error
        tagger.history.losses, tagger.history.kept = best.losses, best.kept
    return tagger


def tuning_schedule(options: TaggerOptions) -> TuningSchedule:
    """Return the schedule of the options."""
    return TuningSchedule(
        options.epochs, options.lr, options.warmup, options.weight_decay, options.head_factor
    )


def validator(tagger: TrainedTagger, validation: TaggedTexts | None) -> Callable[[], float] | None:
    """Return a function that measures and records the micro F1 on validation rows."""
    if validation is None or not len(validation):
        return None

    def measure() -> float:
        counts = count_spans(validation.spans, tagger.spans(validation.texts))
        f1 = micro_scores(counts.sum(0))[2]
        tagger.history.validation.append(f1)
        return f1

    return measure
