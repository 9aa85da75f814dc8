"""Stop a run by Ctrl-C, SIGTERM or SIGHUP."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
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


class StopHandle:
    """Stops a run that another thread does, as the first Ctrl-C would.

    A run finds the handle of its context: see `HANDLE`.
    """

    def __init__(self) -> None:
        self._asked = False
        self._stops: list[Callable[[], None]] = []

    def stop(self) -> None:
        """Stop the run, now or as soon as it can be stopped; a second call ends its grace."""
        self._asked = True
        for stop in self._stops:
            stop()

    @contextmanager
    def reaches(self, stop: Callable[[], None]) -> Iterator[None]:
        """Let the handle call ``stop`` meanwhile."""
        self._stops.append(stop)
        if self._asked:
            stop()
        try:
            yield
        finally:
            self._stops.remove(stop)


#: The handle of the run of this context, for runs outside of the main thread.
HANDLE: ContextVar[StopHandle | None] = ContextVar("stop handle of a run", default=None)


def _is_in_notebook() -> bool:
    """Return True in a kernel, which a signal must not end."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


@contextmanager
def stopped_by_signals(
    stopping: StopEvent,
    progress: Progress,
    stop: Callable[[], None] | None = None,
    grace: float = 30.0,
) -> Iterator[None]:
    """Stop sending at the first signal (and call ``stop``); end at once at the second.

    In a notebook the second one calls ``stop`` again, which ends the grace period: the kernel and
    what it holds stay. Outside of the main thread, which alone hears signals, the `HANDLE` of the
    context stops the run.

    A SIGTERM or SIGHUP that the process ignores, as `nohup` has it, stays ignored.

    Args:
        grace: Seconds that are announced for what is in flight.
    """
    if threading.current_thread() is not threading.main_thread():
        handle_of_run = HANDLE.get()
        if handle_of_run is None:
            yield
            return

        def stop_from_outside() -> None:
            stopping.number = signal.SIGINT
            stopping.set()
            if stop:
                stop()

        with handle_of_run.reaches(stop_from_outside):
            yield
        return

    def handle(number: int, _frame: Any) -> None:
        if stopping.is_set() and _is_in_notebook():
            if stop:
                stop()
            return
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
