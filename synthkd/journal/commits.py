"""One thread that commits for all callers: what comes during a commit is the next group.

writes ──► queue ──► one transaction ──► their results, once they are on disk
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from synthkd.errors import StorageError
from synthkd.journal.ledger import Caps
from synthkd.journal.store import Journal
from synthkd.journal.writes import Write

#: A pause between commits is so many times as long as the last commit took, within bounds in
#: seconds. Fewer, larger groups cost less: a page of the index is written once for all its rows.
#: At low rates a group is small and its pause short; requests in flight never wait long.
_PAUSE, _SHORTEST_PAUSE, _LONGEST_PAUSE = 2.0, 0.005, 0.04
#: Seconds after which committed rows are moved from the log into the file.
_CHECKPOINT = 5.0

#: Names a write for the one who asked for it.
Ticket = TypeVar("Ticket")
#: What became of a write: its result, or the error that rolled it back.
Outcome = tuple[Any, Exception | None]


class GroupCommitter(Generic[Ticket]):
    """Commits writes in groups, in a thread of its own.

    Args:
        journal: The journal.
        run: Name of the run.
        caps: What the run may spend.
        shared: Whether several processes of the run ask for writes (see `Journal.write`).
        deliver: Takes the outcomes of each group by ticket, in the committer's thread.
    """

    def __init__(
        self,
        journal: Journal,
        run: str,
        caps: Caps | None,
        shared: bool,
        deliver: Callable[[Sequence[tuple[Ticket, Outcome]]], None],
    ) -> None:
        self.journal, self.run, self.caps, self.shared = journal, run, caps, shared
        self._deliver = deliver
        self._queue: deque[tuple[Ticket, Write]] = deque()
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._is_closed = False
        self._checkpoint = time.monotonic() + _CHECKPOINT
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, *entries: tuple[Ticket, Write]) -> None:
        """Commit writes with the next group, in their order. Called from any thread."""
        self._queue.extend(entries)
        self._wake.set()

    def hurry(self) -> None:
        """Commit without pauses from now on: the end of a run waits for it."""
        self._hurry.set()

    def close(self) -> None:
        """Commit what is left, and end the thread."""
        self._is_closed = True
        self._hurry.set()
        self._wake.set()
        self._thread.join()

    def _serve(self) -> None:
        due = 0.0
        while True:
            # A committer that is closed while a group waits is woken only once for both.
            if not self._is_closed:
                self._wake.wait()
            if (pause := due - time.monotonic()) > 0:
                self._hurry.wait(pause)
            self._wake.clear()
            group = [self._queue.popleft() for _ in range(len(self._queue))]
            if group:
                start = time.monotonic()
                outcomes = self._commit([write for _, write in group])
                self._deliver(
                    [
                        (ticket, outcome)
                        for (ticket, _), outcome in zip(group, outcomes, strict=True)
                    ]
                )
                last = time.monotonic()
                due = last + min(max(_PAUSE * (last - start), _SHORTEST_PAUSE), _LONGEST_PAUSE)
                if last >= self._checkpoint:
                    # A small journal must not stay in its log alone, which a copy of the file
                    # lacks.
                    self.journal.checkpoint()
                    self._checkpoint = time.monotonic() + _CHECKPOINT
            elif self._is_closed:
                return

    def _commit(self, group: list[Write]) -> list[Outcome]:
        results, error = self._execute(group)
        if error is None:
            return [(result, None) for result in results]
        if len(group) == 1 or isinstance(error, StorageError):
            return [(None, error)] * len(group)
        # What cannot be written must not fail the rest of the group, which was paid for.
        return [outcome for write in group for outcome in self._commit([write])]

    def _execute(self, group: list[Write]) -> tuple[list[Any], Exception | None]:
        """Execute writes in one transaction.

        Return the results, or the error that rolled it back.
        """
        try:
            with self.journal.transaction():
                return [
                    self.journal.write(write, self.run, self.caps, self.shared) for write in group
                ], None
        except Exception as error:  # noqa: BLE001 (raised again in the caller of the write)
            return [], error
