"""Self-training for labels with errors: two students that agree, and prototypes.

ATSEN (Qu et al. 2023, AAAI, "Distantly-Supervised Named Entity Recognition with Adaptive Teacher
Learning and Fine-Grained Student Ensemble"): two pairs of teacher and student. The students begin
on the given labels. Then the labels on which both teachers agree, and are sure enough, are those of
both students; units on which they disagree are unlabelled. A teacher is a moving average of its
student, layer by layer. ProKD (Ge et al. 2023, arXiv 2301.08855): a label weighs less the farther
its unit lies from the prototype of the label, a moving average of the vectors of units.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from synthkd.encoders.batches import Ints
from synthkd.encoders.device import autocast_bf16, has_fast_bf16, seeded
from synthkd.encoders.fine_tuning import BestEpoch, fine_tune, parameter_groups
from synthkd.students.spans import TaggedTexts
from synthkd.students.taggers.module import unit_loss
from synthkd.students.taggers.options import TaggerOptions
from synthkd.students.taggers.training import (
    TrainedTagger,
    TrainingRows,
    train_tagger,
    tuning_schedule,
    validator,
)
from synthkd.students.taggers.units import UNLABELLED

#: Share that a prototype keeps of itself at each step.
_PROTOTYPE_EMA = 0.9


def co_predictions(first: Tensor, second: Tensor, threshold: float = 0.0) -> Ints:
    """Return the labels on which two teachers agree; `UNLABELLED` for other units.

    Args:
        first: (u, L) logits of a teacher.
        second: (u, L) logits of the other.
        threshold: Least mean probability of the label.
    """
    left, right = first.softmax(1), second.softmax(1)
    labels = left.argmax(1)
    sure = (left + right).max(1).values / 2 >= threshold
    agreed = (labels == right.argmax(1)) & sure
    chosen: Ints = torch.where(agreed, labels, UNLABELLED).cpu().numpy()
    return chosen


class Prototypes:
    """Mean vectors of the units of each label, as moving averages of unit length.

    Attributes:
        vectors: (L, d); zeros for a label without a unit so far.
    """

    def __init__(self, labels: int, width: int, temperature: float) -> None:
        self.vectors = torch.zeros(labels, width)
        self.temperature = temperature

    def update(self, vectors: Tensor, labels: Ints) -> None:
        """Move the prototypes of a batch's labels to the means of its (u, d) vectors."""
        unit = normalize(vectors.detach().float().cpu(), dim=1)
        for label in np.unique(labels[labels != UNLABELLED]).tolist():
            mean = unit[torch.from_numpy(labels == label)].mean(0)
            known = self.vectors[label]
            kept = _PROTOTYPE_EMA if bool(known.any()) else 0.0
            self.vectors[label] = normalize(kept * known + (1 - kept) * mean, dim=0)

    def weights(self, vectors: Tensor, labels: Ints) -> Tensor:
        """Return (u,) weights exp(-d / t), d the cosine distance to the prototype of the label.

        Units without a label, and labels without a prototype, weigh 1.
        """
        unit = normalize(vectors.detach().float().cpu(), dim=1)
        own = self.vectors[torch.from_numpy(np.maximum(labels, 0))]
        distance = 1 - (unit * own).sum(1)
        known = own.any(1) & torch.from_numpy(labels != UNLABELLED)
        return torch.where(known, torch.exp(-distance / self.temperature), torch.ones(len(labels)))


def self_train(
    options: TaggerOptions,
    rows: TaggedTexts,
    types: Sequence[str],
    validation: TaggedTexts | None,
    seed: int,
    device: str,
) -> TrainedTagger:
    """Train two students on the labels, then on what their teachers agree on.

    Returns:
        The first teacher; with validation rows, at its best epoch of self-training by their F1.

    Raises:
        StudentError: The checkpoint is no encoder.
        TrainingError: The loss is not finite.
    """
    students = train_pair(options, rows, types, validation, seed, device)
    for student in students:
        if student.error is not None:
            return student
    return go_on(options, rows, students, validation, seed, device)


def train_pair(
    options: TaggerOptions,
    rows: TaggedTexts,
    types: Sequence[str],
    validation: TaggedTexts | None,
    seed: int,
    device: str,
) -> list[TrainedTagger]:
    """Train the two students on the given labels; the arguments are those of `self_train`."""
    # The second seed follows from the first, and is no seed that a user counts up to.
    seeds = (seed, (seed + 0x9E3779B9) % (1 << 32))
    return [train_tagger(options, rows, types, validation, one, device) for one in seeds]


