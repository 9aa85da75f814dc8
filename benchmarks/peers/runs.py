"""One run of one client: a whole process, its own folder and its own server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.base import ROOT, Options
from benchmarks.peers.environments import Client

SCRIPTS = Path(__file__).resolve().parent / "clients"
#: No telemetry, no look-ups on a hub or in a price list, no drawing on a terminal. Other requests
#: over https end at a closed port of this machine: data-designer asks for an encoding when it
#: describes its rows.
QUIET = {
    "ANONYMIZED_TELEMETRY": "false",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "CURATOR_VIEWER": "0",
    "DO_NOT_TRACK": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NEMO_TELEMETRY_ENABLED": "false",
    "OPENAI_API_KEY": "none",
    "TELEMETRY_ENABLED": "false",
    "TRANSFORMERS_OFFLINE": "1",
}
RECIPE = """\
name: peers
inputs: {{path: heads.jsonl}}
kind: {{name: triple, relations: [UsedFor]}}
prompt: {{template: used-for.j2}}
teacher:
  backend: openai
  model: fake
  base_url: {base_url}
  chat: true
  concurrency: {in_flight}
corpus: {{path: corpus, title: Peers, license: apache-2.0}}
"""
TEMPLATE = """\
---
kind: triple
about: The prompt that every client sends.
chat: true
---
What is {{ head }} used for? Answer in one or two words.
"""


@dataclass
class Run:
    """One timed process."""

    rows: int
    completed: int
    seconds: float
    cpu: float
    megabytes: float
    problem: str = ""

    @property
    def figures(self) -> dict[str, float]:
        return {
            "rows_per_second": self.rows / self.seconds,
            "cpu_ms_per_row": 1000 * self.cpu / self.rows,
            "peak_mb": self.megabytes,
        }


def head(number: int) -> str:
    return f"thing {number:06}"


def write_job(folder: Path, rows: int, base_url: str, in_flight: int) -> None:
    """Write the prompts for the peers, and a recipe of synthkd with the same prompts."""
    question = TEMPLATE.rpartition("---\n")[2].strip()
    with (
        (folder / "prompts.jsonl").open("w") as prompts,
        (folder / "heads.jsonl").open("w") as heads,
    ):
        for number in range(rows):
            prompts.write(
                json.dumps({"prompt": question.replace("{{ head }}", head(number))}) + "\n"
            )
            heads.write(json.dumps({"head": head(number)}) + "\n")
    (folder / "used-for.j2").write_text(TEMPLATE)
    (folder / "recipe.yaml").write_text(RECIPE.format(base_url=base_url, in_flight=in_flight))


def pin(command: list[str], core: int | None) -> list[str]:
    return command if core is None else ["taskset", "-c", str(core), *command]


@contextlib.contextmanager
def server(options: Options) -> Iterator[str]:
    """Start a server for a run."""
    if options.base_url:
        yield options.base_url.rstrip("/")
        return
    command = [sys.executable, "-m", "benchmarks.raw_server", "--latency", str(options.latency)]
    process = subprocess.Popen(
        pin(command, options.server_core), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise SystemExit("the server did not start")
        yield url
    finally:
        process.terminate()
        process.wait()


def environment(home: Path) -> dict[str, str]:
    """Return the environment variables of a client, without proxies and with a home of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name not in ("PYTHONPATH", "PYTHONHOME")
    }
    return kept | QUIET | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}


def command(client: Client, python: Path, folder: Path, base_url: str, in_flight: int) -> list[str]:
    if client.script is None:
        return [str(python), "-m", "synthkd", "generate", str(folder / "recipe.yaml"), "--quiet"]
    script = str(SCRIPTS / client.script)
    prompts, output = str(folder / "prompts.jsonl"), str(folder / "output")
    return [str(python), script, base_url, prompts, str(in_flight), output, *client.more]


#: Runs a command, writes what the system says that it used into a file, and ends as it did.
_BETWEEN = """
import json, resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss], file)
sys.exit(status & 255)
"""


def time_process(
    command: list[str], env: dict[str, str], cwd: Path, log: IO[str], timeout: float
) -> tuple[int, float, float, int]:
    """Return exit status, seconds, CPU seconds and peak memory of a process and its children.

    Memory is in the system's unit. Linux counts the memory of the forking process towards a child's
    peak, so a small process is put in between.
    """
    used = Path(log.name).with_name("used.json")
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-ISc", _BETWEEN, str(used), *command],
        env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    # The session is the client's own: its group holds what it started, and nothing else.
    clock = threading.Timer(timeout, os.killpg, (process.pid, signal.SIGKILL))
    clock.start()
    try:
        status = process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        clock.cancel()
    seconds = time.perf_counter() - start
    cpu, memory = json.loads(used.read_text()) if used.exists() else (0.0, 0)
    return status, seconds, cpu, memory


def count_completed(client: Client, folder: Path, log: Path) -> int:
    """Count the prompts with an answer.

    A peer prints their number in its last line; synthkd has them in its journal.
    """
    if client.script is None:
        with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as journal:
            return int(
                journal.execute("SELECT count(*) FROM completions WHERE text != ''").fetchone()[0]
            )
    lines = log.read_text(errors="replace").split("\n")
    # Some warn once more when they end.
    return next((int(line) for line in reversed(lines) if line.strip().isdigit()), 0)


def run(
    client: Client, python: Path, rows: int, home: Path, options: Options, timeout: float
) -> Run:
    """Run a client once, in a folder and against a server of its own."""
    with tempfile.TemporaryDirectory(prefix="peers-") as name, server(options) as base_url:
        folder, log = Path(name), Path(name) / "log"
        (folder / "output").mkdir()
        write_job(folder, rows, base_url, options.in_flight)
        # synthkd runs from this tree, whatever is installed.
        cwd = ROOT if client.script is None else folder
        line = pin(command(client, python, folder, base_url, options.in_flight), options.core)
        with log.open("w") as file:
            code, seconds, cpu, memory = time_process(line, environment(home), cwd, file, timeout)
        done = count_completed(client, folder, log) if code == 0 else 0
        problem = f"{done} of {rows} completed" if code == 0 else f"ended with status {code}"
        if code == -signal.SIGKILL and seconds >= timeout:
            problem = f"not done within {timeout:g} s"
        if done == rows:
            problem = ""
        else:
            print(
                f"{client.name}: {problem}\n{log.read_text(errors='replace')[-3000:]}",
                file=sys.stderr,
            )
        # Kibibytes on Linux, bytes on macOS.
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return Run(rows, done, seconds, cpu, memory / unit, problem)
