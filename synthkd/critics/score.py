"""Score a file of rows with a critic, a batch at a time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.critics.train import load_critic
from synthkd.errors import InputError, nearest
from synthkd.kinds.base import Kind
from synthkd.rows import read_rows
from synthkd.storage import storage_errors


def score_file(critic: Path, rows: Path, out: Path, kind: Kind) -> int:
    """Write the rows and their ``score`` to a Parquet file. Returns how many."""
    trained = load_critic(critic, kind)
    done, writer = 0, None
    temporary = out.with_name(f".{out.name}.part")
    try:
        with storage_errors(out):
            for group in read_rows(rows, batch=16_384):
                for column in kind.columns:
                    if column not in group[0]:
                        raise InputError(f"{rows}: no column {column!r}{nearest(column, list(group[0]))}")
                table = pa.Table.from_pylist(group)
                table = table.append_column("score", pa.array(trained.score(table), pa.float64()))
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.write_table(table.cast(writer.schema))
                done += table.num_rows
            if writer is None:
                raise InputError(f"{rows}: no rows")
            writer.close()
            temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return done
