"""Export a shard's journal while it grows, and take in what was exported.

    shards/0003/completions-<attempt>-000001.parquet     as `synthkd journal export` writes them
    shards/0003/failures-<attempt>-000001.parquet

If sending is faster than exporting, sending waits: a lost node costs at most `MOST_BEHIND`
completed samples, beside those in flight.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.cluster.shared_folder import SharedFolder
from synthkd.journal import Journal
from synthkd.journal.exchange import import_parquet
from synthkd.journal.parts import export_completions, export_failures, import_failures

#: Completed samples without an export, from which sending waits.
MOST_BEHIND = 4_000
#: Completed samples, and seconds, after which an export begins.
EXPORT_ROWS, EXPORT_SECONDS = 1_000, 1.0
#: Completions of one file.
_MOST_ROWS = 50_000
#: Seconds between two looks at the journal, and between two reports.
_LOOK, _REPORT = 0.1, 0.5


def shard_folder(shard: int) -> str:
    """Return the folder of a shard's exports."""
    return f"shards/{shard:04d}"


class Exporter:
    """Exports what a shard commits, in a thread of its own. Use as a context manager.

    Args:
        journal: The shard's journal.
        shared: Where the exports go.
        shard: Number of the shard.
        attempt: Name of this attempt, part of the names of the files.
        report: Is called now and then, after an export; returns False if the shard is to stop.
    """

    def __init__(
        self,
        journal: Journal,
        shared: SharedFolder,
        shard: int,
        attempt: str,
        report: Callable[[], bool],
    ) -> None:
        self._journal, self._shared, self._report = journal, shared, report
        self._folder, self._attempt = shard_folder(shard), attempt
        self._exported, self._failures_until = journal.last_number(), time.time()
        self._files = 0
        self._last = time.monotonic()
        self._closing = threading.Event()
        self._moved = threading.Condition()
        self._error: BaseException | None = None
        self._is_stopped = False
        self._thread = threading.Thread(target=self._work, name="export", daemon=True)

    def __enter__(self) -> Exporter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Export the rest, and raise what went wrong."""
        self._closing.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def may_send(self) -> bool:
        """Wait until the exports have caught up; False if the shard is to stop."""
        with self._moved:
            while (
                self._error is None
                and not self._is_stopped
                and self._journal.last_number() - self._exported > MOST_BEHIND
            ):
                self._moved.wait(_LOOK)
        if self._error is not None:
            raise self._error
        return not self._is_stopped

    def _work(self) -> None:
        reported = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as folder:
                while not self._closing.wait(_LOOK):
                    self._export_if_due(Path(folder))
                    if time.monotonic() - reported >= _REPORT:
                        reported = time.monotonic()
                        self._send_report()
                self._export(Path(folder))
                self._send_report()
        except BaseException as error:  # noqa: BLE001 (raised again where the shard waits)
            self._error = error
        with self._moved:
            self._moved.notify_all()

    def _send_report(self) -> None:
        if not self._report() and not self._is_stopped:
            self._is_stopped = True
            # As Ctrl-C does on one machine: what is in flight is waited for.
            os.kill(os.getpid(), signal.SIGINT)

    def _export_if_due(self, folder: Path) -> None:
        behind = self._journal.last_number() - self._exported
        if behind >= EXPORT_ROWS or time.monotonic() - self._last >= EXPORT_SECONDS:
            self._export(folder)

    def _export(self, folder: Path) -> None:
        while True:
            path = folder / "part.parquet"
            last, rows = export_completions(self._journal, self._exported, path, _MOST_ROWS)
            if not rows:
                break
            self._put(path, "completions")
            with self._moved:
                self._exported = last
                self._moved.notify_all()
            if rows < _MOST_ROWS:
                break
        path = folder / "failures.parquet"
        until = export_failures(self._journal, self._failures_until, path)
        if until > self._failures_until:
            self._put(path, "failures")
            self._failures_until = until
        self._last = time.monotonic()

    def _put(self, path: Path, what: str) -> None:
        self._files += 1
        self._shared.put(path, f"{self._folder}/{what}-{self._attempt}-{self._files:06d}.parquet")


def import_parts(
    shared: SharedFolder,
    folder: str,
    journal: Path,
    only: Collection[str] | None = None,
    done: Collection[str] = (),
) -> list[str]:
    """Take exports of a folder into a journal, which no process has open.

    Args:
        shared: Where the exports are.
        folder: Folder in it.
        journal: The journal; made if it is not there.
        only: Take in completions of these requests alone.
        done: Names of exports that were taken in before.

    Returns:
        The names of the exports that were taken in.
    """
    names = [name for name in shared.names(folder) if name not in done]
    completions = [name for name in names if name.rpartition("/")[2].startswith("completions-")]
    failures = [name for name in names if name.rpartition("/")[2].startswith("failures-")]
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "part.parquet"
        for name in completions:
            shared.get(name, path)
            if only is None or _keep_only(path, only):
                import_parquet(journal, path)
        if failures:
            with Journal(journal) as store:
                for name in failures:
                    shared.get(name, path)
                    import_failures(store, path)
    return completions + failures


def _keep_only(path: Path, request_ids: Collection[str]) -> bool:
    """Leave completions of these requests alone in a file; False if there are none."""
    wanted = pa.array(list(request_ids), pa.string())
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        batches = [
            batch.filter(pc.is_in(batch.column("request_id"), value_set=wanted))
            for batch in file.iter_batches()
        ]
    table = pa.Table.from_batches(batches, schema)
    pq.write_table(table, path)
    return bool(table.num_rows)
