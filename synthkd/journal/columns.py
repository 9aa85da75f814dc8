"""Read stored completions as columns: filtering makes no object for a row.

SQLite's own aggregates could write a column as one text each (`group_concat`), which saves the
tuples; but floats lose their last bits in it, and the rest is no faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from synthkd.journal.read import JournalReader

Numbers = np.ndarray[Any, Any]

_NARROW = "request_id, sample_index, text, finish_reason, completion_tokens, logprob"
#: Columns that are NULL in whole journals, such as those of a local model.
_RARE = "price, model, reasoning_tokens, reasoning IS NOT NULL"
_ANY_RARE = "coalesce(price, model, reasoning_tokens, reasoning) IS NOT NULL"


@dataclass(frozen=True)
class SampleColumns:
    """Completions as columns of one length, by request, then by sample index.

    Attributes:
        request: Place of each completion's request among those that were asked for.
        sample_index: Numbers of the samples.
        text: Texts.
        finish_reason: Texts.
        completion_tokens: Whole numbers or null, as those below.
        logprob: Floats or null, as those below.
        price: Dollars.
        model: Texts or null.
        reasoning_tokens: Whole numbers or null.
        thought: Whether the server returned thoughts apart from the text.
    """

    request: Numbers
    sample_index: Numbers
    text: pa.StringArray
    finish_reason: pa.StringArray
    completion_tokens: pa.Int64Array
    logprob: pa.DoubleArray
    price: pa.DoubleArray
    model: pa.StringArray
    reasoning_tokens: pa.Int64Array
    thought: Numbers

    def __len__(self) -> int:
        return len(self.request)

    def take(self, places: Numbers) -> SampleColumns:
        """Return the completions at these places."""
        at = pa.array(places)
        return replace(
            self,
            request=self.request[places],
            sample_index=self.sample_index[places],
            thought=self.thought[places],
            **{name: getattr(self, name).take(at) for name in _ARROW},
        )


_ARROW = (
    "text", "finish_reason", "completion_tokens", "logprob", "price", "model", "reasoning_tokens",
)  # fmt: skip


class SampleReader:
    """Reads the completions of a journal as columns, many requests at a time."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal
        #: Set once a row has one of the rare columns: most journals have them in all rows or none.
        self._wide = False

    def read(self, request_ids: Sequence[str]) -> SampleColumns:
        """Return the stored completions of some requests; of one that is named twice, twice."""
        places: dict[str, int] = {}
        number = np.array([places.setdefault(name, len(places)) for name in request_ids], np.int64)
        rows = self._rows(list(places))
        count = len(rows)
        columns = list(zip(*rows, strict=True)) if rows else [()] * (10 if self._wide else 7)
        price, model, reasoning, thought = columns[6:] if self._wide else (None, None, None, None)
        samples = SampleColumns(
            np.fromiter(map(places.__getitem__, columns[0]), np.int64, count),
            np.array(columns[1], np.int64),
            pa.array(columns[2], pa.string()),
            pa.array(columns[3], pa.string()),
            pa.array(columns[4], pa.int64()),
            pa.array(columns[5], pa.float64()),
            _array(price, pa.float64(), count),
            _array(model, pa.string(), count),
            _array(reasoning, pa.int64(), count),
            np.zeros(count, bool) if thought is None else np.array(thought, bool),
        )
        return _ordered(samples, number)

    def _rows(self, request_ids: list[str]) -> list[tuple[Any, ...]]:
        if not self._wide:
            select = f"SELECT {_NARROW}, {_ANY_RARE} FROM completions"
            rows = list(self._journal._select(select, request_ids))
            if not any(map(itemgetter(-1), rows)):
                return rows
            self._wide = True
        select = f"SELECT {_NARROW}, {_RARE} FROM completions"
        return list(self._journal._select(select, request_ids))


def _array(values: Sequence[Any] | None, kind: pa.DataType, count: int) -> pa.Array:
    return pa.nulls(count, kind) if values is None else pa.array(values, kind)


def _ordered(samples: SampleColumns, number: Numbers) -> SampleColumns:
    """Sort completions by the place of their request in the question, and by sample index.

    Args:
        samples: Completions, whose ``request`` is the number of a distinct request.
        number: Number of the distinct request at each place.
    """
    order = np.lexsort((samples.sample_index, samples.request))
    counts = np.bincount(samples.request, minlength=int(number.max(initial=-1)) + 1)
    begins = np.cumsum(counts) - counts
    many = counts[number]
    places = np.repeat(begins[number] - (np.cumsum(many) - many), many) + np.arange(many.sum())
    # The places of requests, not the numbers of distinct ones.
    request = np.repeat(np.arange(len(number)), many)
    return replace(samples.take(order[places]), request=request)
