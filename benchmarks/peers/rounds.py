#!/usr/bin/env python3
"""How fast other tools generate completions against a local OpenAI-compatible server, beside synthkd.

    python -m benchmarks peers --envs DIR --install            # once: one environment for each peer
    python -m benchmarks peers --envs DIR [--quick] [--json FILE] [--core 2 --server-core 3]
    python -m benchmarks peers --only bare,synthkd             # needs no environments

The same job for all: short prompts, one completion each, the same latency and the same number of requests in
flight. What is timed is a whole process, from its start to its end, imports and the writing of rows included.
CPU is user and system time of that process and of the children that it waited for; memory is that of its
largest process. Every run has a new server and a new folder. Before the first round each client answers a few
prompts, so that no figure holds a first start. Rounds interleave the clients; shown are medians, and the least
and the most. A run that did not complete every prompt makes its client's figures invalid.

Peers live in `DIR/<name>/bin/python`; one that is missing is skipped. Their telemetry is off, and they are told
to stay offline. Nothing but loopback is spoken to.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from benchmarks.base import options, table, write

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).resolve().parent / "clients"
WARM_UP = 8

#: One environment for each peer. Of datatrove's `inference` extra only what a client needs: the rest are servers.
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    # It imports two packages that it leaves to its dependencies to bring; the newest no longer do.
    "distilabel": ("distilabel[openai]==1.5.3", "pillow", "requests"),
    "bespokelabs-curator": ("bespokelabs-curator==0.1.31",),
    "data-designer": ("data-designer==0.9.7", "data-designer-config==0.9.7", "data-designer-engine==0.9.7"),
    "sdg-hub": ("sdg-hub==0.9.4",),
    "datatrove": ("datatrove[io]==0.10.1", "aiofiles", "aiosqlite", "httpx", "openai", "xxhash"),
}
#: Requirements whose version does not matter here: no certificate is read on loopback, and an index that is some
#: days behind lacks the newest bundle, which data-designer asks for.
ANY_VERSION = {"certifi"}
#: Prints the requirements of installed packages, less extras and less the packages themselves.
REQUIREMENTS = """
import sys
from importlib.metadata import requires
for name in sys.argv[1:]:
    for line in requires(name) or []:
        if "extra ==" not in line and not line.startswith(tuple(f"{other}==" for other in sys.argv[1:])):
            print(line)
