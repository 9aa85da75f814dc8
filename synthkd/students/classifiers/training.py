"""Train an encoder classifier, from the checkpoint to calibrated logits.

A contrastive start tunes the encoder by comparing texts, and fits a logistic head to the tuned
vectors, as in SetFit (Tunstall et al. 2022, arXiv 2209.11055). SetFit encodes two texts for each
pair; here every pair of a batch counts, so that 32 texts are 496 pairs
(`losses.supervised_contrastive`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp

from synthkd.encoders.batches import Ints, TokenizedTexts, tokenize_texts, training_batches
from synthkd.encoders.device import autocast_bf16, has_fast_bf16, seeded
from synthkd.encoders.fine_tuning import (
    REMEDY,
    BestEpoch,
    TuningSchedule,
    fine_tune,
    parameter_groups,
)
from synthkd.encoders.forward import Floats, forward_in_batches
from synthkd.encoders.load import load_classifier_encoder, max_text_length
from synthkd.errors import TrainingError
from synthkd.students.base import LabelledTexts
from synthkd.students.classifiers.heads import MultinomialHead
from synthkd.students.classifiers.module import ClassificationLoss, EncoderClassifier, check_soft
from synthkd.students.classifiers.options import EncoderOptions
from synthkd.students.classifiers.temperature import fit_temperature, softmax_at
from synthkd.students.losses import supervised_contrastive

#: Validation rows that judge an epoch: this many, or as many as there are training rows.
_VALIDATION_ROWS = 500
_LEAST_PROBABILITY = 1e-12
#: Texts of one class that meet in a batch of a contrastive start.
_TEXTS_PER_CLASS = 2


@dataclass(frozen=True)
class IndexedTexts:
    """Labelled texts with the indices of their labels (n,) and their weights (n,)."""

    texts: LabelledTexts
    labels: Ints
    weights: Floats


@dataclass
class TuningHistory:
    """The course of a training.

    Attributes:
        losses: The mean training loss of each epoch.
        validation: The validation loss of each epoch.
        kept: The epoch, from 1, whose weights were kept.
        cut: Training rows longer than `max_length`.
    """

    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    kept: int = 0
    cut: int = 0


@dataclass
class TrainedEncoder:
    """The result of a training.

    Attributes:
        error: Why training ended early; the module then has the weights of the best epoch before.
    """

    module: Any
    tokenizer: Any
    max_length: int
    temperature: float = 1.0
    history: TuningHistory = field(default_factory=TuningHistory)
    error: TrainingError | None = None


def train_encoder(
    options: EncoderOptions,
    classes: int,
    rows: IndexedTexts,
    validation: IndexedTexts | None,
    seed: int,
    device: str,
) -> TrainedEncoder:
    """Train a classifier on an encoder.

    Args:
        options: Options of the encoder student.
        classes: The number of classes.
        rows: Training rows.
        validation: Rows that decide when to stop, and on which the temperature is fitted.
        seed: Seed of the head, the dropout and the batches.
        device: The device.

    Raises:
        StudentError: The checkpoint or the soft labels do not fit.
        TrainingError: The loss is not finite before any epoch ended.
    """
    weighted = bool((rows.weights != rows.weights[0]).any())
    loss = ClassificationLoss(options.soft, options.soft_share, options.soft_temperature)
    soft = check_soft(rows.texts, loss, classes, weighted)
    contrastive = options.start == "contrastive"
    with seeded(seed):
        encoder, tokenizer = load_classifier_encoder(options.base)
        length = max_text_length(encoder, tokenizer, options.max_length)
        module = EncoderClassifier(encoder, classes, contrastive, options.dropout).to(device)
        trained = TrainedEncoder(module, tokenizer, length)
        training = _Training(options, classes, rows, validation, trained, seed, device)
        try:
            if contrastive:
                training.tune_contrastively()
            else:
                training.tune(loss, soft)
        except TrainingError as error:
            if not trained.history.kept:
                raise
            trained.error = error
        training.finish()
    return trained


class _Training:
    """One training of an encoder classifier."""

    def __init__(
        self,
        options: EncoderOptions,
        classes: int,
        rows: IndexedTexts,
        validation: IndexedTexts | None,
        trained: TrainedEncoder,
        seed: int,
        device: str,
    ) -> None:
        self.options, self.classes, self.rows, self.trained = options, classes, rows, trained
        self.seed, self.device = seed, device
        self.tokenized = tokenize_texts(trained.tokenizer, rows.texts.texts, trained.max_length)
        trained.history.cut = int((self.tokenized.lengths >= trained.max_length).sum())
        self.present = np.unique(rows.labels)
        self.validation: IndexedTexts | None = None
        self.validation_tokens: TokenizedTexts | None = None
        self.judging: Ints = np.zeros(0, np.int64)
        if validation is not None:
            # A row of a class without a training row cannot judge an epoch.
            usable = np.flatnonzero(
                np.isin(validation.labels, self.present) & (validation.weights > 0)
            )
            most = max(_VALIDATION_ROWS, len(rows.labels))
            self.judging = np.random.default_rng(seed).permutation(usable)[:most]
        if validation is not None and len(self.judging):
            self.validation = validation
            self.validation_tokens = tokenize_texts(
                trained.tokenizer, validation.texts.texts, trained.max_length
            )
        self.schedule = TuningSchedule(
            options.epochs, options.lr, options.warmup, options.weight_decay, options.head_factor
        )
        self.bf16 = has_fast_bf16(device) if options.bf16 is None else options.bf16
        self.labels = torch.from_numpy(rows.labels).to(device)
        self.weights = torch.from_numpy(rows.weights).float().to(device)

    def tune(self, loss: ClassificationLoss, soft: Floats | None) -> None:
        """Fine-tune encoder and head."""
        module, size = self.trained.module, self.options.batch_size
        rng = np.random.default_rng(self.seed)
        targets = None if soft is None else torch.from_numpy(soft).float().to(self.device)

        def batch_loss(rows: Ints) -> Any:
            with autocast_bf16(self.device, self.bf16):
                logits = module(**self.tokenized.tensors(rows, self.device))
            chosen = None if targets is None else targets[rows]
            return loss(logits, self.labels[rows], self.weights[rows], chosen)

        best = BestEpoch(module, self._score if self.validation else None, self.options.patience)
        steps = math.ceil(len(self.rows.labels) / size) * self.schedule.epochs

        def batches() -> Iterable[Ints]:
            return training_batches(self.tokenized.lengths, size, rng)

        try:
            fine_tune(
                best,
                batches,
                batch_loss,
                parameter_groups(module, self.schedule),
                self.schedule,
                steps,
            )
        finally:
            self._record(best)

    def tune_contrastively(self) -> None:
        """Tune the encoder with the contrastive loss; the head is fitted to its vectors."""
        module, size = self.trained.module, self.options.batch_size
        rng = np.random.default_rng(self.seed)
        schedule = replace(self.schedule, head_factor=1.0)

        def batch_loss(rows: Ints) -> Any:
            with autocast_bf16(self.device, self.bf16):
                vectors = module.vectors(**self.tokenized.tensors(rows, self.device))
            return supervised_contrastive(vectors.float(), self.labels[rows], self.weights[rows])

        def score() -> float:
            self._fit_head()
            return self._score()

        best = BestEpoch(module, score if self.validation else None, self.options.patience)
        batches = sum(1 for _ in class_batches(self.rows.labels, size, np.random.default_rng(0)))
        try:
            fine_tune(
                best, lambda: class_batches(self.rows.labels, size, rng), batch_loss,
                parameter_groups(module.encoder, schedule, undecayed=()), schedule,
                batches * schedule.epochs, objective="contrastive",
            )  # fmt: skip
        finally:
            self._record(best)

    def finish(self) -> None:
        """Fit the head of a contrastive start, the temperature, and the floor of absent classes."""
        if self.options.start == "contrastive":
            self._fit_head()
        if self.validation is not None and self.validation_tokens is not None:
            logits = self._mask_absent(self._logits(self.validation_tokens))
            self.trained.temperature = fit_temperature(
                logits, self.validation.labels, self.validation.weights
            )
        self._set_floor()

    def _record(self, best: BestEpoch) -> None:
        self.trained.history.losses, self.trained.history.kept = best.losses, best.kept

    def _fit_head(self) -> None:
        """Fit the module's last layer as a logistic regression on its vectors."""
        module = self.trained.module
        vectors = forward_in_batches(
            module, lambda fields: module.vectors(**fields), self.tokenized, self.device
        )
        head = MultinomialHead.fit(
            vectors, self.rows.labels, self.classes, self.rows.weights, self.options.strength
        )
        with torch.no_grad():
            module.head.weight.copy_(torch.from_numpy(head.weight.T.copy()))
            module.head.bias.copy_(
                torch.from_numpy(np.where(np.isfinite(head.bias), head.bias, 0.0))
            )

    def _logits(self, texts: TokenizedTexts, rows: Ints | None = None) -> Floats:
        module = self.trained.module
        return forward_in_batches(module, lambda fields: module(**fields), texts, self.device, rows)

    def _mask_absent(self, logits: Floats) -> Floats:
        """Set the logits of classes without a training row to minus infinity."""
        masked = np.full_like(logits, -np.inf)
        masked[:, self.present] = logits[:, self.present]
        return masked

    def _score(self) -> float:
        """Return minus the cross-entropy on the validation rows, and record the cross-entropy.

        The temperature is the best one for these rows: an overconfident head is corrected later.
        """
        assert self.validation is not None
        assert self.validation_tokens is not None
        losses = self.trained.history.validation
        logits = self._mask_absent(self._logits(self.validation_tokens, self.judging))
        loss = math.nan
        if np.isfinite(logits[:, self.present]).all():
            labels, weights = (
                self.validation.labels[self.judging],
                self.validation.weights[self.judging],
            )
            temperature = fit_temperature(logits, labels, weights)
            likelihoods = softmax_at(logits, temperature)[np.arange(len(labels)), labels]
            loss = float(
                np.average(-np.log(np.maximum(likelihoods, _LEAST_PROBABILITY)), weights=weights)
            )
        losses.append(loss)
        if not math.isfinite(loss):
            raise TrainingError(
                f"epoch {len(losses)}: the loss on the validation rows is not finite; {REMEDY}"
            )
        return -loss

    def _set_floor(self) -> None:
        """Give absent classes a constant logit.

        Its probability is 1 / (rows + classes) at most on every training row.
        """
        absent = np.setdiff1d(np.arange(self.classes), self.present)
        if not len(absent):
            return
        temperature = self.trained.temperature
        least = logsumexp(self._logits(self.tokenized)[:, self.present] / temperature, axis=1).min()
        floor = temperature * (least - np.log(len(self.tokenized.lengths) + self.classes))
        with torch.no_grad():
            self.trained.module.head.weight[absent] = 0.0
            self.trained.module.head.bias[absent] = float(floor)


def class_batches(labels: Ints, size: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield batches with some texts of each of size / 2 classes; every text comes once.

    A class with an odd number of texts has one group of three; a class with one text is compared
    with other classes alone.

    Args:
        labels: (n,) class indices.
        size: Texts of a batch at least, unless few are left.
        rng: Draws groups and their order.
    """
    groups: list[Ints] = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        groups += np.array_split(rows, max(1, len(rows) // _TEXTS_PER_CLASS))
    batch: list[Ints] = []
    left = len(labels)
    for at in rng.permutation(len(groups)):
        batch.append(groups[at])
        left -= len(groups[at])
        # A remainder below half a batch joins the last batch.
        if sum(len(part) for part in batch) >= size and (left >= size / 2 or not left):
            yield np.concatenate(batch)
            batch = []
    if batch:
        yield np.concatenate(batch)
