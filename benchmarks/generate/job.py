"""A recipe over short prompts, and synthkd as a process."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.base import ROOT

TEMPLATE = (
    "---\nkind: triple\nchat: true\n---\nWhat is {{ head }} used for? Answer in one or two words.\n"
)


def write_job(
    folder: Path, url: str, rows: int, limits: dict[str, Any] | None = None, **teacher: Any
) -> Path:
    """Write a recipe over a number of distinct prompts, with its inputs and template."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "heads.jsonl").open("w") as heads:
        for number in range(rows):
            heads.write(json.dumps({"head": f"thing {number:06}"}) + "\n")
    (folder / "used-for.j2").write_text(TEMPLATE)
    recipe = {
        "name": "bench",
        "inputs": {"path": "heads.jsonl"},
        "kind": {"name": "triple", "relations": ["UsedFor"]},
        "prompt": {"template": "used-for.j2"},
        "teacher": {
            "backend": "openai", "model": "fake", "base_url": url, "identity": "bench",
            "concurrency": 256, "sampling": {"max_tokens": 8}, **teacher,
        },
        "rules": [],
        "limits": limits or {},
        "corpus": {"path": "corpus", "title": "Bench", "license": "apache-2.0"},
    }  # fmt: skip
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@dataclass
class Ended:
    """A process that has ended."""

    status: int
    seconds: float
    cpu: float
    megabytes: float
    output: str


def start(recipe: Path, verb: str = "generate", *more: str) -> subprocess.Popen[str]:
    """Start synthkd in a session of its own, so that a kill of its group also kills its workers."""
    return start_command(command(recipe, verb, *more))


def command(recipe: Path, verb: str = "generate", *more: str) -> list[str]:
    """Return the command line of a verb."""
    quiet = [] if "--quiet" in more else ["--quiet"]
    return [sys.executable, "-m", "synthkd", verb, str(recipe), *quiet, *more]


def start_command(command: list[str], folder: Path | None = None) -> subprocess.Popen[str]:
    """Start a command in a session of its own."""
    return subprocess.Popen(
        command, cwd=folder or ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def run(recipe: Path, verb: str = "generate", *more: str) -> Ended:
    """Run a verb to its end."""
    return finish(command(recipe, verb, *more))


def finish(command: list[str], folder: Path | None = None) -> Ended:
    """Run a command to its end, in this tree or in another ``folder``."""
    begin = time.perf_counter()
    process = start_command(command, folder)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    seconds = time.perf_counter() - begin
    return Ended(process.returncode, seconds, usage.ru_utime + usage.ru_stime, peak(usage), output)


def peak(usage: resource.struct_rusage) -> float:
    """Return megabytes: from kibibytes on Linux, from bytes on macOS."""
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def kill(process: subprocess.Popen[str]) -> None:
    """Send SIGKILL to the process and its workers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def count(folder: Path, query: str) -> int:
    """Query a number from the journal; 0 if there is none yet."""
    if not (folder / "journal.sqlite").exists():
        return 0
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite", timeout=30)) as journal:
        try:
            return int(journal.execute(query).fetchone()[0] or 0)
        except sqlite3.OperationalError:
            # Killed before its tables were made.
            return 0


COMPLETIONS = "SELECT count(*) FROM completions"


@contextlib.contextmanager
def server(*options: str, latency: float = 0.05, core: int | None = None) -> Iterator[str]:
    """Start a server as a process of its own, on a ``core`` if one is named.

    The test server runs if there are options, such as shares of faults; otherwise a faster one.
    """
    module = "synthkd.testing" if options else "benchmarks.raw_server"
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    command = [*pinned, sys.executable, "-m", module, "--latency", str(latency), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()