"""
#: No telemetry, no look-ups on a hub or in a price list, no drawing on a terminal. What would still go out over
#: https ends at a closed port of this machine: data-designer asks for an encoding when it describes its rows.
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


@dataclass(frozen=True)
class Client:
    """How one client is started; without an environment it runs in this one."""

    name: str
    script: str | None = None
    environment: str | None = None
    more: tuple[str, ...] = ()

    def python(self, envs: Path | None) -> Path | None:
        """Its interpreter, or None where it is missing."""
        if self.environment is None:
            return Path(sys.executable)
        python = envs / self.environment / "bin" / "python" if envs else None
        return python if python and python.exists() else None

    @property
    def version(self) -> str:
        return ENVIRONMENTS[self.environment][0].partition("==")[2] if self.environment else ""


ALL = (
    Client("bare", "bare_aiohttp.py"),
    Client("synthkd"),
    Client("datatrove-local", "run_datatrove.py", "datatrove", ("local",)),
    Client("datatrove-checkpoints", "run_datatrove.py", "datatrove", ("checkpoints",)),
    Client("datatrove-remote", "run_datatrove.py", "datatrove", ("remote",)),
    Client("distilabel", "run_distilabel.py", "distilabel"),
    Client("curator", "run_curator.py", "bespokelabs-curator"),
    Client("sdg-hub", "run_sdg_hub.py", "sdg-hub"),
    Client("data-designer", "run_data_designer.py", "data-designer"),
)


@dataclass
class Run:
    """One process, timed."""

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


@dataclass
class Result:
    """All runs of one client."""

    client: Client
    runs: list[Run] = field(default_factory=list)

    @property
    def problem(self) -> str:
        return next((run.problem for run in self.runs if run.problem), "")

    def figures(self) -> dict[str, Any]:
        values = [run.figures for run in self.runs]
        spread = {
            name: {
                "median": statistics.median(run[name] for run in values),
                "min": min(run[name] for run in values),
                "max": max(run[name] for run in values),
            }
            for name in values[0]
        }
        return {
            "version": self.client.version, "valid": not self.problem, "problem": self.problem,
            "runs": len(self.runs), **spread,
        }  # fmt: skip


def parsed() -> argparse.Namespace:
    parser = options(__doc__ or "")
    parser.add_argument("--envs", type=Path, metavar="DIR", help="folder of the peers' environments")
    parser.add_argument("--install", action="store_true", help="make the environments, and do no more")
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(client.name for client in ALL)}")
    parser.add_argument("--rows", type=int, help="prompts (20000; 1000 with --quick)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--latency", type=float, default=0.05, help="of the server, in seconds")
    parser.add_argument("--core", type=int, help="pin the clients to this core")
    parser.add_argument("--server-core", type=int, help="pin the server to this core")
    parser.add_argument("--base-url", metavar="URL", help="a server that runs already, up to and with /v1")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds until a client is ended")
    args = parser.parse_args()
    args.rows = args.rows or (1_000 if args.quick else 20_000)
    if args.envs:
        args.envs = args.envs.resolve()
    if args.install and not args.envs:
        parser.error("--install needs --envs DIR")
    names = [client.name for client in ALL]
    args.only = args.only.split(",") if args.only else names
    if unknown := {*args.only} - {*names}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(names)}")
    return args


# Environments


def install(envs: Path, names: list[str]) -> int:
    """Makes the environments of these clients; the number of those that failed."""
    failed = 0
    wanted = {client.environment for client in ALL if client.name in names}
    for name, packages in ENVIRONMENTS.items():
        if name not in wanted:
            continue
        print(f"{name}: {' '.join(packages)}", flush=True)
        folder = envs / name
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        python = str(folder / "bin" / "python")
        if pip(python, *packages) or loosely(python, packages):
            continue
        failed += 1
        print(f"{name}: not installed", file=sys.stderr)
    return failed


def pip(python: str, *what: str) -> bool:
    return subprocess.run([python, "-m", "pip", "install", "--quiet", *what], check=False).returncode == 0


def loosely(python: str, packages: tuple[str, ...]) -> bool:
    """The same packages, with any version of the requirements named in `ANY_VERSION`."""
    if not pip(python, "--no-deps", *packages):
        return False
    names = [package.partition("==")[0].partition("[")[0] for package in packages]
    found = subprocess.run(
        [python, "-c", REQUIREMENTS, *names], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    loose = {name for name in ANY_VERSION for line in found if line.startswith(name)}
    if not loose:
        return False
    return pip(python, *(line for line in found if not line.startswith(tuple(loose))), *loose)


# The job


def head(number: int) -> str:
    return f"thing {number:06}"


def write_job(folder: Path, rows: int, base_url: str, in_flight: int) -> None:
    """Prompts for the peers, and a recipe of synthkd that asks the very same."""
    question = TEMPLATE.rpartition("---\n")[2].strip()
    with (folder / "prompts.jsonl").open("w") as prompts, (folder / "heads.jsonl").open("w") as heads:
        for number in range(rows):
            prompts.write(json.dumps({"prompt": question.replace("{{ head }}", head(number))}) + "\n")
            heads.write(json.dumps({"head": head(number)}) + "\n")
    (folder / "used-for.j2").write_text(TEMPLATE)
    (folder / "recipe.yaml").write_text(RECIPE.format(base_url=base_url, in_flight=in_flight))


def pinned(command: list[str], core: int | None) -> list[str]:
    return command if core is None else ["taskset", "-c", str(core), *command]


@contextlib.contextmanager
def server(args: argparse.Namespace) -> Iterator[str]:
    """A new server for each run: the requests that it remembers would slow down the next one."""
    if args.base_url:
        yield args.base_url.rstrip("/")
        return
    command = [sys.executable, "-m", "synthkd.testing", "--port", "0"]
    command += ["--latency", str(args.latency), "--seconds", "3600"]
    process = subprocess.Popen(pinned(command, args.server_core), cwd=ROOT, stdout=subprocess.PIPE, text=True)
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
    """The environment of a client: no proxies, and a home of its own for what it keeps between runs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name not in ("PYTHONPATH", "PYTHONHOME")
    }
    return kept | QUIET | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}


def command(client: Client, python: Path, folder: Path, base_url: str, in_flight: int) -> list[str]:
    if client.script is None:
        return [str(python), "-m", "synthkd", "generate", str(folder / "recipe.yaml"), "--quiet"]
    script = str(CLIENTS / client.script)
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


