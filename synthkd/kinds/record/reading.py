"""Read records from answers: JSON in a text, lines, or a regular expression."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from synthkd.kinds.answer_text import answer_lines
from synthkd.kinds.base import Malformed
from synthkd.text.json_values import LONGEST, json_objects, json_value

#: Fields of an object that may hold the list of records.
_LISTS = ("answers", "items", "records", "rows", "results", "list", "data")
#: Characters of a line, and of a whole answer, that a pattern is held against: its time may grow
#: with their square.
_LONGEST_LINE, _LONGEST_MATCHED = 4_000, 50_000
#: Records of an answer at most.
MOST = 1_000
#: Characters that a message shows of a part that cannot be read.
_SHOWN = 80
_RULER = re.compile(r"[\s|:+-]+")


def check_record(value: Any, model: type[BaseModel]) -> dict[str, Any] | Malformed:
    """Check one record; Malformed with the field that failed."""
    if not isinstance(value, Mapping):
        return Malformed("no_object", str(value)[:_SHOWN])
    try:
        return model.model_validate(value).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        words = str(first["msg"]).removeprefix("Value error, ")
        # An empty place, or one that is missing, has no value of its own to show.
        given = "" if first["type"] == "missing" else f", not {str(first['input'])[:_SHOWN]!r}"
        return Malformed("off_schema", f"{place}: {words}{given}")


def json_records(text: str, columns: Sequence[str], several: bool) -> list[Any] | Malformed:
    """Return the unchecked records of an answer that is JSON, or has JSON in it.

    Args:
        text: The answer.
        columns: The columns of a record; a list in the place of an object has them in this order.
        several: An answer has a list of records; else its first is taken.
    """
    if not text.strip():
        return Malformed("no_text")
    value = json_value(text)
    if value is None:
        # Prose before the JSON; a list of objects is read object by object.
        value = [one.value for one in json_objects(text[:LONGEST], MOST, commas=True)]
        if not value:
            return Malformed("not_json", text.strip()[:_SHOWN])
        value = _inner_list(value[0], columns) if len(value) == 1 else value
    records = _inner_list(value, columns)
    if not records:
        return Malformed("no_records")
    return _limited([_shaped(record, columns) for record in records], several)


def _limited(records: list[Any], several: bool) -> list[Any]:
    """Return the first record; of several, `MOST` and what says that there are more."""
    if not several or len(records) <= MOST:
        return records if several else records[:1]
    return [*records[:MOST], Malformed("too_many", f"records behind the first {MOST:,}")]


def _inner_list(value: Any, columns: Sequence[str]) -> list[Any]:
    if isinstance(value, list):
        is_one_row = len(columns) > 1 and len(value) == len(columns) and not _holds(value)
        return [value] if is_one_row else value
    if isinstance(value, Mapping) and not set(columns) & set(value):
        for name in _LISTS:
            if isinstance(value.get(name), list):
                return list(value[name])
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        if len(lists) == 1:
            return list(lists[0])
        # One record in a wrapper, such as {"recipe": {…}}.
        records = [inner for inner in value.values() if isinstance(inner, Mapping)]
        if len(records) == 1 and not lists and set(columns) & set(records[0]):
            return [records[0]]
    return [value]


def _holds(value: Sequence[Any]) -> bool:
    return any(isinstance(one, Mapping | list) for one in value)


def _shaped(record: Any, columns: Sequence[str]) -> Any:
    if isinstance(record, list) and len(record) == len(columns):
        return dict(zip(columns, record, strict=True))
    if len(columns) == 1 and not isinstance(record, Mapping | list):
        return {columns[0]: record}
    return record


def line_records(
    text: str, columns: Sequence[str], pattern: re.Pattern[str] | None, several: bool
) -> list[Any] | Malformed:
    """Return the unchecked records of an answer with a record in each line.

    The head of a table, which names the columns, is no record.

    Args:
        text: The answer.
        columns: The columns of a record, in their order in a line.
        pattern: Named groups are columns. None: columns are divided by ``|`` or tabs.
        several: Read every line; else the first.
    """
    lines = [
        line
        for line in answer_lines(text[:LONGEST])
        if not _RULER.fullmatch(line) and not _is_head(line, columns)
    ]
    if not lines:
        return Malformed("no_text")
    lines = lines[: MOST + 1] if several else lines[:1]
    return _limited([_of_line(line, columns, pattern) for line in lines], several)


def _is_head(line: str, columns: Sequence[str]) -> bool:
    names = [cell.casefold().replace(" ", "_") for cell in _cells(line)]
    return len(names) > 1 and names == [name.casefold() for name in columns]


def _cells(line: str) -> list[str]:
    return re.split(r"\s*[|\t]\s*", line.strip().strip("|").strip())


def _of_line(line: str, columns: Sequence[str], pattern: re.Pattern[str] | None) -> Any:
    if pattern is not None:
        match = pattern.search(line[:_LONGEST_LINE])
        return Malformed("no_match", line[:_SHOWN]) if match is None else match.groupdict()
    cells = _cells(line)
    if len(cells) != len(columns):
        return Malformed("cells", f"{len(cells)} for {len(columns)} columns: {line[:_SHOWN]}")
    return dict(zip(columns, cells, strict=True))


def matched_records(text: str, pattern: re.Pattern[str], several: bool) -> list[Any] | Malformed:
    """Return the unchecked records where a pattern matches; named groups are columns."""
    matches: Iterator[re.Match[str]] = pattern.finditer(text[:_LONGEST_MATCHED])
    records: list[Any] = []
    for match in matches:
        records.append(match.groupdict())
        if not several or len(records) > MOST:
            break
    return _limited(records, several) or Malformed("no_match", text.strip()[:_SHOWN])
