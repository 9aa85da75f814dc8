"""Export a journal to Parquet, and import the export of another journal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.errors import InputError, nearest
from synthkd.journal import Journal
from synthkd.keys import content_hash
from synthkd.requests import KEY_VERSION
from synthkd.storage import check_file, has_columns, replaced_file

SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("sample_index", pa.int64()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("logprob", pa.float64()),
        ("latency", pa.float64()),
        ("price", pa.float64()),
        ("model", pa.string()),
        ("seed", pa.int64()),
        ("reasoning_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("first_tokens", pa.string()),
        ("reasoning", pa.string()),
        ("created", pa.float64()),
        ("identity", pa.string()),
        ("messages", pa.string()),
        ("sampling", pa.string()),
    ]
)
_SENT = ("identity", "messages", "sampling")
#: Columns that exports of earlier versions lack.
_OPTIONAL = ("first_tokens", "reasoning")
_BATCH = 4096
#: Characters of a group of rows; longest short text and longest `first_tokens` of a row.
_CHARACTERS, _SHORT, _LONGEST_TOKENS = 1 << 24, 1000, 1 << 20
#: Largest sample index, count of tokens, and number of a row.
_SAMPLES, _TOKENS, _NUMBER = 1 << 31, 1 << 40, 1e12
_TEXTS = {str}
_UNREADABLE = object()


def export_parquet(journal: Path, out: Path) -> int:
    """Write every completion with its request; return how many."""
    exported = 0
    check_file(out, has_columns("request_id", "sample_index", "messages"), "an export of a journal")
    with (
        Journal(
            journal, must_exist=True, read_only=not os.access(journal.parent, os.W_OK)
        ) as store,
        replaced_file(out) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer,
    ):
        rows = store.rows("completions")
        while group := list(islice(rows, _BATCH)):
            writer.write_table(
                pa.Table.from_pylist([_with_request(store, row) for row in group], SCHEMA)
            )
            exported += len(group)
    return exported


def _with_request(store: Journal, row: dict[str, Any]) -> dict[str, Any]:
    request = store.request(row["request_id"]) or {}
    return {
        **row,
        "identity": request.get("identity"),
        "messages": json.dumps(request.get("messages"), ensure_ascii=False),
        "sampling": json.dumps(request.get("sampling"), sort_keys=True),
    }


@dataclass
class ImportReport:
    """Result of an import.

    Attributes:
        new: Number of completions that were added.
        existing: Number of completions that the journal had already.
        skipped: Number of skipped rows and the number of the first one, by reason.
    """

    new: int = 0
    existing: int = 0
    skipped: dict[str, tuple[int, int]] = field(default_factory=dict)

    def skip(self, reason: str, number: int) -> None:
        """Count a row that is not imported."""
        count, first = self.skipped.get(reason, (0, number))
        self.skipped[reason] = (count + 1, first)

    def reasons(self) -> str:
        """Return which rows were skipped and why, in a phrase; "" if none was."""
        total = sum(count for count, _ in self.skipped.values())
        reasons = ", ".join(
            f"{count:,} {reason} (first: row {first:,})"
            for reason, (count, first) in sorted(self.skipped.items(), key=lambda item: -item[1][0])
        )
        return f"{total:,} {'row' if total == 1 else 'rows'} skipped: {reasons}" if total else ""


def import_parquet(journal: Path, source: Path) -> ImportReport:
    """Import exported completions; those that the journal has already stay unchanged.

    A row is imported only if its key is the hash of its request, and each value is possible: a
    wrong row would be read for ever as an answer that was paid for. Whether a teacher wrote the
    text cannot be checked. The file is read in batches.

    Raises:
        InputError: If the file is not an export, or no row of it can be imported.
    """
    report = ImportReport()
    groups = _checked_groups(source, report)
    # Opened once there is something to write, so that a wrong file leaves no empty journal.
    first = next(groups, None)
    if first is None:
        if reasons := report.reasons():
            raise InputError(f"{source}: nothing can be imported; {reasons}")
        with Journal(journal):
            return report
    with Journal(journal) as store:
        for requests, completions in chain([first], groups):
            new = store.insert(requests, completions)
            report.new += new
            report.existing += len(completions) - new
    return report


Group = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


def _checked_groups(source: Path, report: ImportReport) -> Iterator[Group]:
    """Yield groups of valid rows for `requests` and `completions`, of bounded size."""
    names = [name for name in SCHEMA.names if name not in _SENT]
    requests: dict[str, tuple[Any, ...]] = {}
    completions: list[tuple[Any, ...]] = []
    size = 0
    for number, row in enumerate(_rows(source), 1):
        if reason := _row_problem(row):
            report.skip(reason, number)
            continue
        requests[row["request_id"]] = (row["request_id"], *(row[name] for name in _SENT))
        completions.append(tuple(row.get(name) for name in names))
        size += len(row["text"]) + len(row["messages"]) + len(row.get("reasoning") or "")
        if len(completions) >= _BATCH or size > _CHARACTERS:
            yield list(requests.values()), completions
            requests, completions, size = {}, [], 0
    if completions:
        yield list(requests.values()), completions


def _rows(source: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of an export."""
    if not source.is_file():
        problem = (
            "a folder; name the Parquet file that `synthkd journal export` wrote"
            if source.is_dir()
            else "no such file"
        )
        raise InputError(f"{source}: {problem}")
    try:
        with pq.ParquetFile(source) as file:
            columns = _checked_columns(source, file.schema_arrow)
        texts = [name for name in columns if pa.types.is_string(SCHEMA.field(name).type)]
        # With dictionaries, a text of many rows is in memory once.
        with pq.ParquetFile(source, read_dictionary=texts, buffer_size=1 << 20) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
                arrays = [batch.column(name) for name in columns]
                for place in range(len(batch)):
                    yield {
                        name: _value(array[place])
                        for name, array in zip(columns, arrays, strict=True)
                    }
    except (pa.ArrowException, OSError, ValueError) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{source}: not readable as Parquet: {problem}") from None


