"""What a filter is: a batch in, a verdict for each row out.

A rule says ``None`` for a row that it lets pass, or a reason. It is stateless, so batch boundaries carry
no meaning; one that must see all rows first declares a named global step (`GlobalFilter`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from synthkd.kinds.base import Kind

Reasons = list[str | None]


class Filter(ABC):
    """One check. ``name`` is what a rejected row carries as ``rejected_by``.

    Options are keyword arguments of the constructor; a wrong one is refused there.
    """

    name: ClassVar[str]

    @abstractmethod
    def judge(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        """For each row ``None``, or the reason why it is rejected. Length: rows of the batch."""


class GlobalFilter(Filter):
    """A filter that looks at every row once (`observe`) before it judges any."""

    @abstractmethod
    def observe(self, batch: pa.RecordBatch, kind: Kind) -> None:
        """Take in a batch. The order of batches must not matter."""


@dataclass(frozen=True)
class FilterResult:
    """Scores of a batch and the decision at a threshold; `rethreshold` decides again for nothing."""

    rows: pa.Table
    scores: np.ndarray[Any, np.dtype[np.float64]]
    threshold: float

    @property
    def kept(self) -> pa.Table:
        return self.rows.filter(pa.array(self.scores >= self.threshold))

    @property
    def dropped(self) -> pa.Table:
        return self.rows.filter(pa.array(self.scores < self.threshold))

    def rethreshold(self, threshold: float) -> FilterResult:
        """The same scores under another threshold."""
        return FilterResult(self.rows, self.scores, threshold)

    def borderline(self, n: int = 10) -> pa.Table:
        """The n rows whose scores lie nearest to the threshold."""
        order = np.argsort(np.abs(self.scores - self.threshold), kind="stable")[:n]
        return self.rows.take(pa.array(order))

    def _repr_html_(self) -> str:
        kept = int((self.scores >= self.threshold).sum())
        return (
            f"<p>{kept:,} kept, {len(self.scores) - kept:,} dropped at {self.threshold:.3f}</p>"
            + f"<pre>{escape(str(self.borderline(5).to_pylist()))}</pre>"
        )
