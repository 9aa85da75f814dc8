"""One training of an encoder student, from the checkpoint to calibrated logits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from synthkd.encoders.batches import TokenizedTexts, forward_in_batches, tokenize_texts
from synthkd.encoders.load import load_classifier_encoder, max_text_length
from synthkd.errors import TrainingError
from synthkd.students.base import Floats, Ints, LabelledTexts
from synthkd.students.classifiers.contrastive import contrastive_start
from synthkd.students.classifiers.heads import MultinomialHead
from synthkd.students.classifiers.module import ClassificationLoss, EncoderClassifier, check_soft
from synthkd.students.classifiers.options import EncoderOptions
from synthkd.students.classifiers.temperature import fit_temperature, softmax_at
from synthkd.students.classifiers.tuning import BestEpoch, TuningHistory, TuningRows, TuningSchedule, tune
from synthkd.students.device import has_bf16, seeded

#: Validation rows that judge an epoch: so many, or as many as there are training rows.
_JUDGES = 500


@dataclass(frozen=True)
class LabelledRows:
    """Rows with the places of their labels (n,) and weights (n,)."""

    rows: LabelledTexts
    places: Ints
    weights: Floats


@dataclass
class TrainedEncoder:
    """What a training left. ``error``: why it ended before its time; the rest is then the best epoch before that."""

    module: Any
    tokenizer: Any
    max_length: int
    temperature: float = 1.0
    history: TuningHistory = field(default_factory=TuningHistory)
    error: TrainingError | None = None


def train_encoder(
    base: str,
    options: EncoderOptions,
    classes: int,
    rows: LabelledRows,
    held: LabelledRows | None,
    seed: int,
    device: str,
) -> TrainedEncoder:
    """Train on ``rows``; ``held`` decides when to stop, and gives the temperature.

    Raises `StudentError` for a checkpoint that does not fit, `TrainingError` for a loss that is no number before any epoch
    was done.
    """
    weighted = bool((rows.weights != rows.weights[0]).any())
    loss = ClassificationLoss(options.soft, options.soft_share, options.soft_temperature)
    soft = check_soft(rows.rows, loss, classes, weighted)
    with seeded(seed):
        encoder, tokenizer = load_classifier_encoder(base)
        length = max_text_length(encoder, tokenizer, options.max_length)
        module = EncoderClassifier(encoder, classes, options.start == "contrastive", options.dropout).to(
            device
        )
        run = _Run(options, classes, rows, held, TrainedEncoder(module, tokenizer, length), seed, device)
        try:
            if options.start == "contrastive":
                run.compare()
            else:
                run.tune(loss, soft)
        except TrainingError as error:
            if not run.made.history.kept:
                raise
            run.made.error = error
        run.finish()
    return run.made


class _Run:
    """A training under way."""

    def __init__(
        self,
        options: EncoderOptions,
        classes: int,
        rows: LabelledRows,
        held: LabelledRows | None,
        made: TrainedEncoder,
        seed: int,
        device: str,
    ) -> None:
        self.options, self.classes, self.rows, self.made, self.device = options, classes, rows, made, device
        self.ids = tokenize_texts(made.tokenizer, rows.rows.texts, made.max_length)
        made.history.cut = int((self.ids.lengths >= made.max_length).sum())
        self.present = np.unique(rows.places)
        self.held: LabelledRows | None = None
        self.held_ids: TokenizedTexts | None = None
        self.judges: Ints = np.zeros(0, np.int64)
        if held is not None:
            # Rows of a class without a training row say nothing of an epoch; are there no others, none is judged.
            telling = np.flatnonzero(np.isin(held.places, self.present) & (held.weights > 0))
            self.judges = np.random.default_rng(seed).permutation(telling)[: max(_JUDGES, len(rows.places))]
        if held is not None and len(self.judges):
            self.held, self.held_ids = held, tokenize_texts(made.tokenizer, held.rows.texts, made.max_length)
        self.schedule = TuningSchedule(
            options.epochs, options.lr, options.batch_size, options.warmup, options.weight_decay, options.head_factor,
            options.patience, has_bf16(device) if options.bf16 is None else options.bf16, seed,
        )  # fmt: skip

    def tune(self, loss: ClassificationLoss, soft: Floats | None) -> None:
        rows = TuningRows(self.ids, self.rows.places, self.rows.weights, soft)
        best = BestEpoch(
            self.made.module, self._judge if self.held else None, self.options.patience, self.made.history
        )
        tune(self.made.module, rows, loss, self.schedule, self.device, best)

    def compare(self) -> None:
        def judge() -> float:
            self._stand_head()
            return self._judge()

        rows = TuningRows(self.ids, self.rows.places, self.rows.weights)
        best = BestEpoch(
            self.made.module, judge if self.held else None, self.options.patience, self.made.history
        )
        contrastive_start(self.made.module, rows, self.schedule, self.device, best)

    def finish(self) -> None:
        """Head, temperature, and a floor for classes that no row was of."""
        if self.options.start == "contrastive":
            self._stand_head()
        if self.held is not None and self.held_ids is not None:
            logits = self._masked(self._logits(self.held_ids))
            self.made.temperature = fit_temperature(logits, self.held.places, self.held.weights)
        self._floor()

    def _stand_head(self) -> None:
        """A logistic regression on the vectors of the training rows, as the module's last layer."""
        import torch

        module = self.made.module
        vectors = forward_in_batches(module, lambda fields: module.vectors(**fields), self.ids, self.device)
        head = MultinomialHead.fit(
            vectors, self.rows.places, self.classes, self.rows.weights, self.options.strength
        )
        with torch.no_grad():
            module.head.weight.copy_(torch.from_numpy(head.weight.T.copy()))
            module.head.bias.copy_(torch.from_numpy(np.where(np.isfinite(head.bias), head.bias, 0.0)))

    def _logits(self, rows: TokenizedTexts, chosen: Ints | None = None) -> Floats:
        module = self.made.module
        return forward_in_batches(module, lambda fields: module(**fields), rows, self.device, chosen)

    def _masked(self, logits: Floats) -> Floats:
        """Without the classes that no training row is of."""
        masked = np.full_like(logits, -np.inf)
        masked[:, self.present] = logits[:, self.present]
        return masked

    def _judge(self) -> float:
        """Mean cross-entropy on the validation rows, at the temperature that suits them best: a head that is too sure
        of itself is mended later."""
        assert self.held is not None
        assert self.held_ids is not None
        logits = self._masked(self._logits(self.held_ids, self.judges))
        if not np.isfinite(logits[:, self.present]).all():
            return float("nan")
        places, weights = self.held.places[self.judges], self.held.weights[self.judges]
        found = softmax_at(logits, fit_temperature(logits, places, weights))[np.arange(len(places)), places]
        return float(np.average(-np.log(np.maximum(found, 1e-12)), weights=weights))

    def _floor(self) -> None:
        """A class without a training row has one logit, whatever the text: a probability of 1 / (rows + C) at most on every
        training row, and a small one on texts such as these."""
        import torch

        absent = np.setdiff1d(np.arange(self.classes), self.present)
        if not len(absent):
            return
        scaled = self._logits(self.ids)[:, self.present] / self.made.temperature
        top = scaled.max(1)
        least = (top + np.log(np.exp(scaled - top[:, None]).sum(1))).min()
        floor = self.made.temperature * (least - np.log(len(self.ids.lengths) + self.classes))
        with torch.no_grad():
            self.made.module.head.weight[absent] = 0.0
            self.made.module.head.bias[absent] = float(floor)


def summary(history: TuningHistory) -> dict[str, Any]:
    """The history as JSON."""
    return asdict(history)
