"""Options of the generator student, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from synthkd.errors import StudentError, nearest
from synthkd.students.base import check_option_names, validated_seed

#: The base that is a new checkpoint, with a tokenizer of the rows' texts.
SCRATCH = "scratch"
#: Column of weights that may be missing; any other that is named must exist.
USUAL_WEIGHT = "weight"
_LORA: dict[str, Any] = {"r": 16, "alpha": 32, "dropout": 0.05, "targets": "all-linear"}
_OBJECTIVES = ("ce", "qcrd")
_SCHEDULES = ("linear", "cosine", "constant")


@dataclass(frozen=True)
class GeneratorOptions:
    """Options of the generator student.

    Attributes:
        base: A checkpoint folder, a hub name, `synthkd/everyday`, `scratch`, or options of
            `new_checkpoint` as a mapping.
        seed: Seed of the training.
        prompt: Name or path of a template, or `corpus` for that of the corpus.
        epochs: Epochs at most.
        lr: The learning rate; None for one that suits the size.
        batch_size: Examples of a batch.
        accumulate: Batches of a step.
        max_length: Tokens of an example at most; None for the model's context.
        max_tokens: Tokens of a completion at most; None for the longest of the training, and some
            more.
        lora: true, or r, alpha, dropout and targets of an adapter.
        objective: `ce` or `qcrd`.
        objective_options: Options of the objective (`QcrdOptions`).
        tasks: `answer`, `multitask` or the share of each task, for rationales.
        patience: Epochs without a lower validation loss after which training stops.
        warmup: Share of the steps in which the learning rate rises.
        schedule: `linear`, `cosine` or `constant`.
        weight_decay: Weight decay of AdamW.
        validation: Share of the questions that is held out, without validation rows.
        weight: Column of weights.
        quality: Column of qualities, for contrastive objectives.
        dtype: Type of the weights.
        half: Compute in bf16; None does if the hardware is faster with it.
        device: The device; an accelerator by default.
    """

    base: Any = SCRATCH
    seed: int = 0
    prompt: str | None = None
    epochs: float = 3.0
    lr: float | None = None
    batch_size: int = 32
    accumulate: int = 1
    max_length: int | None = None
    max_tokens: int | None = None
    lora: Any = None
    objective: str = "ce"
    objective_options: Mapping[str, Any] = field(default_factory=dict)
    tasks: Any = None
    patience: int = 2
    warmup: float = 0.05
    schedule: str = "linear"
    weight_decay: float = 0.01
    validation: float = 0.0
    weight: str = USUAL_WEIGHT
    quality: str = ""
    dtype: str = "float32"
    half: bool | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str | Path | None):
            raise StudentError(
                f"prompt: the name or path of a template is needed, not {self.prompt!r}"
            )
        validated_seed(self.seed)
        for name in ("batch_size", "accumulate", "patience"):
            _number(name, getattr(self, name), 1, whole=True)
        for name in ("max_length", "max_tokens"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), 2 if name == "max_length" else 1, whole=True)
        if self.lr is not None:
            _number("lr", self.lr, 0)
        for name in ("epochs", "warmup", "weight_decay", "validation"):
            _number(name, getattr(self, name), 0)
        if not 0 <= self.warmup < 1 or not 0 <= self.validation < 1:
            raise StudentError("warmup and validation are shares from 0 and below 1")
        if self.schedule not in _SCHEDULES:
            raise StudentError(
                f"schedule: {self.schedule!r} is"
                f" unknown{nearest(str(self.schedule), list(_SCHEDULES))}"
            )
        if self.objective not in _OBJECTIVES:
            raise StudentError(
                f"objective: {self.objective!r} is"
                f" unknown{nearest(str(self.objective), list(_OBJECTIVES))}"
            )
        if self.objective == "ce" and self.objective_options:
            raise StudentError("objective_options: the objective ce has none")
        if self.dtype not in ("float32", "bfloat16", "float16"):
            raise StudentError(f"dtype: {self.dtype!r} is none of float32, bfloat16, float16")
        for name in ("base", "prompt"):
            if isinstance(getattr(self, name), Path):
                object.__setattr__(self, name, str(getattr(self, name)))
        object.__setattr__(self, "lora", _lora(self.lora))

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> GeneratorOptions:
        """Return options from keyword arguments, and refuse unknown ones."""
        check_option_names(given, [one.name for one in fields(cls)], "generator")
        return cls(**given)

    def record(self) -> dict[str, Any]:
        """Return the options as a mapping for JSON."""
        return asdict(self)


def _number(name: str, value: Any, least: float, whole: bool = False) -> None:
    right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not right or not least <= value < float("inf"):
        what = "whole number" if whole else "number"
        raise StudentError(f"{name}: a {what} from {least} on is needed, not {value!r}")


def _lora(given: Any) -> dict[str, Any] | None:
    """Return the settings of LoRA with defaults; None for full training."""
    if given is None or given is False:
        return None
    if given is True:
        return dict(_LORA)
    if not isinstance(given, Mapping):
        raise StudentError(
            f"lora: true, or a mapping of {', '.join(_LORA)} is needed, not {given!r}"
        )
    check_option_names(given, list(_LORA), "lora")
    found = {**_LORA, **given}
    _number("lora.r", found["r"], 1, whole=True)
    _number("lora.alpha", found["alpha"], 0)
    _number("lora.dropout", found["dropout"], 0)
    return found
