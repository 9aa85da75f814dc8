"""What Ctrl-C does to a run."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from synthkd.progress import Progress


@contextmanager
def ctrl_c(
    stopping: threading.Event, progress: Progress, stop: Callable[[], None] | None = None
) -> Iterator[None]:
    """First Ctrl-C: stop sending (and call ``stop``). Second: end at once (what is committed is on disk, whatever
    happens)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: Any) -> None:
        if stopping.is_set():
            with suppress(OSError):
                sys.stderr.write("\nended at once; what was committed is kept\n")
                sys.stderr.flush()
            os._exit(130)
        stopping.set()
        if stop:
            stop()
        progress.say("stopping: waiting for what is in flight; Ctrl-C again ends at once")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