def _value(cell: Any) -> Any:
    try:
        return cell.as_py()
    except (ValueError, pa.ArrowException):  # Bytes that are not UTF-8.
        return _UNREADABLE


def _checked_columns(source: Path, schema: pa.Schema) -> list[str]:
    """Return the columns of an export that a file has.

    Refuse a file that lacks one, or has another type.
    """
    columns = []
    for column in SCHEMA:
        if (count := schema.names.count(column.name)) != 1:
            if not count and column.name in _OPTIONAL:
                continue
            problem = (
                f"column {column.name!r} stands {count} times"
                if count
                else f"no column {column.name!r}{nearest(column.name, schema.names)}"
            )
            raise InputError(f"{source}: not an export of a journal: {problem}")
        type_ = schema.field(column.name).type
        if pa.types.is_dictionary(type_):
            type_ = type_.value_type
        if pa.types.is_string(column.type):
            fits = pa.types.is_string(type_) or pa.types.is_large_string(type_)
        else:
            floating = pa.types.is_floating(type_) and pa.types.is_floating(column.type)
            fits = floating or pa.types.is_integer(type_)
        if not fits and not pa.types.is_null(type_):
            raise InputError(
                f"{source}: not an export of a journal: column {column.name!r} holds {type_}, not"
                f" {column.type}"
            )
        columns.append(column.name)
    return columns


def _row_problem(row: dict[str, Any]) -> str:
    """Return why a row cannot be imported, to follow "1 row"; "" if it can."""
    for name in ("request_id", "text", "finish_reason"):
        if not isinstance(row[name], str):
            return f"without {name}"
    for name in ("model", "first_tokens", "reasoning"):
        if row.get(name) is not None and not isinstance(row[name], str):
            return f"with a {name} that is not a text"
    if len(row["finish_reason"]) > _SHORT or len(row["model"] or "") > _SHORT:
        return "with a finish_reason or model that is too long"
    if not isinstance(row["sample_index"], int) or not 0 <= row["sample_index"] < _SAMPLES:
        return "with an impossible sample_index"
    for name in ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens"):
        if row[name] is not None and not 0 <= row[name] <= _TOKENS:
            return f"with impossible {name}"
    for name, low, high in (
        ("logprob", -_NUMBER, 1.0),
        ("latency", 0.0, _NUMBER),
        ("price", 0.0, _NUMBER),
    ):
        # NaN is neither above nor below.
        if row[name] is not None and not low <= row[name] <= high:
            return f"with an impossible {name}"
    if row["seed"] is not None and not -(2**63) <= row["seed"] < 2**63:
        return "with an impossible seed"
    if row["created"] is None or not 0 <= row["created"] <= _NUMBER:
        return "with an impossible time"
    if row.get("first_tokens") is not None and not _are_tokens(row["first_tokens"]):
        return "with first_tokens that are not of their form"
    return _key_problem(row)


def _are_tokens(text: str) -> bool:
    try:
        value = json.loads(text) if len(text) < _LONGEST_TOKENS else None
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], int | float)
        and -_NUMBER <= pair[1] <= _NUMBER
        for pair in value
    )


def _key_problem(row: dict[str, Any]) -> str:
    """Return why a row's key is not the hash of its request; "" if it is."""
    if not all(isinstance(row[name], str) for name in _SENT):
        return "without a request"
    try:
        messages, sampling = json.loads(row["messages"]), json.loads(row["sampling"])
        if not isinstance(messages, list) or not isinstance(sampling, dict):
            return "without a request"
        if not all(
            isinstance(one, dict) and _TEXTS.issuperset(map(type, one.values())) for one in messages
        ):
            return "with messages that are not texts"
        request = {
            **sampling,
            "identity": row["identity"],
            "messages": messages,
            "version": KEY_VERSION,
        }
        matches = content_hash(request) == row["request_id"]
    except (ValueError, TypeError, RecursionError):
        return "without a request"
    return "" if matches else "whose key does not match the request"
