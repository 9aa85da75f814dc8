"""The program in this process: what a user types, as a call.

(A process of its own takes a second to start.)
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

from synthkd.cli import main


def synthkd(
    *args: str | Path,
    cwd: Path | None = None,
    keys: str = "",
    one_stream: bool = False,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run `synthkd ARGS` and return its status and what it wrote.

    Args:
        args: The words after the program's name.
        cwd: The working folder.
        keys: What stands on the standard input, which is no terminal.
        one_stream: Write errors among the output, as on a terminal.
        environment: Changes to the environment.
    """
    words = ["synthkd", *map(str, args)]
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr, dict(os.environ), Path.cwd()
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)
    )
    err = out if one_stream else err
    sys.argv, sys.stdin, sys.stdout, sys.stderr = words, io.StringIO(keys), out, err
    os.environ.update(environment)
    status: object = 0
    try:
        with contextlib.chdir(cwd or before[-1]):
            main()
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before[:4]
        os.environ.clear()
        os.environ.update(before[4])
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert isinstance(status, int), status
    said = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(words, status, *said)
