"""Scores of a batch and what a threshold makes of them, for notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.reporting.safe_text import html_text


@dataclass(frozen=True)
class FilterResult:
    """Scores of a batch and the decision at a threshold; `rethreshold` decides again."""

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
        """Return the result of another threshold on the same scores."""
        return FilterResult(self.rows, self.scores, threshold)

    def borderline(self, n: int = 10) -> pa.Table:
        """Return the n rows whose scores are nearest to the threshold."""
        order = np.argsort(np.abs(self.scores - self.threshold), kind="stable")[:n]
        return self.rows.take(pa.array(order))

    def _repr_html_(self) -> str:
        kept = int((self.scores >= self.threshold).sum())
        return (
            f"<p>{kept:,} kept, {len(self.scores) - kept:,} dropped at {self.threshold:.3f}</p>"
            + f"<pre>{html_text(str(self.borderline(5).to_pylist()))}</pre>"
        )
