"""Options of the encoder student: what they may be, and what they are where nothing is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from synthkd.errors import StudentError, nearest
from synthkd.students.classifiers.class_names import are_descriptive, check_name_weight, is_number, is_whole

#: start -> what is chosen for it where nothing is said; found on parts of BANKING77's training rows.
DEFAULTS: dict[str, dict[str, float]] = {
    "none": {"epochs": 20, "lr": 5e-5, "batch_size": 32},
    "contrastive": {"epochs": 5, "lr": 3e-5, "batch_size": 32},
}
SOFT = ("ce", "kl", "reverse_kl", "jsd", "dist", "sinkhorn")


@dataclass(frozen=True)
class EncoderOptions:
    """``start``: `none` fine-tunes encoder and head with cross-entropy; `contrastive` tunes the encoder by comparing texts and
    puts a logistic head on its vectors. ``patience``: epochs without a better validation loss after which it stops.
    ``calibrate``: without validation rows, train once on four fifths of the rows to find the temperature and the number of
    epochs, then on all. ``soft``: an objective that learns from a teacher's probabilities (`Texts.soft`), with
    ``soft_share`` of the loss and ``soft_temperature``. ``head_factor``: the head learns at so many times ``lr``.
    ``strength``: C of the logistic head. ``class_names``: the name of each class is a training row that counts as so many; None for 1
    with a contrastive start where the names say something, else 0. ``bf16``: half precision in training; None where an accelerator or CPU is faster
    with it. ``max_length``: tokens of a text; None for 128, or fewer where the checkpoint reads fewer.
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
    def of(cls, **said: Any) -> EncoderOptions:
        """The options with their defaults. Raises `StudentError` for one that is unknown or cannot be."""
        known = [field.name for field in fields(cls)]
        for name in said:
            if name not in known:
                raise StudentError(f"student 'encoder': unknown option {name!r}{nearest(name, known)}")
        start = said.get("start", cls.start)
        if start not in DEFAULTS:
            raise StudentError(f"student 'encoder': `start` is `none` or `contrastive`, not {start!r}")
        given = {name: value for name, value in said.items() if value is not None}
        check_name_weight("encoder", said.get("class_names") or 0.0)
        options = cls(**{**DEFAULTS[start], **given})
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
            ("soft", self.soft in (None, *SOFT), f"one of {', '.join(SOFT)}, or left out"),
            ("soft_share", is_number(self.soft_share) and 0 < self.soft_share <= 1, "above 0 and 1 at most"),
            ("soft_temperature", is_number(self.soft_temperature) and self.soft_temperature > 0, "above 0"),
        ):
            if not good:
                raise StudentError(f"student 'encoder': `{name}` must be {what}, not {getattr(self, name)!r}")
        if self.soft and self.start == "contrastive":
            raise StudentError(
                "student 'encoder': a contrastive start compares texts by their labels and reads no soft ones; leave `soft`"
                " out, or take `start: none`"
            )

    def names_for(self, classes: Sequence[str]) -> float:
        """What the names of these classes count as."""
        if self.class_names is not None:
            return self.class_names
        return 1.0 if self.start == "contrastive" and are_descriptive(classes) else 0.0

    def with_epochs(self, epochs: int) -> EncoderOptions:
        """The same, for so many epochs."""
        return replace(self, epochs=epochs)
