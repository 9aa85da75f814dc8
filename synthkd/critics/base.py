"""What a critic is: something trained on labels that gives a candidate a probability of being valid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pyarrow as pa

from synthkd.kinds.base import Kind

Scores = np.ndarray[Any, np.dtype[np.float64]]
Labels = np.ndarray[Any, np.dtype[np.bool_]]


class Missing(NamedTuple):
    """Why a row has no score: the name of its outcome, and the reason."""

    outcome: str
    reason: str


class Critic(ABC):
    """A critic reads the kind's columns and, where they are there, ``logprob``, ``tokens`` and ``recurrence``.

    Options are keyword arguments of the constructor; a wrong one is refused there.
    """

    name: ClassVar[str]
    #: Options that `load` takes, for what a folder does not say: who is asked, or where an encoder is.
    load_options: ClassVar[frozenset[str]] = frozenset()
    #: Does `score` ask somebody, who may be paid for it?
    asks: bool = False

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def work(self, rows: int) -> int:
        """Estimate what training on so many rows costs, in rows that an encoder is trained on once: for the time left."""
        return rows

    def prepare(self, rows: pa.Table, groups: Sequence[str]) -> None:  # noqa: B027
        """Called before `fit` where critics are trained on several parts of ``rows``, as in cross-fitting.

        A critic may then do once, for all parts, what needs no verdict. It need not do anything.
        """

    @abstractmethod
    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Train on rows and their verdicts. All are of equal length.

        ``groups`` keep rows that belong together in one fold of what is chosen by cross-validation. ``weights``
        say how many rows of the whole each stands for, where they were not drawn uniformly.
        """

    @abstractmethod
    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        """Probability of being valid for each row, in [0, 1]; NaN for a row without one, of which `missing` tells."""

    def missing(self, rows: pa.Table) -> list[Missing]:
        """Name outcome and reason of rows that `score` gave NaN. Only a critic that asks somebody has such rows."""
        return [Missing("unscored", f"critic {self.name!r} gave no score")] * rows.num_rows

    @classmethod
    def unnamed(cls, folder: Path, options: Mapping[str, Any]) -> str | None:
        """Say whom a saved critic would ask if these options of `load` do not name them; None if all is named."""
        return None

    def numbers(self) -> tuple[list[str], list[str]]:
        """Name the columns of numbers that scores depend on, and those that they would, had training rows differed in them."""
        return [], []

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write arrays and JSON into an existing folder (`critics.files`); nothing that can run code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> Self:
        """Read what `save` wrote; ``options`` are some of `load_options`.

        A folder may be a stranger's: what it says must not send, start, expand or look up anything.
        Raises `CriticError` for what is missing, cut, altered or of another version.
        """
