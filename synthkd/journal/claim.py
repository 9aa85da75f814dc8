"""The claim of a run on a journal: who is at the run, and which of its requests are on the wire.

    JOURNAL-run-<hash of the run's name>      locked while the run is on, removed at its end
        synthkd run NAME on BOOT
        +REQUEST                              about to be written to a connection
        -REQUEST                              answered and committed, or refused without a bill

A request is reserved in the journal before it is sent, some of them ahead of time. After a kill, the marks tell which
reservations may have been billed. They are not synced: what a killed process has written stays in the system's
cache. After a crash of the machine the boot id differs, and every reservation counts as sent.
"""

from __future__ import annotations

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
except ImportError:  # Windows: without this protection
    fcntl = None  # type: ignore[assignment]

_HEAD = "synthkd run "
#: Seconds between looks whether another process has ended.
_TURN = 0.1


class Claim:
    """A run that this process, or the parent of this worker, is at. Use `take` or `join`."""

    def __init__(self, path: Path, run: str, descriptor: int, owner: bool) -> None:
        self.path, self.run, self.descriptor, self.owner = path, run, descriptor, owner
        self._pid = os.getpid()

    def sent(self, request_id: str) -> None:
        """Mark a request as on the wire. Call before its first byte is written.

        Raises:
            StorageError: The mark cannot be written, so that nobody could tell after a kill.
        """
        with storage_errors(self.path):
            os.write(self.descriptor, b"+%b\n" % request_id.encode())

    def cleared(self, request_ids: Iterable[str]) -> None:
        """Take marks back: nothing more can be billed for these requests."""
        if text := "".join(f"-{request_id}\n" for request_id in request_ids):
            # On a full disk a mark stays, and a kill charges more than it has to: no reason to end the run.
            with suppress(OSError):
                os.write(self.descriptor, text.encode())

    def begin(self) -> None:
        """Forget the marks of the process before, once its reservations are settled."""
        with storage_errors(self.path):
            os.ftruncate(self.descriptor, 0)
            os.write(self.descriptor, f"{_HEAD}{self.run} on {boot_id()}\n".encode())

    def end(self, remove: bool) -> None:
        """Give the run back; ``remove`` the file if nothing is left to settle."""
        # A forked child shares the lock, which is the parent's to give back.
        if self.descriptor < 0 or os.getpid() != self._pid:
            return
        if self.owner and remove:
            # Removed while it is locked: who waits for the lock sees that its file is gone, and takes a new one.
            with suppress(OSError):
                os.unlink(self.path)
        os.close(self.descriptor)
        self.descriptor = -1


def path_of(journal: Path, run: str) -> Path:
    """The file of a run's claim, beside the journal."""
    digest = hashlib.blake2b(run.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return journal.with_name(f"{journal.name}-run-{digest}")


def take(journal: Path, run: str, say: Callable[[str], None] | None = None) -> Claim:
    """Claim a run, or wait until the process that is at the run has ended.

    Args:
        journal: The journal's file.
        run: Name of the run.
        say: Told once that, and why, this process waits.

    Raises:
        JournalError: A file of another program stands at the claim's place.
    """
    path = path_of(journal, run)
    waited = False
    while True:
        descriptor = _locked(path)
        if descriptor is not None:
            _refuse_foreign(path, descriptor)
            return Claim(path, run, descriptor, owner=True)
        if say is not None and not waited:
            say(f"another process is at the run {run!r} of {journal}; waiting until it has ended")
        waited = True
        time.sleep(_TURN)


def join(journal: Path, run: str) -> Claim | None:
    """The claim that the parent of this worker holds; None if there is none."""
    path = path_of(journal, run)
    try:
        return Claim(path, run, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), owner=False)
    except FileNotFoundError:
        return None


def is_alive(journal: Path, run: str) -> bool:
    """Whether a process is at a run."""
    try:
        descriptor = os.open(path_of(journal, run), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _flock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def on_wire(journal: Path, run: str) -> set[str] | None:
    """Requests of a run that ended without settling which were on the wire; None if nobody can tell."""
    try:
        text = path_of(journal, run).read_text("utf-8", "replace")
    except OSError:
        return None
    head, _, marks = text.partition("\n")
    boot = boot_id()
    if not boot or not head.startswith(_HEAD) or not head.endswith(f" on {boot}"):
        return None
    found: set[str] = set()
    for mark in marks.split("\n"):
        (found.add if mark.startswith("+") else found.discard)(mark[1:])
    return found


def boot_id() -> str:
    """Changes with each start of the machine; empty if the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _locked(path: Path) -> int | None:
    """A locked descriptor of the file that stands at the path; None while another process holds the lock."""
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
        # The process before removed this file at its end.
        os.close(descriptor)


def _flock(descriptor: int, shared: bool = False) -> bool:
    """Lock a file if nobody else has; whether that went."""
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
        raise JournalError(f"{path}: not a file of synthkd, which keeps its marks there; move it away")
