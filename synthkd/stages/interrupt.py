"""Stop a run by Ctrl-C, SIGTERM or SIGHUP."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from synthkd.errors import Interrupted
from synthkd.progress import Progress

#: Signals that ask a process to end.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class StopEvent(threading.Event):
    """Set by the first signal; ``number`` is that of the signal, 0 before."""

    number = 0

    def interrupted(self, message: str) -> Interrupted:
        """Make the error that ends the run, with the exit status that a shell expects."""
        error = Interrupted(message)
        error.exit_status = 128 + (self.number or signal.SIGINT)
        return error


@contextmanager
def stopped_by_signals(
    stopping: StopEvent,
    progress: Progress,
    stop: Callable[[], None] | None = None,
    grace: float = 30.0,
) -> Iterator[None]:
    """Stop sending at the first signal (and call ``stop``); end at once at the second.

    A SIGTERM or SIGHUP that the process ignores, as `nohup` has it, stays ignored.

    Args:
        grace: Seconds that are announced for what is in flight.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: Any) -> None:
        if stopping.is_set():
            with suppress(OSError):
                sys.stderr.write("\nended at once; what was committed is kept\n")
                sys.stderr.flush()
            os._exit(128 + number)
        stopping.number = number
        stopping.set()
        if stop:
            stop()
        progress.say(
            f"stopping: waiting up to {grace:g} s for what is in flight;"
            f" {signal.Signals(number).name} again ends"
            " at once"
        )

    before = {
        number: signal.signal(number, handle)
        for number in SIGNALS
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
