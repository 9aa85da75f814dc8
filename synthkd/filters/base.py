"""What a filter is: a batch in, a verdict for each row out.

A rule says ``None`` for a row that it lets pass, or a reason. It is stateless, so batch boundaries carry
no meaning; one that must see all rows first declares a named global step (`GlobalFilter`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from synthkd.kinds.base import Kind

if TYPE_CHECKING:
    import pyarrow as pa

Reasons = list[str | None]


class Filter(ABC):
    """One check. ``name`` is what a rejected row carries as ``rejected_by``.

    Options are keyword arguments of the constructor; a wrong one is refused there.
    """

    name: ClassVar[str]

    def ready(self, kind: Kind) -> None:
        """Raise `UserError` where the rule cannot judge rows of this kind: a package, a model or a column is missing.

        It is called before anything is bought. Default: it can.
        """
        return

    @abstractmethod
    def judge(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        """For each row ``None``, or the reason why it is rejected. Length: rows of the batch."""


class GlobalFilter(Filter):
    """A filter that looks at every row once (`observe`) before it judges any."""

    @abstractmethod
    def observe(self, batch: pa.RecordBatch, kind: Kind) -> None:
        """Take in a batch. The order of batches must not matter."""

    def state(self) -> Any:
        """What was observed, as JSON can hold it. With `merge`, a rule can be judged by several processes."""
        raise NotImplementedError

    def merge(self, states: list[Any]) -> None:
        """Take what several processes observed, each as its `state` says, in place of what this one did."""
        raise NotImplementedError
