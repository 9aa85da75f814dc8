"""Options of the encoder student: bounds and defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from synthkd.errors import StudentError, nearest
from synthkd.students.classifiers.class_names import (
    are_descriptive,
    check_name_weight,
    is_number,
    is_whole,
)

#: start -> its defaults, chosen on parts of BANKING77's training rows.
DEFAULTS: dict[str, dict[str, float]] = {
    "none": {"epochs": 20, "lr": 5e-5, "batch_size": 32},
    "contrastive": {"epochs": 5, "lr": 3e-5, "batch_size": 32},
}
#: Objectives on teacher probabilities -> whether rows are compared one by one, and may have
#: weights.
SOFT_OBJECTIVES = {
    "ce": True,
    "kl": True,
    "reverse_kl": True,
    "jsd": True,
    "dist": False,
    "sinkhorn": False,
}


@dataclass(frozen=True)
class EncoderOptions:
    """Options of the encoder student.

    Attributes:
        start: `none` fine-tunes encoder and head with cross-entropy; `contrastive` tunes the
            encoder by comparing texts and fits a logistic head on its vectors.
        epochs: Epochs at most.
        lr: Learning rate of the encoder.
        batch_size: Rows of a batch.
        max_length: Tokens of a text; None for 128, or fewer if the checkpoint reads fewer.
        patience: Epochs without a lower validation loss after which training stops.
        warmup: Share of the steps in which the learning rate rises.
        weight_decay: Weight decay of AdamW.
        dropout: Dropout before the head.
        head_factor: The head learns at this multiple of `lr`.
        strength: C of the logistic head of a contrastive start.
        class_weights: `balanced` gives each class the same weight.
        class_names: Weight of the name of each class as a training row; None for 1 with a
            contrastive start and descriptive names, else 0.
        calibrate: Without validation rows, train first on four fifths of the rows, to find
            temperature and number of epochs, then on all.
        soft: An objective on a teacher's probabilities (`LabelledTexts.soft`).
        soft_share: The share of `soft` in the loss.
        soft_temperature: The temperature of `soft`.
        bf16: Train in half precision; None does if the hardware is faster with it.
    """

    start: str = "none"
    epochs: int = 0
    lr: float = 0.0
    batch_size: int = 0
    max_length: int | None = None
    patience: int = 3
    warmup: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    head_factor: float = 10.0
    strength: float = 10.0
    class_weights: str | None = None
    class_names: float | None = None
    calibrate: bool = True
    soft: str | None = None
    soft_share: float = 0.5
    soft_temperature: float = 1.0
    bf16: bool | None = None

    @classmethod
    def of(cls, **given: Any) -> EncoderOptions:
        """Return the options with their defaults.

        Raises:
            StudentError: An option is unknown or out of its range.
        """
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise StudentError(
                    f"student 'encoder': unknown option {name!r}{nearest(name, known)}"
                )
        start = given.get("start", cls.start)
        if start not in DEFAULTS:
            raise StudentError(
                f"student 'encoder': `start` is `none` or `contrastive`, not {start!r}"
            )
        chosen = {name: value for name, value in given.items() if value is not None}
        check_name_weight("encoder", given.get("class_names") or 0.0)
        options = cls(**{**DEFAULTS[start], **chosen})
        options._check()
        return options

    def _check(self) -> None:
        for name, good, what in (
            ("epochs", is_whole(self.epochs) and self.epochs >= 1, "1 at least"),
            ("lr", is_number(self.lr) and self.lr > 0, "above 0"),
            ("batch_size", is_whole(self.batch_size) and self.batch_size >= 2, "2 at least"),
            (
                "max_length",
                self.max_length is None or (is_whole(self.max_length) and self.max_length >= 3),
                "3 at least",
            ),
            ("patience", is_whole(self.patience) and self.patience >= 1, "1 at least"),
            ("warmup", is_number(self.warmup) and 0 <= self.warmup < 1, "from 0 to below 1"),
            ("weight_decay", is_number(self.weight_decay) and self.weight_decay >= 0, "0 at least"),
            ("dropout", is_number(self.dropout) and 0 <= self.dropout < 1, "from 0 to below 1"),
            ("head_factor", is_number(self.head_factor) and self.head_factor > 0, "above 0"),
            ("strength", is_number(self.strength) and self.strength > 0, "above 0"),
            ("class_weights", self.class_weights in (None, "balanced"), "`balanced`, or left out"),
            ("calibrate", isinstance(self.calibrate, bool), "true or false"),
            ("bf16", self.bf16 in (None, True, False), "true or false, or left out"),
            (
                "soft",
                self.soft in (None, *SOFT_OBJECTIVES),
                f"one of {', '.join(SOFT_OBJECTIVES)}, or left out",
            ),
            (
                "soft_share",
                is_number(self.soft_share) and 0 < self.soft_share <= 1,
                "above 0 and 1 at most",
            ),
            (
                "soft_temperature",
                is_number(self.soft_temperature) and self.soft_temperature > 0,
                "above 0",
            ),
        ):
            if not good:
                raise StudentError(
                    f"student 'encoder': `{name}` must be {what}, not {getattr(self, name)!r}"
                )
        if self.soft and self.start == "contrastive":
            raise StudentError(
                "student 'encoder': a contrastive start compares texts by their labels and reads no"
                " soft ones; leave `soft`"
                " out, or take `start: none`"
            )

    def names_for(self, classes: Sequence[str]) -> float:
        """Return the weight of the names of these classes as training rows."""
        if self.class_names is not None:
            return self.class_names
        return 1.0 if self.start == "contrastive" and are_descriptive(classes) else 0.0

    def with_epochs(self, epochs: int) -> EncoderOptions:
        """Return the same options with another number of epochs."""
        return replace(self, epochs=epochs)
