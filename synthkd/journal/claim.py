"""The claim of a run on a journal: its process, and its requests on the wire.

    JOURNAL-run-<hash of the run's name>      locked while the run lasts, removed at its end
        synthkd run NAME on BOOT
        +REQUEST                              about to be written to a connection
        -REQUEST                              answered and committed, or refused without a bill

A request is reserved in the journal before it is sent, some of them ahead of time. After a kill,
the marks tell which reservations may have been billed. They are not synced: what a killed process
has written stays in the system's cache. After a crash of the machine the boot id differs, and every
reservation counts as sent.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from synthkd.errors import JournalError
from synthkd.storage import storage_errors

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None  # type: ignore[assignment]

_HEAD = "synthkd run "
#: Seconds between looks if another process has ended.
_WAIT = 0.1


class Claim:
    """The claim on a run that this process, or the parent of this worker, has.

    Use `take_claim` or `join_claim`.
    """

    def __init__(self, path: Path, run: str, descriptor: int, owner: bool) -> None:
        self.path, self.run, self.descriptor, self.owner = path, run, descriptor, owner
        self._pid = os.getpid()

    def mark_sent(self, request_ids: Iterable[str]) -> None:
        """Mark requests as on the wire. Call before the first byte of any is written.

        Raises:
            StorageError: If the mark cannot be written, since nobody could tell after a kill.
        """
        marks = "".join([f"+{request_id}\n" for request_id in request_ids]).encode()
        with storage_errors(self.path):
            if os.write(self.descriptor, marks) < len(marks):
                # A disk that fills up takes a part, without an error.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def clear_marks(self, request_ids: Iterable[str]) -> None:
        """Remove marks: nothing more can be billed for these requests."""
        if text := "".join(f"-{request_id}\n" for request_id in request_ids):
            # On a full disk a mark stays, and a kill charges more than it has to: no reason to end
            # the run.
            with suppress(OSError):
                os.write(self.descriptor, text.encode())

    def reset(self) -> None:
        """Remove the marks of an earlier process, once its reservations are settled."""
        with storage_errors(self.path):
            os.ftruncate(self.descriptor, 0)
            os.write(self.descriptor, f"{_HEAD}{self.run} on {boot_id()}\n".encode())

    def release(self, remove: bool) -> None:
        """Unlock the run, and ``remove`` the file if nothing is left to settle."""
        # A forked child shares the lock, which is the parent's to release.
        if self.descriptor < 0 or os.getpid() != self._pid:
            return
        if self.owner and remove:
            # While the file is locked: a process that waits for the lock sees that the file is
            # gone, and makes a new one.
            with suppress(OSError):
                os.unlink(self.path)
        os.close(self.descriptor)
        self.descriptor = -1


def claim_path(journal: Path, run: str) -> Path:
    """Return the file of a run's claim, beside the journal."""
    digest = hashlib.blake2b(run.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return journal.with_name(f"{journal.name}-run-{digest}")


def take_claim(journal: Path, run: str, say: Callable[[str], None] | None = None) -> Claim:
    """Claim a run, or wait until the process that is at the run has ended.

    Args:
        journal: The journal's file.
        run: Name of the run.
        say: Receives one message if this process has to wait.

    Raises:
        JournalError: If a file of another program stands at the claim's place.
    """
    path = claim_path(journal, run)
    waited = False
    while True:
        descriptor = _open_locked(path)
        if descriptor is not None:
            _refuse_foreign(path, descriptor)
            return Claim(path, run, descriptor, owner=True)
        if say is not None and not waited:
            say(f"another process is at the run {run!r} of {journal}; waiting until it has ended")
        waited = True
        time.sleep(_WAIT)


def join_claim(journal: Path, run: str) -> Claim | None:
    """Open the claim of this worker's parent; None if there is none."""
    path = claim_path(journal, run)
    try:
        return Claim(
            path, run, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), owner=False
        )
    except FileNotFoundError:
        return None


def is_run_alive(journal: Path, run: str) -> bool:
    """Tell if a process is at a run."""
    try:
        descriptor = os.open(claim_path(journal, run), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _flock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def requests_on_wire(journal: Path, run: str) -> set[str] | None:
    """Return the requests that a run had on the wire when it ended without settling.

    None if that is unknown.
    """
    try:
        text = claim_path(journal, run).read_text("utf-8", "replace")
    except OSError:
        return None
    head, _, marks = text.partition("\n")
    boot = boot_id()
    if not boot or not head.startswith(_HEAD) or not head.endswith(f" on {boot}"):
        return None
    request_ids: set[str] = set()
    for mark in marks.split("\n"):
        (request_ids.add if mark.startswith("+") else request_ids.discard)(mark[1:])
    return request_ids


def boot_id() -> str:
    """Return an id that changes with each start of the machine; "" if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _open_locked(path: Path) -> int | None:
    """Open and lock the file at a path.

    Return its descriptor, or None while another process has the lock.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    while True:
        with storage_errors(path):
            descriptor = os.open(path, flags, 0o644)
        if not _flock(descriptor):
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        # An earlier process removed this file at its end.
        os.close(descriptor)


def _flock(descriptor: int, shared: bool = False) -> bool:
    """Lock a file; return False if another process has the lock."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _refuse_foreign(path: Path, descriptor: int) -> None:
    head = os.pread(descriptor, len(_HEAD), 0)
    if head and head != _HEAD.encode():
        os.close(descriptor)
        raise JournalError(
            f"{path}: not a file of synthkd, which keeps its marks there; move it away"
        )
