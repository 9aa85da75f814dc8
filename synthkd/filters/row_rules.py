"""The base classes of rules on one row: on any column, on a text, or on details beside it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from synthkd.errors import RecipeError, SynthKDError, nearest
from synthkd.filters.base import Filter, Reasons
from synthkd.kinds.base import Kind, Row
from synthkd.options import BaseOptions
from synthkd.rows import cell_text

if TYPE_CHECKING:
    import pyarrow as pa


#: Methods in which a rule on one row says what it checks.
_CHECKS = frozenset(("check", "passes", "reject", "text", "texts"))


class _NoColumnError(KeyError):
    """A rule looks at a column that is not there."""


class _MadeUp(dict[str, Any]):
    """A row by which it is seen what a rule looks at."""

    def __missing__(self, name: str) -> Any:
        raise _NoColumnError(name)


class RowRule(Filter):
    """A rule on one row at a time.

    `check` alone makes a rule. A fast rule also says in `passes`, from whole columns, which rows
    surely pass; only the other rows are checked one by one.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A class that checks otherwise than its parent may read more.
        if not _CHECKS.isdisjoint(vars(cls)) and "reads" not in vars(cls):
            cls.reads = RowRule.reads  # type: ignore[method-assign]

    def check_kind(self, kind: Kind) -> None:
        """Refuse a rule that looks at a column which rows of the kind do not have."""
        # Rows that a rule takes from batches in its own way may have the kind's details too.
        details = () if self._reads_rows_alone() else kind.details
        row = _MadeUp.fromkeys([*row_columns(kind), *details, *self._own_column()], "word")
        try:
            self.check(row, kind)
        except _NoColumnError as error:
            column = str(error.args[0])
            raise RecipeError(
                f"rule {self.name!r}: no column {column!r} in rows of the kind"
                f" {kind.name!r}{nearest(column, list(row))}"
            ) from None
        except SynthKDError:
            raise
        except Exception:  # noqa: BLE001 (of a made-up row; what the rule says of real ones is not known)
            return

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        # One that reads its text elsewhere has its own idea of it.
        sure = self.passes(batch, kind) if type(self).text is RowRule.text else None
        if sure is None:
            return [self.check(row, kind) for row in self._rows(batch, kind)]
        reasons: Reasons = [None] * batch.num_rows
        if places := [i for i, passed in enumerate(sure) if not passed]:
            for i, row in zip(places, self._rows(batch.take(places), kind), strict=True):
                reasons[i] = self.check(row, kind)
        return reasons

    def reads(self, kind: Kind) -> tuple[str, ...] | None:
        """Return what `check` sees of a row; None for a rule with a `reject` of its own."""
        return self._checked_columns(kind)

    def _checked_columns(self, kind: Kind) -> tuple[str, ...] | None:
        if not self._reads_rows_alone():
            return None
        return tuple(dict.fromkeys([*row_columns(kind), *self._own_column()]))

    def _own_column(self) -> list[str]:
        return [self.column] if self.column else []

    def _reads_rows_alone(self) -> bool:
        """Return True if the rule takes its rows from batches as this module does."""
        return type(self).reject in (RowRule.reject, TextRule.reject)

    def _rows(self, batch: pa.RecordBatch, kind: Kind) -> list[Row]:
        wanted = dict.fromkeys([*row_columns(kind), *self._own_column()])
        rows: list[Row] = batch.select(
            [name for name in wanted if name in batch.schema.names]
        ).to_pylist()
        return rows

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool] | None:
        """For each row whether `check` surely lets it pass. Default: not known without a look."""
        return None

    def texts(self, batch: pa.RecordBatch, kind: Kind) -> list[str]:
        """Return the checked text of each row of a batch."""
        return column_texts(batch, self.column or _default_column(kind))

    def text(self, row: Row, kind: Kind) -> str:
        """Return the checked text of a row."""
        return value_text(row[self.column or _default_column(kind)])

    @abstractmethod
    def check(self, row: Row, kind: Kind) -> str | None:
        """Return why the row is rejected, or None."""


class TextRule(RowRule):
    """A rule on the text of a column, which its options can name.

    Of a kind with several `rule_columns` each is checked by itself.
    """

    class Options(BaseOptions):
        column: str | None = Field(
            None,
            description="Column to check. Default: the kind's own, most often its last; of records"
            " each text that the teacher writes.",
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.column = self.options.column

    def text_columns(self, kind: Kind) -> tuple[str, ...]:
        """Return the columns whose texts are checked, each by itself.

        A rule that reads nothing else says so in `reads`.
        """
        return tuple(self._own_column()) or kind.rule_columns or (_default_column(kind),)

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        if self.column is not None or len(kind.rule_columns) < 2:
            return super().reject(batch, kind)
        reasons: Reasons = [None] * batch.num_rows
        of_column = copy(self)
        for column in kind.rule_columns:
            of_column.column = column
            present = batch.column(column).is_valid().to_pylist()
            for place, reason in enumerate(RowRule.reject(of_column, batch, kind)):
                # A value that may be missing, and is, is no bad text.
                if reason is not None and reasons[place] is None and present[place]:
                    reasons[place] = f"{column}: {reason}"
        return reasons


class DetailRule(RowRule):
    """A rule that looks at the details of the kind too, such as the source of a row."""

    #: Columns that the rule reads beside those of the kind.
    besides: ClassVar[tuple[str, ...]] = ()

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        return [self.check(row, kind) for row in self.detailed_rows(batch, kind, self.besides)]

    def _checked_columns(self, kind: Kind) -> tuple[str, ...] | None:
        alone = type(self).reject is DetailRule.reject
        return self.row_details(kind, self.besides) if alone else None

    def detailed_rows(self, batch: pa.RecordBatch, kind: Kind, besides: Sequence[str]) -> list[Row]:
        """Return the rows of a batch with the columns of the kind and some more."""
        wanted = self.row_details(kind, besides)
        rows: list[Row] = batch.select(
            [name for name in wanted if name in batch.schema.names]
        ).to_pylist()
        return rows

    def row_details(self, kind: Kind, besides: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of the kind, some more, and that of the rule's option."""
        return tuple(dict.fromkeys([*kind.columns, *besides, *self._own_column()]))


def _default_column(kind: Kind) -> str:
    return kind.rule_columns[0] if kind.rule_columns else kind.rule_column or kind.columns[-1]


def row_columns(kind: Kind) -> list[str]:
    """Columns that a rule on one row sees."""
    return [*kind.columns, "finish_reason", "raw"]


def column_texts(batch: pa.RecordBatch, column: str) -> list[str]:
    """Return the values of a column as texts."""
    # Most are strings as they stand; a detail of a kind may be a number.
    return [
        value if type(value) is str else value_text(value)
        for value in batch.column(column).to_pylist()
    ]


def value_text(value: Any) -> str:
    """Return a value of a row as a text: that of a number too, 0 among them; "" for none."""
    return cell_text(value) or ""
