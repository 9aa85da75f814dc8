"""Export what was committed since the last export, and take in such parts.

A part of completions is an export as `exchange` writes and reads it. Failures have parts of their
own, so that a shard that goes on elsewhere knows what was refused for good.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.errors import InputError
from synthkd.journal.exchange import SCHEMA
from synthkd.journal.read import FAILURE_COLUMNS
from synthkd.journal.store import Journal

FAILURES = pa.schema(
    [
        ("request_id", pa.string()),
        ("sample_index", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("attempts", pa.int64()),
        ("permanent", pa.int64()),
        ("created", pa.float64()),
    ]
)


def export_completions(journal: Journal, after: int, out: Path, most: int) -> tuple[int, int]:
    """Write completions that were committed after another to a Parquet file.

    Args:
        journal: The journal.
        after: Number of a completion, from `Journal.last_number` or an earlier export.
        out: The file; not written if there is nothing to export.
        most: Completions at most.

    Returns:
        Number of the last completion that was exported, and how many were.
    """
    names = SCHEMA.names
    rows = journal.rows_after(after, names, most)
    if not rows:
        return after, 0
    columns = list(zip(*rows, strict=True))
    arrays = [
        pa.array(column, field.type) for column, field in zip(columns[1:], SCHEMA, strict=True)
    ]
    pq.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), out, compression="zstd")
    return int(columns[0][-1]), len(rows)


def export_failures(journal: Journal, since: float, out: Path) -> float:
    """Write failures that were recorded since a time; return the time of the last one.

    The file is not written if there are none; ``since`` is returned then.
    """
    rows = journal.failures_since(since)
    if not rows:
        return since
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(column, field.type) for column, field in zip(columns, FAILURES, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=FAILURES), out)
    return float(max(columns[-1]))


def import_failures(journal: Journal, source: Path) -> int:
    """Take in exported failures of samples that the journal knows nothing of; return how many."""
    try:
        table = pq.read_table(source, columns=FAILURE_COLUMNS).cast(FAILURES)
    except (pa.ArrowException, OSError, ValueError) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{source}: not an export of failures: {problem}") from None
    return journal.insert_failures([tuple(row.values()) for row in table.to_pylist()])