def go_on(
    options: TaggerOptions,
    rows: TaggedTexts,
    students: Sequence[TrainedTagger],
    validation: TaggedTexts | None,
    seed: int,
    device: str,
) -> TrainedTagger:
    """Train two students, in place, on what their teachers agree on; return the first teacher."""
    with seeded(seed):
        return _SelfTraining(options, rows, students, validation, seed, device).run()


class _SelfTraining:
    """The second part of a training: teachers label, students learn, teachers follow."""

    def __init__(
        self,
        options: TaggerOptions,
        rows: TaggedTexts,
        students: Sequence[TrainedTagger],
        validation: TaggedTexts | None,
        seed: int,
        device: str,
    ) -> None:
        self.options, self.device, self.validation = options, device, validation
        self.students = students
        self.teachers = [copy.deepcopy(student.module).train(False) for student in students]
        self.training = TrainingRows(students[0], rows)
        self.rng = np.random.default_rng([seed, 1])
        self.bf16 = has_fast_bf16(device) if options.bf16 is None else options.bf16
        labels, width = students[0].module.head.weight.shape
        self.prototypes = [
            Prototypes(labels, width, options.prototype_temperature) for _ in students
        ]
        self.agreed: list[tuple[int, int]] = []

    def run(self) -> TrainedTagger:
        options = self.options
        first = replace(self.students[0], module=self.teachers[0])
        both = torch.nn.ModuleDict({"one": self.students[0].module, "two": self.students[1].module})
        measure = validator(first, self.validation)
        lr = options.self_lr or options.lr / 2
        schedule = replace(tuning_schedule(options), epochs=options.self_epochs, lr=lr)
        best = _TeachersBest(both, self.teachers[0], measure, options.patience)
        size = options.batch_size
        fine_tune(
            best, lambda: self.training.batches(size, self.rng), self._loss,
            parameter_groups(both, schedule), schedule,
            self.training.steps(size, options.self_epochs), objective="self-training",
            on_batch=self._follow,
        )  # fmt: skip
        first.history.losses += best.losses
        first.history.kept = len(self.students[0].history.losses) - len(best.losses) + best.kept
        steps = max(1, math.ceil(len(self.agreed) / max(1, len(best.losses))))
        for start in range(0, len(self.agreed), steps):
            part = np.array(self.agreed[start : start + steps]).sum(0)
            first.history.agreed.append(float(part[0] / max(1, part[1])))
        return first

    def _loss(self, chosen: Ints) -> Any:
        """Return the sum of both students' losses on the labels of both teachers."""
        windows = self.training.windows
        batch, tokens = windows.positions(chosen)
        fields = windows.tensors(chosen, self.device)
        with torch.no_grad(), autocast_bf16(self.device, self.bf16):
            vectors = [teacher.vectors(fields, batch, tokens) for teacher in self.teachers]
            logits = [
                teacher.logits(one).float()
                for teacher, one in zip(self.teachers, vectors, strict=True)
            ]
        labels = co_predictions(logits[0], logits[1], self.options.threshold)
        self.agreed.append((int((labels != UNLABELLED).sum()), len(labels)))
        total: Any = 0.0
        for student, of_teacher, known in zip(self.students, vectors, self.prototypes, strict=True):
            weights = None
            if self.options.prototypes:
                known.update(of_teacher, labels)
                weights = known.weights(of_teacher, labels).to(self.device)
            with autocast_bf16(self.device, self.bf16):
                own = student.module.logits(student.module.vectors(fields, batch, tokens))
            total = total + unit_loss(own, labels, weights)
        return total

    def _follow(self, _: int) -> None:
        """Move each layer of a teacher towards its student's, with the probability `fragments`."""
        share = 1 - self.options.ema
        with torch.no_grad():
            for student, teacher in zip(self.students, self.teachers, strict=True):
                for own, other in zip(
                    teacher.parameters(), student.module.parameters(), strict=True
                ):
                    if other.requires_grad and self.rng.random() < self.options.fragments:
                        own.lerp_(other, share)


class _TeachersBest(BestEpoch):
    """The best epoch of a teacher, while its students are trained."""

    def __init__(self, students: Any, teacher: Any, validate: Any, patience: int) -> None:
        super().__init__(students, validate, patience)
        self._teacher = BestEpoch(teacher, None, patience)

    def end_epoch(self, loss: float) -> bool:
        before = self.kept
        goes_on = super().end_epoch(loss)
        if self.kept != before:
            self._teacher.end_epoch(loss)
        return goes_on

    def restore(self) -> None:
        self._teacher.restore()