def timed(
    command: list[str], env: dict[str, str], cwd: Path, log: IO[str], timeout: float
) -> tuple[int, float, float, int]:
    """Exit status, seconds, CPU seconds and peak memory (in the system's unit) of a process and its children.

    Linux counts the memory of the one that forks towards a child's peak: a small process stands in between.
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


def completed(client: Client, folder: Path, log: Path) -> int:
    """How many prompts have an answer: a peer says so in the last line that is a number, synthkd's journal is asked."""
    if client.script is None:
        with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as journal:
            return int(journal.execute("SELECT count(*) FROM completions WHERE text != ''").fetchone()[0])
    lines = log.read_text(errors="replace").split("\n")
    # Some warn once more when they end.
    return next((int(line) for line in reversed(lines) if line.strip().isdigit()), 0)


def run(client: Client, python: Path, rows: int, home: Path, args: argparse.Namespace, timeout: float) -> Run:
    """One run of one client, in a folder of its own and against a server of its own."""
    with tempfile.TemporaryDirectory(prefix="peers-") as name, server(args) as base_url:
        folder, log = Path(name), Path(name) / "log"
        (folder / "output").mkdir()
        write_job(folder, rows, base_url, args.in_flight)
        # synthkd runs from this tree, whatever is installed.
        cwd = ROOT if client.script is None else folder
        line = pinned(command(client, python, folder, base_url, args.in_flight), args.core)
        with log.open("w") as file:
            code, seconds, cpu, memory = timed(line, environment(home), cwd, file, timeout)
        done = completed(client, folder, log) if code == 0 else 0
        problem = f"{done} of {rows} completed" if code == 0 else f"ended with status {code}"
        if code == -signal.SIGKILL and seconds >= timeout:
            problem = f"not done within {timeout:g} s"
        if done == rows:
            problem = ""
        else:
            print(f"{client.name}: {problem}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        # Kibibytes on Linux, bytes on macOS.
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return Run(rows, done, seconds, cpu, memory / unit, problem)


# Rounds


def chosen(args: argparse.Namespace) -> dict[Client, Path]:
    """The clients to run and their interpreters; those that are missing are named."""
    found = {}
    for client in ALL:
        if client.name not in args.only:
            continue
        if python := client.python(args.envs):
            found[client] = python
        else:
            print(f"{client.name}: skipped, no environment `{client.environment}`", file=sys.stderr)
    return found


def measure(args: argparse.Namespace, homes: Path) -> list[Result]:
    clients = chosen(args)
    results = {client: Result(client) for client in clients}
    for client, python in clients.items():
        (homes / client.name).mkdir()
        # A client that hangs on its first prompts shall not hold up the others for long.
        warm = run(client, python, WARM_UP, homes / client.name, args, min(60.0, args.timeout))
        if warm.problem:
            results[client].runs.append(warm)
    for number in range(args.repeats):
        # Every other round runs backwards, so that no client always follows the same one.
        order = list(clients.items())[:: -1 if number % 2 else 1]
        for client, python in order:
            if results[client].problem:
                continue
            done = run(client, python, args.rows, homes / client.name, args, args.timeout)
            results[client].runs.append(done)
            if not done.problem:
                print(
                    f"round {number + 1}: {client.name} {done.figures['rows_per_second']:.0f} rows/s",
                    flush=True,
                )
    return list(results.values())


def spread(values: dict[str, float], digits: int) -> str:
    return f"{values['median']:,.{digits}f} ({values['min']:,.{digits}f}–{values['max']:,.{digits}f})"


def shown(results: list[Result]) -> str:
    rows: list[tuple[Any, ...]] = [("client", "version", "rows/s", "CPU ms per row", "peak MB", "")]
    for result in results:
        figures = result.figures()
        if not figures["valid"]:
            rows.append(
                (result.client.name, result.client.version, "–", "–", "–", f"invalid: {result.problem}")
            )
            continue
        speed, cpu = spread(figures["rows_per_second"], 0), spread(figures["cpu_ms_per_row"], 2)
        rows.append(
            (result.client.name, result.client.version, speed, cpu, spread(figures["peak_mb"], 0), "")
        )
    return table(rows)


def main() -> None:
    args = parsed()
    if args.install:
        raise SystemExit(install(args.envs, args.only))
    with tempfile.TemporaryDirectory(prefix="peers-homes-") as homes:
        results = measure(args, Path(homes))
    print(
        f"\n{args.rows} prompts, {args.latency * 1000:g} ms, {args.in_flight} in flight, {args.repeats} rounds"
    )
    print(shown(results))
    job = {"rows": args.rows, "in_flight": args.in_flight, "latency": args.latency, "repeats": args.repeats}
    write({"job": job, **{result.client.name: result.figures() for result in results}}, args.json)


if __name__ == "__main__":
    main()
