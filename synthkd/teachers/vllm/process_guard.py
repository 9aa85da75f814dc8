"""End processes that outlive a run which was killed."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

# Reads process ids (negative: process groups) until its standard input ends, then ends those
# processes.
#
# The other end of the pipe closes with this process, however it ends: SIGKILL and a second Ctrl-C
# leave no time for anything else. Linux's PR_SET_PDEATHSIG would need no process of its own, but it
# fires when the *thread* that started the child ends, does not reach the child's own children, and
# does not exist on other systems.
_PROGRAM = """
import os, signal, sys, time
left = {int(line) for line in sys.stdin}
def send(number):
    for one in list(left):
        try:
            os.kill(one, number)
        except OSError:
            left.discard(one)
send(signal.SIGTERM)
end = time.monotonic() + 5
while left and time.monotonic() < end:
    time.sleep(0.1)
    send(0)
send(signal.SIGKILL)
"""


class ProcessGuard:
    """Ends the processes that it watches if this process ends without having ended them."""

    def __init__(self) -> None:
        # In a session of its own, Ctrl-C and a closed terminal do not reach it.
        self._process = subprocess.Popen(  # noqa: S603 (our own program, no shell)
            [sys.executable, "-ISc", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, *ids: int) -> None:
        """Add process ids; a negative id is a process group. Repeated ids do no harm."""
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write("".join(f"{one}\n" for one in ids).encode())
        pipe.flush()

    def close(self) -> None:
        """Stop watching; no process is ended."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
