"""Rows dealt to partitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synthkd.keys import content_hash
from synthkd.stages.parse import BATCH_BYTES, _slices
from synthkd.stages.partitions import Partitions, partition_name, read_partition

resource = pytest.importorskip("resource")
SCHEMA = pa.schema([("key", pa.string()), ("row", pa.int64())])


def rows(count: int) -> pa.RecordBatch:
    return pa.record_batch(
        [[content_hash(i) for i in range(count)], list(range(count))], schema=SCHEMA
    )


def test_every_row_lies_in_the_partition_of_its_hash(tmp_path: Path) -> None:
    with Partitions(tmp_path, SCHEMA, 8, "key") as out:
        out.write(rows(500))
        out.write(rows(300))
    found = {n: read_partition([tmp_path / partition_name(n)]) for n in range(8)}
    assert sum(table.num_rows for table in found.values()) == 800
    for number, table in found.items():
        assert {int(key[0], 16) // 2 for key in table.column("key").to_pylist()} == {number}


def test_more_partitions_than_files_may_be_open_by_default_are_written(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Those of the tests themselves are open too.
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        with Partitions(tmp_path, SCHEMA, 256, "key") as out:
            out.write(rows(4000))
        assert len(list(tmp_path.iterdir())) == 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_long_texts_that_many_rows_share_are_cut_into_small_batches() -> None:
    sizes = np.array([BATCH_BYTES // 3] * 7 + [BATCH_BYTES * 2, 1], np.int64)
    parts = list(_slices(sizes))
    assert [place for part in parts for place in range(part.start, part.stop)] == list(range(9))
    # Beyond the first row.
    assert all(sizes[part][1:].sum() <= BATCH_BYTES for part in parts)
    assert len(parts) > 3
