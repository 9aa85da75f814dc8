"""The contract of a rule: for each row of a batch nothing, or the reason of its rejection.

A rule is stateless, so batch boundaries carry no meaning; a rule that must see all rows first is a
`GlobalFilter`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError
from synthkd.kinds.base import Kind, Row
from synthkd.plugins import Plugin
from synthkd.row_functions import RowFunction

if TYPE_CHECKING:
    import pyarrow as pa

#: For each row ``None``, or the reason of its rejection.
Reasons = list[str | None]


class Filter(Plugin, ABC):
    """A rule. ``name`` is the value of ``rejected_by`` in the rows that the rule rejects."""

    #: A column that the rule reads besides the kind's, if any; `plan` refuses a column that no row
    #: has.
    column: str | None = None

    def check_kind(self, kind: Kind) -> None:
        """Raise `UserError` if the rule cannot judge rows of this kind.

        A package, a model or a column may be missing.

        Called before anything is bought. Default: the rule can.
        """
        return

    def use_prompt(self, instruction: str, examples: Sequence[Row]) -> None:
        """Take in what the teacher is told. Called before `check_kind`, if there is a template.

        Args:
            instruction: What the template says itself, a line for each part between variables.
            examples: The few-shot rows of which the prompt draws.
        """
        return

    def reads(self, kind: Kind) -> tuple[str, ...] | None:
        """Return the columns that decide; None if any may.

        Of rows that are equal in these columns `reject` gets one, with these columns alone: a text
        that many rows have is checked once. Default: None.
        """
        return None

    @abstractmethod
    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        """Give for each row ``None``, or the reason why the row is rejected.

        Length: rows of the batch.
        """

    @classmethod
    def of_function(cls, function: Callable[..., Any], name: str) -> type[Plugin]:
        """Make a rule of a function from a row to ``None`` or a reason.

        Keyword-only parameters are the options.
        """
        return FunctionRule.of_function(function, name)


def reasons_of(rule: Filter, batch: pa.RecordBatch, kind: Kind) -> Reasons:
    """Apply a rule to a batch.

    Raises:
        RecipeError: The rule gave another number of answers than rows, or one that is neither None
            nor a text: an unknown answer is no good one.
    """
    reasons = rule.reject(batch, kind)
    if len(reasons) != batch.num_rows:
        raise RecipeError(
            f"rule {rule.name!r} gave {len(reasons):,} answers for {batch.num_rows:,} rows"
        )
    for reason in reasons:
        if reason is not None and not (isinstance(reason, str) and reason):
            raise RecipeError(
                f"rule {rule.name!r} returned {reason!r:.60}; a rule returns None for a row that"
                " passes, or the reason as text"
            )
    return reasons


class FunctionRule(RowFunction, Filter):
    """A rule made of a plain function."""

    word = "rule"
    signature = "def rule(row, *, option: int = 3) -> str | None"

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        # `reasons_of` checks what the function returns.
        return [self.value_of(row) for row in batch.to_pylist()]


class GlobalFilter(Filter):
    """A rule that looks at every row once (`observe`) before it rejects any."""

    @abstractmethod
    def observe(self, batch: pa.RecordBatch, kind: Kind) -> None:
        """Take in a batch. The order of batches must not matter."""

    def state(self) -> Any:
        """Give what was observed, as JSON can hold it.

        With `merge`, several processes can share a rule.
        """
        raise NotImplementedError

    def merge(self, states: list[Any]) -> None:
        """Replace the own observations by those of several processes, each as its `state` says."""
        raise NotImplementedError
