"""Export a journal to Parquet, and import what another exported."""

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
#: Columns that exports of an earlier version do not have.
_LATER = ("first_tokens", "reasoning")
_BATCH = 4096
#: Characters that are taken in at once; bounds of what can stand in a row.
_CHARACTERS, _SHORT, _LONGEST_TOKENS = 1 << 24, 1000, 1 << 20
_SAMPLES, _TOKENS, _NUMBER = 1 << 31, 1 << 40, 1e12
_TEXTS = {str}
_UNREADABLE = object()


def export_parquet(journal: Path, out: Path) -> int:
    """Write every completion with what was sent. Returns how many."""
    done = 0
    check_file(out, has_columns("request_id", "sample_index", "messages"), "an export of a journal")
    with (
        Journal(journal, must_exist=True, read_only=not os.access(journal.parent, os.W_OK)) as store,
        replaced_file(out) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer,
    ):
        rows = store.rows("completions")
        while group := list(islice(rows, _BATCH)):
            writer.write_table(pa.Table.from_pylist([_with_sent(store, row) for row in group], SCHEMA))
            done += len(group)
    return done


def _with_sent(store: Journal, row: dict[str, Any]) -> dict[str, Any]:
    sent = store.request(row["request_id"]) or {}
    return {
        **row,
        "identity": sent.get("identity"),
        "messages": json.dumps(sent.get("messages"), ensure_ascii=False),
        "sampling": json.dumps(sent.get("sampling"), sort_keys=True),
    }


@dataclass
class Imported:
    """How many completions were new, how many were there already, and why rows were left out."""

    new: int = 0
    known: int = 0
    #: Reason -> how many rows, and the first of them.
    left_out: dict[str, tuple[int, int]] = field(default_factory=dict)

    def leave_out(self, reason: str, number: int) -> None:
        count, first = self.left_out.get(reason, (0, number))
        self.left_out[reason] = (count + 1, first)

    def reasons(self) -> str:
        """Return what was left out, in words; "" if nothing was."""
        total = sum(count for count, _ in self.left_out.values())
        told = ", ".join(
            f"{count:,} {reason} (first: row {first:,})"
            for reason, (count, first) in sorted(self.left_out.items(), key=lambda item: -item[1][0])
        )
        return f"{total:,} {'row' if total == 1 else 'rows'} left out: {told}" if total else ""


def import_parquet(journal: Path, source: Path) -> Imported:
    """Take in exported completions; what is already here stays as it is.

    A row is taken only if its key is the hash of what it says was asked, and each value can be what it is said to be: a
    wrong row would be read for ever as an answer that was paid for. That a teacher wrote the text cannot be checked.
    The file is read in batches, whatever its size.

    Raises `InputError` for a file that is no export, or of which no row can be taken.
    """
    done = Imported()
    groups = _checked_groups(source, done)
    # Opened when there is something to write: a wrong file leaves no empty journal.
    first = next(groups, None)
    if first is None:
        if reasons := done.reasons():
            raise InputError(f"{source}: nothing can be taken in; {reasons}")
        with Journal(journal):
            return done
    with Journal(journal) as store:
        for requests, completions in chain([first], groups):
            new = store.insert(requests, completions)
            done.new += new
            done.known += len(completions) - new
    return done


Group = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


