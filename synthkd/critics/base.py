"""What a critic is: something trained on labels that gives a candidate a probability of being valid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

Scores = np.ndarray[Any, np.dtype[np.float64]]


class Critic(ABC):
    """A critic reads the kind's columns and, where they are there, ``logprob``, ``tokens`` and ``recurrence``."""

    name: ClassVar[str]

    @abstractmethod
    def fit(self, rows: pa.Table, labels: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        """Train on rows and their verdicts; equal order and length."""

    @abstractmethod
    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        """Probability of being valid for each row, in [0, 1]."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write arrays and JSON into an existing folder; nothing that can run code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Critic:
        """Read what `save` wrote."""
