"""Run a module in a process of its own, and watch it and all processes that it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.base import ROOT

#: Seconds between looks at the memory.
_PAUSE = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Done:
    """The JSON that a process printed, and the time and memory of the process and its children.

    Attributes:
        printed: The last line.
        cpu: Processor seconds.
        megabytes: Peak of the resident memory of all processes together; pages that they share
            count for each.
    """

    printed: Any
    cpu: float
    megabytes: float


def run_measured(module: str, *arguments: str, tree: Path | None = None) -> Done:
    """Run a module of this checkout, or of another ``tree``, to its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True,
        cwd=tree or ROOT, env=os.environ | {"PYTHONPATH": str(tree or ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(_PAUSE):
            peak[0] = max(peak[0], sum(map(_resident, _tree(process.pid))))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    ended.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{module} ended with {process.returncode}")
    megabytes = max(peak[0] * _PAGE / 2**20, usage.ru_maxrss / 1024)
    return Done(json.loads(output.splitlines()[-1]), usage.ru_utime + usage.ru_stime, megabytes)


def _tree(pid: int) -> list[int]:
    """Return a process and all that it started."""
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        found += map(int, children.split())
    return found


def _resident(pid: int) -> int:
    """Return the resident pages of a process; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
