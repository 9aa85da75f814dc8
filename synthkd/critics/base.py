"""The contract of critics, which give candidates a probability of being valid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pyarrow as pa

from synthkd.errors import CriticError
from synthkd.kinds.base import Kind
from synthkd.plugins import Plugin
from synthkd.returned_values import Check, check_saved, short_form

Scores = np.ndarray[Any, np.dtype[np.float64]]
Labels = np.ndarray[Any, np.dtype[np.bool_]]


def require_both_verdicts(labels: Labels) -> None:
    """Raise CriticError if all rows have the same verdict: nothing can be learnt from them."""
    if len(set(labels.tolist())) < 2:
        raise CriticError("all verdicts are the same; a critic needs rows of both")


class Missing(NamedTuple):
    """Outcome and reason of a row without a score."""

    outcome: str
    reason: str


def _check_scores(critic: CriticModel, value: Any, batch: pa.RecordBatch | pa.Table) -> str:
    try:
        scores = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return f"returned {short_form(value)}; return an array of {batch.num_rows:,} probabilities"
    if scores.shape != (batch.num_rows,):
        return f"returned scores of shape {scores.shape} for {batch.num_rows:,} rows"
    if (outside := scores[(scores < 0) | (scores > 1)]).size:
        return f"returned the score {outside[0]:g}; a probability is from 0 to 1"
    return ""


class CriticModel(Plugin, ABC):
    """Base class of critics.

    A critic reads the kind's columns and, if present, ``logprob``, ``tokens`` and ``recurrence``.
    Options are keyword arguments of the constructor, which refuses wrong ones.
    """

    name: ClassVar[str]
    options_error = CriticError
    returns: ClassVar[Mapping[str, Check]] = {"score": _check_scores, "save": check_saved}
    #: Options of `load`: what a folder does not hold, such as a judge's teacher or the place of an
    #: encoder.
    load_options: ClassVar[frozenset[str]] = frozenset()
    #: Whether `score` asks a language model, which may cost money; such a critic may leave rows
    #: without a score.
    asks: bool = False

    @property
    def note(self) -> str:
        """Markdown that the critic's card shows; empty by default."""
        return ""

    def __init__(self, kind: Kind, **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def work(self, rows: int) -> int:
        """Estimate the cost of a training, in rows that an encoder is trained on once.

        For the progress display.
        """
        return rows

    def prepare(self, rows: pa.Table, groups: Sequence[str]) -> None:
        """Prepare for several calls of `fit` on parts of these rows, as in cross-fitting.

        A critic may compute here, once for all parts, what needs no verdict. By default nothing is
        done.
        """

    @abstractmethod
    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Train on labelled rows.

        Args:
            rows: Candidates.
            labels: Whether each row is valid (rows,).
            groups: Group of each row; folds of a cross-validation never divide a group.
            weights: Number of rows of the population that each row represents (rows,); None for a
                uniform sample.
        """

    @abstractmethod
    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        """Return each row's probability of being valid.

        NaN for a row without a score, which `missing` explains.
        """

    def missing(self, rows: pa.Table) -> list[Missing]:
        """Explain rows whose score is NaN. Only a critic that `asks` has such rows."""
        return [Missing("unscored", f"critic {self.name!r} gave no score")] * rows.num_rows

    @classmethod
    def unnamed(cls, folder: Path, options: Mapping[str, Any]) -> str | None:
        """Return what a saved critic lacks in these options of `load` to reach its language model.

        None if nothing.
        """
        return None

    def numbers(self) -> tuple[list[str], list[str]]:
        """Return the number columns that scores depend on, and those ignored as constant."""
        return [], []

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write arrays and JSON into an existing folder, nothing that can run code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> Self:
        """Load what `save` wrote.

        A folder may be a stranger's: nothing in it may send, start, expand or look up anything.

        Args:
            folder: Folder of the critic.
            kind: Kind that it was trained for.
            options: Some of `load_options`.

        Raises:
            CriticError: A file is missing, damaged, altered or of another version.
        """
