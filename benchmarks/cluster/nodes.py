"""A Ray cluster in a network namespace of its own: Ray listens on every address otherwise.

Nodes are processes with loopback addresses of their own (127.0.0.2, …), whose death is that of all
their processes. Everything ends with the namespace of processes, whatever happens.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.base import ROOT

_PORT = 6379


def why_not() -> str:
    """Return why no cluster can be started here; "" if one can."""
    if importlib.util.find_spec("ray") is None:
        return "ray is not installed"
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            return f"no program {program}"
    probe = subprocess.run([*_UNSHARE, "true"], capture_output=True)
    return "" if probe.returncode == 0 else "no right to make a network namespace"


_UNSHARE = [
    "unshare", *([] if os.getuid() == 0 else ["--map-root-user"]),
    "--net", "--pid", "--mount-proc", "--fork", "--kill-child",
]  # fmt: skip


def in_namespace(module: str, *arguments: str) -> str:
    """Run a module in namespaces of its own, with loopback up; return what it prints.

    Raises:
        SystemExit: it failed.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        [*_UNSHARE, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command],
        cwd=ROOT, env=os.environ | _environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{module} failed with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def _environment() -> dict[str, str]:
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ADDRESS": f"127.0.0.1:{_PORT}",
        # A busy machine starts a node slowly, but a lost node is noticed in seconds.
        "RAY_raylet_start_wait_time_s": "120",
        "RAY_health_check_initial_delay_ms": "500",
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "20000",
        "RAY_health_check_failure_threshold": "6",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }


class Nodes:
    """The nodes of a cluster by number, from 1; use as a context manager.

    The head (0) has no cores for tasks: the driver and the coordinator are there.

    Args:
        count: nodes for tasks.
        cores: cores that each says it has; with too few, Ray waits for ever.
    """

    def __init__(self, count: int, cores: int = 4) -> None:
        self.count, self.cores = count, cores
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Nodes:
        # Paths of sockets must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
        self._start(0)
        for number in range(1, self.count + 1):
            # One after the other: nodes that start together take each other's ports.
            self._start(number)
            for _ in range(3):
                with contextlib.suppress(SystemExit):
                    self.wait(number)
                    break
                # A busy machine may let Ray give a node up at its start.
                self.kill(number)
                self._start(number)
            else:
                self.wait(number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in [*self._processes]:
            self.kill(number)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, number: int) -> None:
        place = (
            ["--head", "--port", str(_PORT), "--num-cpus", "0", "--include-dashboard", "false"]
            if number == 0
            else ["--address", f"127.0.0.1:{_PORT}", "--num-cpus", str(self.cores)]
        )
        with (self._folder / f"{number}.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                [
                    str(Path(sys.executable).parent / "ray"), "start", *place, "--node-ip-address",
                    f"127.0.0.{number + 1}", "--object-store-memory", "80000000",
                    "--disable-usage-stats", "--temp-dir", str(self._folder), "--block",
                ],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        if number == 0:
            self._wait_for_port()

    def _wait_for_port(self) -> None:
        import socket

        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", _PORT), 1):
                return
            time.sleep(0.1)
        raise SystemExit(f"no head: {(self._folder / '0.log').read_text()[-2000:]}")

    def wait(self, alive: int) -> None:
        """Wait until as many nodes for tasks are alive."""
        code = (
            "import ray, time\n"
            "end = time.monotonic() + 60\n"
            "while not ray.is_initialized():\n"
            "    try:\n"
            "        ray.init(logging_level='ERROR', log_to_driver=False)\n"
            "    except Exception:\n"
            "        assert time.monotonic() < end\n"
            "        time.sleep(1)\n"
            f"while sum(n['Alive'] and n['Resources'].get('CPU', 0) > 0 for n in ray.nodes())"
            f" != {alive}:\n"
            "    assert time.monotonic() < end, ray.nodes()\n"
            "    time.sleep(0.2)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode:
            logs = [path.read_text()[-1000:] for path in sorted(self._folder.glob("*.log"))]
            raise SystemExit("\n".join([done.stderr[-1000:], *logs]))

    def kill(self, number: int) -> None:
        """Kill all processes of a node at once, as a power cut does."""
        process = self._processes.pop(number)
        for pid in _descendants(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def start(self, number: int) -> None:
        """Start a node that was killed."""
        self._start(number)


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


@contextlib.contextmanager
def cluster(count: int, cores: int = 4) -> Iterator[Nodes]:
    """Start a cluster of a number of nodes for tasks."""
    with Nodes(count, cores) as nodes:
        yield nodes