def _checked_groups(source: Path, done: Imported) -> Iterator[Group]:
    """Rows of `requests` and of `completions` that hold; never so many that a long text in each fills the memory."""
    names = [name for name in SCHEMA.names if name not in _SENT]
    requests: dict[str, tuple[Any, ...]] = {}
    completions: list[tuple[Any, ...]] = []
    size = 0
    for number, row in enumerate(_rows(source), 1):
        if reason := _wrong(row):
            done.leave_out(reason, number)
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
    """The rows of an export, one at a time."""
    if not source.is_file():
        what = (
            "a folder; name the Parquet file that `synthkd journal export` wrote"
            if source.is_dir()
            else "no such file"
        )
        raise InputError(f"{source}: {what}")
    try:
        with pq.ParquetFile(source) as file:
            columns = _checked_columns(source, file.schema_arrow)
        texts = [name for name in columns if pa.types.is_string(SCHEMA.field(name).type)]
        # As dictionaries, a text that stands in many rows is in memory once.
        with pq.ParquetFile(source, read_dictionary=texts, buffer_size=1 << 20) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
                arrays = [batch.column(name) for name in columns]
                for place in range(len(batch)):
                    yield {name: _value(array[place]) for name, array in zip(columns, arrays, strict=True)}
    except (pa.ArrowException, OSError, ValueError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{source}: not readable as Parquet: {said}") from None


def _value(cell: Any) -> Any:
    try:
        return cell.as_py()
    except (ValueError, pa.ArrowException):  # Bytes that are no UTF-8.
        return _UNREADABLE


def _checked_columns(source: Path, schema: pa.Schema) -> list[str]:
    """The columns of an export that are there. Refuses a file that lacks one, or whose types are others."""
    found = []
    for column in SCHEMA:
        if (count := schema.names.count(column.name)) != 1:
            if not count and column.name in _LATER:
                continue
            what = f"column {column.name!r} stands {count} times" if count else f"no column {column.name!r}"
            hint = "" if count else nearest(column.name, schema.names)
            raise InputError(f"{source}: not an export of a journal: {what}{hint}")
        type_ = schema.field(column.name).type
        if pa.types.is_dictionary(type_):
            type_ = type_.value_type
        fits = (
            pa.types.is_string(type_) or pa.types.is_large_string(type_)
            if pa.types.is_string(column.type)
            else pa.types.is_integer(type_) or (pa.types.is_floating(type_) and pa.types.is_floating(column.type))
        )  # fmt: skip
        if not fits and not pa.types.is_null(type_):
            raise InputError(
                f"{source}: not an export of a journal: column {column.name!r} holds {type_}, not {column.type}"
            )
        found.append(column.name)
    return found


def _wrong(row: dict[str, Any]) -> str:
    """Why a row cannot be taken in; "" where it can."""
    for name in ("request_id", "text", "finish_reason"):
        if not isinstance(row[name], str):
            return f"without {name}"
    for name in ("model", "first_tokens", "reasoning"):
        if row.get(name) is not None and not isinstance(row[name], str):
            return f"with a {name} that is no text"
    if len(row["finish_reason"]) > _SHORT or len(row["model"] or "") > _SHORT:
        return "with a finish_reason or model that is too long"
    if not isinstance(row["sample_index"], int) or not 0 <= row["sample_index"] < _SAMPLES:
        return "with an impossible sample_index"
    for name in ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens"):
        if row[name] is not None and not 0 <= row[name] <= _TOKENS:
            return f"with impossible {name}"
    for name, low, high in (("logprob", -_NUMBER, 1.0), ("latency", 0.0, _NUMBER), ("price", 0.0, _NUMBER)):
        # NaN is neither above nor below.
        if row[name] is not None and not low <= row[name] <= high:
            return f"with an impossible {name}"
    if row["seed"] is not None and not -(2**63) <= row["seed"] < 2**63:
        return "with an impossible seed"
    if row["created"] is None or not 0 <= row["created"] <= _NUMBER:
        return "with an impossible time"
    if row.get("first_tokens") is not None and not _are_tokens(row["first_tokens"]):
        return "with first_tokens that are not of their form"
    return _wrong_key(row)


def _are_tokens(text: str) -> bool:
    try:
        found = json.loads(text) if len(text) < _LONGEST_TOKENS else None
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], int | float)
        and -_NUMBER <= pair[1] <= _NUMBER
        for pair in found
    )


def _wrong_key(row: dict[str, Any]) -> str:
    """A key that is not the hash of what the row says was asked."""
    if not all(isinstance(row[name], str) for name in _SENT):
        return "without what was asked"
    try:
        messages, sampling = json.loads(row["messages"]), json.loads(row["sampling"])
        if not isinstance(messages, list) or not isinstance(sampling, dict):
            return "without what was asked"
        if not all(isinstance(one, dict) and _TEXTS.issuperset(map(type, one.values())) for one in messages):
            return "with messages that are no texts"
        asked = {**sampling, "identity": row["identity"], "messages": messages, "version": KEY_VERSION}
        matches = content_hash(asked) == row["request_id"]
    except (ValueError, TypeError, RecursionError):
        return "without what was asked"
    return "" if matches else "whose key does not match what was asked"
