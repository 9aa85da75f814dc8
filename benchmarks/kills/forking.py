"""Start synthkd many times without its imports, by forking.

Signals then interrupt the work of a verb, not the imports before it, and a hundred starts take
seconds. The forked process is like a started one: a session of its own, its own files as standard
streams, and the program's own `main`, to the end of the interpreter.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
#: A variable that identifies a started process and its children.
MARK = "SYNTHKD_STARTED"


class Starter:
    """The process that forks. A context manager; one start at a time."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), *modules],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True,
            env=environment,
        )  # fmt: skip

    def __enter__(self) -> Starter:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        output: Path,
        environment: Mapping[str, str],
        terminal: str = "",
    ) -> Started:
        """Start `synthkd ARGUMENTS` in a folder.

        The terminal at the path ``terminal`` replaces the standard streams.
        """
        self._send(
            {
                "arguments": list(arguments), "folder": str(folder), "output": str(output),
                "environment": dict(environment), "terminal": terminal,
            }
        )  # fmt: skip
        return Started(self, self.receive()["pid"])

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float | None = None) -> Any:
        """Read the next line of the forking process; None if none comes in time."""
        assert self._process.stdout is not None
        if seconds is not None and not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        return json.loads(self._process.stdout.readline())


class Started:
    """A forked process.

    It stays a zombie until the next start, so that no other process has its number.
    """

    def __init__(self, starter: Starter, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self._starter = starter

    def wait(self, seconds: float) -> int | None:
        """Wait for the exit status, negative for a signal as in `subprocess`.

        None if the process has not ended in time.
        """
        if self.status is None and (reply := self._starter.receive(seconds)):
            self.status = reply["status"]
        return self.status

    def send(self, number: int) -> None:
        """Send a signal; nothing happens to a process that has ended."""
        os.kill(self.pid, number)

    def ready(self, seconds: float = 30) -> bool:
        """Wait until the program handles signals; False if it ended before."""
        end = time.monotonic() + seconds
        while self.wait(0) is None:
            # Without /proc a short wait must suffice.
            if (caught := _caught(self.pid)) is None:
                return self.wait(0.05) is None
            if caught >> (signal.SIGTERM - 1) & 1:
                return True
            if time.monotonic() > end:
                raise TimeoutError(f"process {self.pid} does not handle signals")
            time.sleep(0.001)
        return False


def _caught(pid: int) -> int | None:
    """Return signals that a process handles, as the bits of a number."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    match = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return int(match[1], 16) if match else None


def children(mark: str) -> list[int]:
    """Return processes that have this mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    results = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                results.append(int(folder.name))
    return results


def _serve() -> None:
    """Fork for each line of stdin; the parent prints process and status, the child returns."""
    while line := sys.stdin.readline():
        job = json.loads(line)
        pid = os.fork()
        if not pid:
            _enter(job)
            return
        print(json.dumps({"pid": pid}), flush=True)
        about = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert about is not None
        ended = about.si_status if about.si_code == os.CLD_EXITED else -about.si_status
        print(json.dumps({"status": ended}), flush=True)
        # Reap at the next start only, so that a late signal reaches no other process.
        if not (select.select([sys.stdin], [], [])[0]):
            return
        os.waitpid(pid, 0)
    os._exit(0)


def _enter(job: dict[str, Any]) -> None:
    """Turn this process into that of a job: session, streams, folder, environment, arguments."""
    import fcntl
    import tempfile
    import termios

    os.setsid()
    if job["terminal"]:
        terminal = os.open(job["terminal"], os.O_RDWR)
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        streams = [terminal] * 3
    else:
        output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        streams = [os.open(os.devnull, os.O_RDONLY), output, output]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in set(streams):
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode) for number, mode in enumerate("rww"))  # noqa: SIM115
    os.chdir(job["folder"])
    os.environ.update(job["environment"])
    tempfile.tempdir = None
    sys.argv = ["synthkd", *job["arguments"]]


if __name__ == "__main__":
    # Modules in the folder of this file could shadow others of the same name.
    sys.path.pop(0)
    for module in ("synthkd.cli.program", *sys.argv[1:]):
        importlib.import_module(module)
    if "pyarrow.parquet" in sys.modules:
        with contextlib.suppress(ImportError):
            importlib.import_module("pandas")
    _serve()
    importlib.import_module("synthkd.cli.program").main()
