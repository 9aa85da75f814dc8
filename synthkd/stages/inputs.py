"""Read the inputs of a recipe: rows checked, renamed, limited, each with its id."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, NamedTuple

from synthkd.errors import InputError, KindError, folded, nearest
from synthkd.keys import bytes_hash, fraction
from synthkd.kinds.base import Kind
from synthkd.recipe import Recipe
from synthkd.rows import read_rows, text_cell
from synthkd.stages.input_ids import SeenIds, is_in_shard, row_content

#: Columns and values of one input.
Row = dict[str, Any]
#: Rows of CSV in which Python's notation of lists is looked for.
_CHECKED_FOR_NOTATION = 2048
#: How Python writes bytes, and a list or an object that begins with a text.
_NOTATION = re.compile(r"\s*(?:\[(['\"]).*\1\]|\{(['\"]).*\}|b(['\"]).*\3)\s*", re.DOTALL)


class InputRow(NamedTuple):
    """One distinct input: the number of its row in the file, its id and its columns."""

    number: int
    input_id: str
    row: Row


@dataclass
class InputCounts:
    """Distinct inputs, and rows that repeat one of them."""

    distinct: int = 0
    repeated: int = 0


@dataclass(frozen=True, eq=False)
class InputReader:
    """Reads the input file of a recipe, anew for each pass.

    Attributes:
        template_variables: Names that the template uses: columns of these names are not taken for
            misspelt columns of the kind.
        only: Ids of the only inputs that are read; None for all.
    """

    recipe: Recipe
    kind: Kind
    template_variables: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    @property
    def file(self) -> str:
        """The name of the file in messages."""
        return self.recipe.inputs.path or "inputs"

    def first(self) -> Row:
        """Return the first input, checked. Raises `InputError` if there is none."""
        number, columns = 0, set[tuple[str, ...]]()
        for number, raw in self.limited():
            # A row may expand to no input, such as a document without a sentence.
            if rows := self._checked(number, raw, columns):
                return rows[0]
        problem = f"{number:,} rows, and nothing in them to ask about" if number else "no rows"
        raise InputError(f"{self.recipe.inputs.path}: {problem}")

    def rows(self) -> Iterator[Row]:
        """Yield the inputs, checked, repeated ones included."""
        columns: set[tuple[str, ...]] = set()
        for number, raw in self.limited():
            yield from self._checked(number, raw, columns)

    def count(self, checked: bool = True) -> int:
        """Count the inputs, repeated ones included; not ``checked``, bad ones too."""
        if checked:
            return sum(1 for _ in self.rows())
        columns: set[tuple[str, ...]] = set()
        return sum(len(self._expanded(number, raw, columns)) for number, raw in self.limited())

    def count_raw(self) -> int:
        """Count the rows of the file, as far as `inputs.limit` leaves them."""
        return sum(1 for _ in self.limited())

    def distinct(
        self, counts: InputCounts | None = None, shard: tuple[int, int] = (0, 1)
    ) -> Iterator[InputRow]:
        """Yield each input of a shard (number, of how many) once, in the order of the file.

        Raises:
            UserError: A row that cannot be asked about, or two rows of one id with other content.
        """
        counts = InputCounts() if counts is None else counts
        columns: set[tuple[str, ...]] = set()
        with SeenIds() as seen:
            for number, raw in self.limited():
                rows = self._expanded(number, raw, columns)
                for row in rows:
                    # All shards read all rows, so inputs of other shards are skipped early.
                    own_id = None if len(rows) > 1 else self._own_id(number, row)
                    if own_id is not None and not is_in_shard(own_id, shard):
                        continue
                    self._check(number, row)
                    content = row_content(row)
                    input_id = bytes_hash(content) if own_id is None else own_id
                    if self.only is not None and input_id not in self.only:
                        continue
                    if not is_in_shard(input_id, shard):
                        continue
                    is_new = seen.add(input_id, content)
                    if is_new is None:
                        raise InputError(
                            f"{self.file} row {number}: the id {input_id!r} stands on another row"
                            " with other content;"
                            " ids must be distinct"
                        )
                    if is_new:
                        counts.distinct += 1
                        yield InputRow(number, input_id, row)
                    else:
                        counts.repeated += 1

    def limited(self) -> Iterator[tuple[int, Row]]:
        """Yield numbered rows as the file has them, those that `inputs.limit` leaves."""
        chosen = self._chosen
        for number, row in self._numbered():
            if chosen is None or number in chosen:
                yield number, row

    @cached_property
    def _chosen(self) -> frozenset[int] | None:
        """Numbers of the rows that `inputs.limit` leaves: those of the lowest hashes; None for all.

        The first rows of a sorted file would be a biased sample. A hash does not depend on the
        order of the file, and a larger limit keeps the rows of a smaller one, so that their
        completions are found again. Equal rows count once.
        """
        limit = self.recipe.inputs.limit
        if limit is None:
            return None
        if self.recipe.inputs.count:
            return frozenset(range(1, limit + 1))
        lowest: list[tuple[float, int]] = []
        kept: set[float] = set()
        for number, row in self._numbered():
            own_id = self._own_id(number, row)
            draw = -fraction(f"limit|{self.content_id(number, row)}")
            # Rows of one id are kept together, so that the check of distinct ids sees them.
            is_repeated = own_id is None and draw in kept
            if is_repeated or (len(lowest) == limit and draw < lowest[0][0]):
                continue
            kept.add(draw)
            heapq.heappush(lowest, (draw, number))
            if len(lowest) > limit:
                kept.discard(heapq.heappop(lowest)[0])
        return frozenset(number for _, number in lowest)

    def content_id(self, number: int, row: Row) -> str:
        """Return the id of a row as the file has it: its own, or the hash of its content."""
        own_id = self._own_id(number, row)
        return bytes_hash(row_content(row)) if own_id is None else own_id

    def _numbered(self) -> Iterator[tuple[int, Row]]:
        """Rows of the file from 1 on, with their columns renamed."""
        part = self.recipe.inputs
        if part.count:
            rows: Iterator[Row] = ({"draw": i} for i in range(part.count))
        else:
            columns = (
                list(dict.fromkeys([*part.columns, *([part.id] if part.id else [])]))
                if part.columns
                else None
            )
            rows = (
                row
                for rows in read_rows(self.recipe.resolve(str(part.path)), columns)
                for row in rows
            )
        for number, row in enumerate(rows, 1):
            if part.id and part.id not in row:
                raise InputError(
                    f"{part.path} row {number}: no column {part.id!r} (named by inputs.id)"
                    f"{nearest(part.id, list(map(str, row)))}"
                )
            if part.rename:
                if number == 1:
                    self._check_rename(row)
                row = {part.rename.get(name, name): value for name, value in row.items()}
            yield number, row

    def _check_rename(self, row: Row) -> None:
        """Refuse to rename a column that is missing, or to the name of another column."""
        part = self.recipe.inputs
        for name in part.rename:
            if name not in row:
                raise InputError(
                    f"{part.path}: no column {name!r} (named by"
                    f" inputs.rename){nearest(name, list(map(str, row)))}"
                )
        for name, count in Counter(part.rename.get(name, name) for name in row).items():
            if count > 1:
                raise InputError(
                    f"{part.path}: two columns would have the name {name!r} (inputs.rename); leave"
                    " one out by"
                    " inputs.columns"
                )

    def _checked(self, number: int, row: Row, columns: set[tuple[str, ...]]) -> list[Row]:
        rows = self._expanded(number, row, columns)
        for expanded in rows:
            self._check(number, expanded)
        return rows

    def _expanded(self, number: int, row: Row, columns: set[tuple[str, ...]]) -> list[Row]:
        """Return the inputs of a row, with the columns that the kind needs as texts.

        ``columns`` are sets of columns that were checked in this pass.
        """
        names = tuple(row)
        if names not in columns:
            self._check_names(number, row)
            columns.add(names)
        for column in self._text_columns:
            value = row.get(column)
            if type(value) is not str and value is not None:
                row[column] = text_cell(value, f"{self.file} row {number}", column)
        rows = self.kind.expand(row)
        for column in self.kind.input_columns:
            if rows and column not in rows[0]:
                have = ", ".join(map(str, row))
                raise InputError(
                    f"{self.file}: no column {column!r}, which the kind {self.kind.name!r} needs"
                    f" (there are: {have}); `inputs.rename` gives a column another name"
                )
        return rows

    @cached_property
    def _text_columns(self) -> tuple[str, ...]:
        return (*self.kind.input_columns, *self.kind.optional_columns)

    def _check_names(self, number: int, row: Row) -> None:
        """Refuse a column whose name is nearly one of the kind's: it would be ignored silently."""
        for column in (*self._text_columns, *self.kind.loose_columns):
            if column in row:
                continue
            close = [name for name in map(str, row) if folded(name) == folded(column)]
            if not close and column in self.kind.input_columns:
                unused = [name for name in map(str, row) if name not in self.template_variables]
                close = get_close_matches(column, unused, 1, 0.8)
            if close:
                raise InputError(
                    f"{self.file} row {number}: no column {column!r}, but {close[0]!r}; rename it,"
                    " or set"
                    f" `inputs.rename: {{{close[0]!r}: {column}}}`"
                )

    @cached_property
    def _is_csv(self) -> bool:
        return (self.recipe.inputs.path or "").lower().endswith((".csv", ".tsv"))

    def _check(self, number: int, row: Row) -> None:
        if number <= _CHECKED_FOR_NOTATION and self._is_csv:
            self._refuse_notation(number, row)
        if problem := self.kind.check(row):
            raise KindError(f"{self.file} row {number}: {problem}")

    def _refuse_notation(self, number: int, row: Row) -> None:
        """Refuse a cell of CSV that holds a list, an object or bytes in Python's notation."""
        for column in self.kind.input_columns:
            if match := _NOTATION.fullmatch(str(row.get(column) or "")):
                what = {"[": "a list", "{": "an object"}.get(match[0].lstrip()[0], "bytes")
                raise InputError(
                    f"{self.file} row {number}: {column!r} is {what} as Python writes it"
                    f" ({match[0][:40]!r}); CSV holds"
                    " texts alone: write the text that is meant, or JSON lines"
                )

    def _own_id(self, number: int, row: Row) -> str | None:
        """Return the id that the inputs give a row; None if `inputs.id` names no column."""
        column = self.recipe.inputs.id
        if column is None:
            return None
        value = row[self.recipe.inputs.rename.get(column, column)]
        if type(value) is str and value:
            return value
        place = f"{self.file} row {number}"
        text = text_cell(value, place, column)
        if not text:
            raise InputError(
                f"{place}: the id ({column!r}) is empty; give each row its own, or leave out"
                " inputs.id"
            )
        return text
