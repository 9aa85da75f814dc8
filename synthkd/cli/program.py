"""The program `synthkd`: errors as one line, exit statuses, signals."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence

from synthkd import plugins
from synthkd.cli.app import app
from synthkd.errors import SynthKDError
from synthkd.reporting.safe_text import clean, guard_streams

#: Errors of a disk, which need not come with a path.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}

#: The exit statuses of the program and their meaning, as the reference prints them.
EXIT_STATUSES = {
    "0": "done",
    "1": "a fault of synthkd itself; `SYNTHKD_DEBUG=1` shows where",
    "2": "something in the recipe, a file or the command to mend",
    "3": "the teacher cannot be reached or refuses",
    "4": "a disk or file problem; what was committed is kept",
    "5": "the target precision cannot be had; nothing was published",
    "6": "a training went wrong; what was good before is kept",
    "7": "the guarantee of precision was withdrawn: the scored rows are unlike the calibration"
    " rows; the corpus was written and says so",
    "130, 143, 129": "Ctrl-C, SIGTERM, SIGHUP; what was committed is kept",
}


def main() -> None:
    """Run the program; print an intended error as one line and exit with its status."""
    from synthkd.stages.interrupt import SIGNALS
    from synthkd.storage import clear_temporary

    guard_streams()
    received = _end_by_signals(SIGNALS)
    try:
        clear_temporary()
        app(prog_name="synthkd")
    except SynthKDError as error:
        if os.environ.get("SYNTHKD_DEBUG"):
            raise
        print(f"synthkd: {clean(error, 4000)}", file=sys.stderr)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # The reader of a pipe went away (`synthkd show … | head`); Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as error:
        # typer turns KeyboardInterrupt into this status, whichever signal came.
        if isinstance(error, SystemExit) and error.code != 128 + signal.SIGINT:
            raise
        print("synthkd: interrupted; what was committed is kept", file=sys.stderr)
        sys.exit(128 + (received[0] if received else signal.SIGINT))
    except Exception as error:
        if os.environ.get("SYNTHKD_DEBUG"):
            raise
        if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK):
            # A path that cannot be read or written, wherever it was named, or a full disk.
            place = "" if error.filename is None else f"{error.filename}: "
            print(f"synthkd: {place}{error.strerror}", file=sys.stderr)
            sys.exit(4)
        if fault := plugins.fault_of_plugin(error):
            print(f"synthkd: {clean(fault, 500)}; SYNTHKD_DEBUG=1 shows where", file=sys.stderr)
            sys.exit(2)
        # A mistake of a user never comes here: the tests of mistakes refuse this status.
        fault = clean(f"{type(error).__name__}: {error}", 500)
        print(
            f"synthkd: a fault of synthkd itself ({fault}); SYNTHKD_DEBUG=1 shows where, please"
            " report it",
            file=sys.stderr,
        )
        sys.exit(1)
    finally:
        # From here on a signal would interrupt what Python does at its exit, with a traceback.
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


def _end_by_signals(numbers: Sequence[int]) -> list[int]:
    """Let SIGTERM and SIGHUP end any verb as Ctrl-C does, so that files and locks are released.

    Returns:
        The signals received so far; the list grows as they arrive.
    """
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt(number)

    for number in numbers:
        # A signal that is ignored, as `nohup` has it, stays ignored; Python itself handles SIGINT.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handle)
    return received
