"""Deal rows to files by the first bits of a hash, so that rows with an equal hash share a file.

The hash is that of a row's question: each file can be decided alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc

try:
    import resource
except ImportError:  # Windows: no limit of this kind
    resource = None  # type: ignore[assignment]

#: Rows that are buffered over all partitions: memory does not grow with the input.
BUFFERED_ROWS = 65_536
#: Bytes that are buffered, if rows are large.
BUFFERED_BYTES = 32 << 20
#: Hexadecimal digits of a hash that are looked at: up to 65,536 partitions.
_DIGITS = 4
#: Files that a process has open beside those of partitions, at most.
_BESIDE = 128
_VALUES = np.zeros(256, dtype=np.int64)
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


class Partitions:
    """Arrow streams ``0000.arrows``, … in a folder: appended to, read once, deleted.

    Use as a context manager.
    """

    def __init__(self, folder: Path, schema: pa.Schema, count: int, column: str) -> None:
        self.folder, self.schema, self.count, self.column = folder, schema, count, column
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        self._buffer: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> Partitions:
        allow_open(self.count + _BESIDE)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            for writer in self._writers.values():
                writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Buffer a batch; write the buffer if it is full."""
        self._buffer.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= BUFFERED_ROWS or self._bytes >= BUFFERED_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        table = pa.Table.from_batches(self._buffer, self.schema)
        self._buffer, self._rows, self._bytes = [], 0, 0
        if self.count == 1:
            self._writer(0).write_table(table)
            return
        table = table.combine_chunks()
        numbers = first_bits(table.column(self.column), self.count.bit_length() - 1)
        order = np.argsort(numbers, kind="stable")
        table, numbers = table.take(pa.array(order)), numbers[order]
        begins = np.flatnonzero(np.diff(numbers, prepend=-1))
        for begin, end in zip(begins, [*begins[1:], len(numbers)], strict=True):
            self._writer(int(numbers[begin])).write_table(table.slice(begin, end - begin))

    def _writer(self, number: int) -> pa.ipc.RecordBatchStreamWriter:
        if number not in self._writers:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writers[number] = pa.ipc.new_stream(
                str(self.folder / partition_name(number)), self.schema, options=options
            )
        return self._writers[number]


def allow_open(files: int) -> None:
    """Raise the limit of open files as far as the system allows; many begin at 1,024."""
    if resource is not None:
        allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if allowed != resource.RLIM_INFINITY and allowed < files:
            with suppress(OSError, ValueError):
                wanted = files if most == resource.RLIM_INFINITY else min(files, most)
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def partition_name(number: int) -> str:
    """Return the file name of a partition."""
    return f"{number:04d}.arrows"


def first_bits(hashes: pa.ChunkedArray, bits: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the first bits of hexadecimal hashes of one length, as whole numbers."""
    array = pa.concat_arrays(hashes.chunks)
    if not len(array):
        return np.zeros(0, dtype=np.int64)
    offsets, data = array.buffers()[1], array.buffers()[2]
    starts = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array)]
    letters = np.frombuffer(data, np.uint8)[starts[:, None] + np.arange(_DIGITS)]
    value = _VALUES[letters] @ (16 ** np.arange(_DIGITS)[::-1])
    result: np.ndarray[Any, np.dtype[np.int64]] = value >> (4 * _DIGITS - bits)
    return result


def read_partition(paths: Sequence[Path]) -> pa.Table:
    """Read all rows of a partition, from one file or one of each process."""
    tables = []
    for path in paths:
        with pa.ipc.open_stream(str(path)) as reader:
            tables.append(reader.read_all())
    return pa.concat_tables(tables)
