"""Drop the near-duplicates of a Parquet file with the rule `near_duplicate`, and print figures.

python -m benchmarks.near_duplicates.job TEXTS.parquet [--out FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.filters.near_duplicates import NearDuplicate
from synthkd.kinds.labelled_text.kind import LabelledTextKind

THRESHOLD = 0.8
_ROWS = 8192


def main() -> None:
    """Run the rule in this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("texts", type=Path)
    parser.add_argument("--out", type=Path, help="write the numbers of the dropped rows there")
    options = parser.parse_args()
    rule, kind = NearDuplicate(threshold=THRESHOLD), LabelledTextKind()
    begin = time.perf_counter()
    rows = 0
    with pq.ParquetFile(options.texts) as file:
        for batch in file.iter_batches(_ROWS):
            rows += batch.num_rows
            rule.take(_candidates(batch), kind)
    taken = time.perf_counter()
    digest, dropped = hashlib.sha256(), []
    for row, reason in rule.settle(kind):
        dropped.append(row)
        digest.update(f"{row} {reason}\n".encode())
    end = time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_SELF)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    if options.out:
        np.save(options.out, np.array(dropped, np.int64))
    print(
        json.dumps({
            "rows": rows, "seconds": end - begin, "seconds_taking": taken - begin,
            "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / unit,
            "dropped": len(dropped), "sha256": digest.hexdigest(),
        })
    )  # fmt: skip


def _candidates(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the columns that the rule reads; no row is likelier than another."""
    ids = batch.column("id")
    return pa.record_batch({
        "text": batch.column("text"), "id": ids, "completion_key": ids,
        "logprob": pa.nulls(batch.num_rows, pa.float64()),
    })  # fmt: skip


if __name__ == "__main__":
    main()
