"""Deal rows to files by the beginning of a hash (of their question), so that rows with an equal one meet and each file
can be decided alone."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

#: Rows that are held over all partitions before they are written: memory does not grow with the input.
HELD_ROWS = 65_536


class Partitions:
    """Arrow streams ``0000.arrows``, … in a folder: appended to, read once, deleted. Use as a context manager."""

    def __init__(self, folder: Path, schema: pa.Schema, count: int, column: str = "id") -> None:
        self.folder, self.schema, self.count, self.column = folder, schema, count, column
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        self._held: list[pa.RecordBatch] = []
        self._rows = 0

    def __enter__(self) -> Partitions:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            for writer in self._writers.values():
                writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Take in a batch."""
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows >= HELD_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        table = pa.Table.from_batches(self._held).combine_chunks()
        shift = 32 - (self.count.bit_length() - 1)
        places: dict[int, list[int]] = {}
        for i, name in enumerate(table.column(self.column).to_pylist()):
            places.setdefault(int(name[:8], 16) >> shift, []).append(i)
        for number, chosen in places.items():
            self._writer(number).write_table(table.take(pa.array(chosen)))
        self._held, self._rows = [], 0

    def _writer(self, number: int) -> pa.ipc.RecordBatchStreamWriter:
        if number not in self._writers:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            path = str(self.folder / f"{number:04d}.arrows")
            self._writers[number] = pa.ipc.new_stream(path, self.schema, options=options)
        return self._writers[number]


def read_partition(path: Path) -> pa.Table:
    """All rows of a partition."""
    with pa.ipc.open_stream(str(path)) as reader:
        return reader.read_all()
