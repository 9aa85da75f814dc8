"""Rows between steps: a table on disk, and the operations on it.

Every operation streams from one table to the next, in SQLite files that are removed at the end, so
that the memory does not grow with the rows.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from synthkd.errors import InputError, RecipeError, nearest
from synthkd.recipe.steps import ConditionPart, CutPart, GroupPart, JoinPart, OperationPart
from synthkd.rows import CellError, cell_text, is_empty, text_cell
from synthkd.text.cut import cut_text

#: Where a row comes from: the step and the id of its row.
Parent = tuple[str, str]
_BATCH = 1_000
#: Pages of a table that stay in memory, in KiB.
_CACHE = 8_192


@dataclass
class StepRow:
    """A row between steps.

    Attributes:
        values: Columns that prompts and kinds see.
        numbers: Columns that conditions see as well, such as ``score``.
        parents: The rows that it was made of.
    """

    values: dict[str, Any]
    parents: list[Parent]
    numbers: dict[str, Any] = field(default_factory=dict)


class RowTable:
    """Rows on disk, in order, each with a key by which they can be found."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE}"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("PRAGMA temp_store=FILE")
        self._database.execute(
            "CREATE TABLE rows (place INTEGER PRIMARY KEY, key TEXT, row TEXT NOT NULL)"
        )

    def fill(self, rows: Iterable[StepRow], key: Callable[[StepRow], str] | None = None) -> None:
        """Append rows, each under its key."""
        batch: list[tuple[str | None, str]] = []
        self._database.execute("BEGIN")
        for row in rows:
            text = row_json([row.values, row.parents, row.numbers])
            batch.append((key(row) if key else None, text))
            if len(batch) == _BATCH:
                self._insert(batch)
        self._insert(batch)
        self._database.execute("COMMIT")
        if key is not None:
            self._database.execute("CREATE INDEX by_key ON rows (key, place)")

    def _insert(self, batch: list[tuple[str | None, str]]) -> None:
        self._database.executemany("INSERT INTO rows (key, row) VALUES (?, ?)", batch)
        batch.clear()

    def __iter__(self) -> Iterator[StepRow]:
        for (text,) in self._database.execute("SELECT row FROM rows ORDER BY place"):
            yield _row(text)

    def by_key(self) -> Iterator[StepRow]:
        """Yield the rows in the order of their keys."""
        for (text,) in self._database.execute("SELECT row FROM rows ORDER BY key, place"):
            yield _row(text)

    def matching(self, key: str) -> list[StepRow]:
        """Return the rows of a key, in order."""
        query = "SELECT row FROM rows WHERE key = ? ORDER BY place"
        return [_row(text) for (text,) in self._database.execute(query, (key,))]

    def grouped(self) -> Iterator[tuple[str, Iterator[StepRow]]]:
        """Yield the rows of each key, keys in the order of their first rows."""
        query = (
            "SELECT rows.key, rows.row FROM rows JOIN (SELECT key, MIN(place) AS first FROM rows"
            " GROUP BY key) AS groups ON rows.key = groups.key ORDER BY groups.first, rows.place"
        )
        # No cursor is closed here: if an operation fails, the database is closed before.
        for key, found in groupby(self._database.execute(query), lambda pair: pair[0]):
            yield str(key), (_row(text) for _, text in found)

    def __len__(self) -> int:
        return int(self._database.execute("SELECT COUNT(*) FROM rows").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def row_json(value: Any) -> str:
    """Write a value as JSON; cells of other types, such as dates, as their texts."""
    return json.dumps(value, ensure_ascii=False, default=lambda one: text_cell(one, "a row", ""))


def _row(text: str) -> StepRow:
    values, parents, numbers = json.loads(text)
    return StepRow(values, [(step, row_id) for step, row_id in parents], numbers)


class Operations:
    """The operations of a step's inputs.

    Args:
        folder: A folder for tables, which the caller removes.
        label: What messages call the step's inputs.
        rows_of: Reads the rows of another step, for joins.
        counts: Gets the rows before the first operation and after each, by place in the recipe.
    """

    def __init__(
        self,
        folder: Path,
        label: str,
        rows_of: Callable[[str], Iterable[StepRow]],
        counts: dict[str, int] | None = None,
    ) -> None:
        self.folder, self.label, self.rows_of = folder, label, rows_of
        self.counts = {} if counts is None else counts
        self._tables: list[RowTable] = []

    def apply(
        self, rows: Iterable[StepRow], operations: Sequence[OperationPart]
    ) -> Iterator[StepRow]:
        """Yield the rows after all operations.

        Raises:
            RecipeError: A row has no column that an operation names.
        """
        rows = self._counted(rows, self.label)
        for number, operation in enumerate(operations):
            place = f"{self.label}.apply.{number}.{operation.name}"
            rows = self._counted(self._applied(rows, operation, place), place)
        yield from rows

    def _counted(self, rows: Iterable[StepRow], place: str) -> Iterator[StepRow]:
        self.counts[place] = 0

        def counted() -> Iterator[StepRow]:
            for row in rows:
                self.counts[place] += 1
                yield row

        return counted()

    def close(self) -> None:
        """Close all tables."""
        for table in self._tables:
            table.close()

    def _applied(
        self, rows: Iterable[StepRow], operation: OperationPart, place: str
    ) -> Iterable[StepRow]:
        if operation.where is not None:
            return _where(rows, operation.where, place)
        if operation.join is not None:
            return self._join(rows, operation.join, place)
        if operation.group is not None:
            return self._group(rows, operation.group, place)
        if operation.cut is not None:
            return _cut(rows, operation.cut, place)
        if operation.distinct is not None:
            return self._distinct(rows, operation.distinct, place)
        if operation.rename is not None:
            return _rename(rows, operation.rename, place)
        return _keep(rows, operation.keep or [], place)

    def _table(self, rows: Iterable[StepRow], columns: Sequence[str], place: str) -> RowTable:
        table = RowTable(self.folder / f"{len(self._tables)}.sqlite")
        self._tables.append(table)
        table.fill(rows, lambda row: _key(row, columns, place))
        return table

    def _join(self, rows: Iterable[StepRow], join: JoinPart, place: str) -> Iterator[StepRow]:
        others = self._table(self.rows_of(join.step), join.by, f"{place}: step {join.step!r}")
        for row in rows:
            matches = others.matching(_key(row, join.by, place))
            if join.rows is not None:
                taken = [_taken(other, join, row, place) for other in matches]
                parents = [*row.parents, *(one for other in matches for one in other.parents)]
                yield StepRow({**row.values, join.rows: taken}, _once(parents), row.numbers)
                continue
            for other in matches:
                parents = _once([*row.parents, *other.parents])
                yield StepRow(
                    {**row.values, **_taken(other, join, row, place)}, parents, row.numbers
                )

    def _group(self, rows: Iterable[StepRow], group: GroupPart, place: str) -> Iterator[StepRow]:
        table = self._table(rows, group.by, place)
        for _, members in table.grouped():
            whole = list(members)
            first = dict(whole[0].values)
            for name in (*group.lists, *group.texts):
                values = [_value(row, name, place) for row in whole]
                if name in group.texts:
                    texts = [text_cell(value, place, name) or "" for value in values]
                    first[name] = group.separator.join(texts)
                else:
                    first[name] = values
            if group.rows is not None:
                first[group.rows] = [row.values for row in whole]
            yield StepRow(first, _once(parent for row in whole for parent in row.parents))

    def _distinct(
        self, rows: Iterable[StepRow], columns: Sequence[str], place: str
    ) -> Iterator[StepRow]:
        table = self._table(rows, columns, place)
        for _, members in table.grouped():
            whole = list(members)
            parents = _once(parent for row in whole for parent in row.parents)
            yield StepRow(whole[0].values, parents, whole[0].numbers)


def _where(
    rows: Iterable[StepRow], conditions: Mapping[str, ConditionPart], place: str
) -> Iterator[StepRow]:
    for row in rows:
        if all(
            _holds(_value(row, name, place), condition, f"{place}.{name}")
            for name, condition in conditions.items()
        ):
            yield row


def _holds(value: Any, condition: ConditionPart, place: str) -> bool:
    is_missing = is_empty(value) or value in ([], {})
    if condition.empty is not None and condition.empty != is_missing:
        return False
    if condition.any_of is not None and not _is_among(value, condition.any_of):
        return False
    if condition.not_in is not None and _is_among(value, condition.not_in):
        return False
    if condition.contains is not None and (value is None or condition.contains not in str(value)):
        return False
    for bound, sign in ((condition.at_least, 1), (condition.at_most, -1)):
        if bound is None:
            continue
        if is_missing:
            # A number that is not known is not good.
            return False
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InputError(f"{place}: {str(value)[:60]!r} is no number") from None
        if math.isnan(number) or sign * number < sign * bound:
            return False
    return True


def _is_among(value: Any, choices: Sequence[Any]) -> bool:
    own = _comparable(value)
    return any(
        own == _comparable(one)
        or (isinstance(one, bool) and isinstance(own, str) and own.casefold() == _comparable(one))
        for one in choices
    )


def _comparable(value: Any) -> Any:
    """Return the text of a cell, since CSV has texts where YAML and typed columns have numbers.

    Lists and objects are returned as they are.
    """
    try:
        return cell_text(value)
    except CellError:
        return value


def _cut(rows: Iterable[StepRow], cut: CutPart, place: str) -> Iterator[StepRow]:
    for row in rows:
        text = _value(row, cut.column, place)
        before = ""
        for number, part in enumerate(cut_text("" if text is None else str(text), cut.words)):
            values = {**row.values, cut.column: part, cut.part: number}
            if cut.previous is not None:
                values[cut.previous] = before
            before = part
            yield StepRow(values, row.parents, row.numbers)


def _rename(rows: Iterable[StepRow], names: Mapping[str, str], place: str) -> Iterator[StepRow]:
    for row in rows:
        renamed = {new: _value(row, name, place) for name, new in names.items()}
        others = {name: value for name, value in row.values.items() if name not in names}
        if len(renamed) < len(names) or (renamed.keys() & others.keys()):
            taken = next(new for new in names.values() if new in others or _is_twice(new, names))
            raise RecipeError(
                f"{place}: two columns would have the name {taken!r}; leave one out by `keep`"
            )
        values = {names.get(name, name): value for name, value in row.values.items()}
        yield StepRow({**values, **renamed}, row.parents, row.numbers)


def _is_twice(new: str, names: Mapping[str, str]) -> bool:
    return list(names.values()).count(new) > 1


def _keep(rows: Iterable[StepRow], columns: Sequence[str], place: str) -> Iterator[StepRow]:
    for row in rows:
        values = {name: _value(row, name, place) for name in columns}
        yield StepRow(values, row.parents, row.numbers)


def _value(row: StepRow, name: str, place: str) -> Any:
    if name in row.values:
        return row.values[name]
    if name in row.numbers:
        return row.numbers[name]
    raise RecipeError(f"{place}: no column {name!r}{nearest(name, [*row.values, *row.numbers])}")


def _key(row: StepRow, columns: Sequence[str], place: str) -> str:
    return row_json([_comparable(_value(row, name, place)) for name in columns])


def _taken(other: StepRow, join: JoinPart, row: StepRow, place: str) -> dict[str, Any]:
    if join.columns is None:
        if join.rows is not None:
            return other.values
        return {name: value for name, value in other.values.items() if name not in row.values}
    return {name: _value(other, name, f"{place}: step {join.step!r}") for name in join.columns}


def _once(parents: Iterable[Parent]) -> list[Parent]:
    return list(dict.fromkeys(parents))
