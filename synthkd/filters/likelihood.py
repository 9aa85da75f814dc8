"""Reject what the teacher itself found least likely.

ATOMIC-10x sorts head events by negative log-likelihood and drops the worst 20 % (West et al. 2022).
The cut needs all rows, so this is a named global step: a histogram is filled batch by batch, in
flat memory.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from synthkd.filters.base import GlobalFilter, Reasons
from synthkd.kinds.base import Kind
from synthkd.options import BaseOptions

#: Width of a bin in nats, and how many there are: the cut is exact to a thousandth of a nat.
_WIDTH, _BINS = 0.001, 200_000


class WorstNLL(GlobalFilter):
    """Reject a share of rows with the highest negative log-likelihood.

    Rows without a log-probability pass.
    """

    name: ClassVar[str] = "worst_nll"

    class Options(BaseOptions):
        share: float = Field(0.2, gt=0, lt=1, description="Share of the rows to reject.")
        per_token: bool = Field(
            False,
            description="Divide by the number of tokens, so that length alone rejects no answer.",
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.share, self.per_token = self.options.share, self.options.per_token
        self._counts = np.zeros(_BINS, dtype=np.int64)

    def observe(self, batch: pa.RecordBatch, kind: Kind) -> None:
        nll = self._nll(batch)
        self._counts += np.bincount(_bin(nll[~np.isnan(nll)]), minlength=_BINS)

    def state(self) -> dict[str, list[int]]:
        filled = np.flatnonzero(self._counts)
        return {"bins": filled.tolist(), "counts": self._counts[filled].tolist()}

    def merge(self, states: list[Any]) -> None:
        self._counts[:] = 0
        for state in states:
            self._counts[state["bins"]] += np.array(state["counts"], dtype=np.int64)

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        cut = self.cut()
        nll = self._nll(batch)
        worse = ~np.isnan(nll) & (_bin(np.nan_to_num(nll)) > cut)
        return [
            f"NLL {value:.2f} among the worst {self.share:.0%}" if bad else None
            for value, bad in zip(nll, worse, strict=True)
        ]

    def cut(self) -> int:
        """Return the last bin that is kept: the first up to which the kept share lies."""
        total = int(self._counts.sum())
        if not total:
            return _BINS
        return int(np.searchsorted(np.cumsum(self._counts), (1 - self.share) * total))

    def _nll(self, batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.float64]]:
        nll = -_floats(batch.column("logprob"))
        if self.per_token:
            nll = nll / np.maximum(_floats(batch.column("tokens")), 1)
        return nll


def _floats(column: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    values: np.ndarray[Any, np.dtype[np.float64]] = column.cast(pa.float64()).to_numpy(
        zero_copy_only=False
    )
    return values


def _bin(nll: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.clip(nll / _WIDTH, 0, _BINS - 1).astype(np.int64)
