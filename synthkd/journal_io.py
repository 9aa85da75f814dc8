"""Export a journal to Parquet, and import what another exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.errors import InputError, nearest
from synthkd.journal import Journal
from synthkd.marks import check_file, has_columns
from synthkd.rows import read_rows
from synthkd.storage import replaced_file

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
        ("created", pa.float64()),
        ("identity", pa.string()),
        ("messages", pa.string()),
        ("sampling", pa.string()),
    ]
)
_SENT = ("identity", "messages", "sampling")
#: Columns that exports of an earlier version do not have.
_LATER = ("first_tokens",)
_BATCH = 4096


def export_parquet(journal: Path, out: Path) -> int:
    """Write every completion with what was sent. Returns how many."""
    done = 0
    check_file(out, has_columns("request_id", "sample_index", "messages"), "an export of a journal")
    with (
        Journal(journal, read_only=True) as store,
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


def import_parquet(journal: Path, source: Path) -> int:
    """Take in exported completions; what is already here stays as it is. Returns how many were new."""
    new = 0
    with Journal(journal) as store:
        for group in read_rows(source, batch=_BATCH):
            for name in SCHEMA.names:
                if name not in group[0] and name not in _LATER:
                    raise InputError(
                        f"{source}: not an export of a journal: no column {name!r}{nearest(name, list(group[0]))}"
                    )
            sent = {row["request_id"]: (row["request_id"], *(row[name] for name in _SENT)) for row in group}
            new += store.insert(sent.values(), list(_values(group)))
    return new


def _values(group: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    names = [name for name in SCHEMA.names if name not in _SENT]
    for row in group:
        yield tuple(row.get(name) for name in names)
