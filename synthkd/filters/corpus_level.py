"""Filters that decide last, over all rows that everything else accepted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from synthkd.filters.base import Filter, Reasons
from synthkd.kinds.base import Kind

if TYPE_CHECKING:
    import pyarrow as pa


class LastFilter(Filter):
    """A filter that takes in every accepted row (`take`), then names those to reject (`settle`).

    What it says must not depend on the order of rows. It works in one process, after votes,
    duplicates and the critic: so no row is rejected for one that is itself rejected.
    """

    def check_kind(self, kind: Kind) -> None:
        _ = self.columns(kind)

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        """Nothing yet."""
        return [None] * batch.num_rows

    @abstractmethod
    def columns(self, kind: Kind) -> list[str]:
        """Return the columns that the rule reads."""

    @abstractmethod
    def take(self, batch: pa.RecordBatch, kind: Kind) -> None:
        """Take in accepted rows."""

    @abstractmethod
    def settle(self, kind: Kind) -> Iterable[tuple[int, str]]:
        """Yield the rejected rows, and forget all rows.

        Returns:
            The number of a row, from 0 in the order of `take`, and the reason: in any order as a
            list; each row once and in order where they are yielded, so that they need not all be in
            memory.
        """

    def changes(self) -> Mapping[int, Mapping[str, Any]]:
        """Return details of accepted rows that the filter fills, by number; called after `settle`.

        Default: none.
        """
        return {}

    def findings(self) -> dict[str, Any]:
        """Return what report and card tell, as JSON; called after `settle`. Default: nothing."""
        return {}
