"""Signals at random moments of a job, and what is left, repeated or bought again afterwards.

A job starts from its prepared folder, gets a signal, and is started once more, to its end. Its
files must then equal those of an undisturbed run, byte for byte except times.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
import select
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.kills.forking import MARK, Started, Starter, children
from benchmarks.kills.jobs import CONCURRENCY, VERDICTS, Job, answer
from synthkd.testing import FakeServer

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
#: Times, and what the stages of a run count: a run that goes on counts what was there already.
_LEFT_OUT = {"seconds.json", "generated.json", "run.lock"}
_SECONDS = re.compile(rb'"training_seconds": [\d.]+| in [\d,.]+ s, seed')
_FAULT = re.compile("Traceback|a fault of synthkd")
_JOURNAL = (
    "SELECT request_id, sample_index, text, finish_reason, prompt_tokens, completion_tokens,"
    " logprob, model"
    " FROM completions ORDER BY 1, 2",
    "SELECT request_id, identity, messages, sampling FROM requests ORDER BY 1",
    "SELECT request_id, sample_index, reason FROM failures ORDER BY 1, 2",
    "SELECT request_id, sample_index FROM flights ORDER BY 1, 2",
)
#: Seconds that a start may take, on a machine that does other things too.
_LONG = 180.0


@dataclass
class Kill:
    """One signal and its effects."""

    job: str
    signal: str
    #: Share of the job's usual time, requests or keys at which the signal was sent.
    at: float
    ended_before: bool = False
    status: int | None = None
    #: Files that differ from those of an undisturbed start, are missing, or are too many.
    differing: list[str] = field(default_factory=list)
    #: Committed rows that are gone or altered.
    lost: int = 0
    requests: int = 0
    in_flight: int = 0
    bought_twice: int = 0
    beyond_flight: int = 0
    left_over: list[str] = field(default_factory=list)
    #: Wrong exit statuses and tracebacks, with the end of the output.
    wrong_ends: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (
            self.differing or self.lost or self.beyond_flight or self.left_over or self.wrong_ends
        )


@dataclass
class _Twin:
    """An undisturbed run: its files, seconds and requests."""

    files: dict[str, str]
    seconds: float
    requests: int


class Killing:
    """Jobs in a folder, with their server and the process that starts them. A context manager."""

    def __init__(self, folder: Path, jobs: Sequence[Job], seed: int = 0) -> None:
        self.jobs = list(jobs)
        self._rng = random.Random(seed)
        self._prepared = folder / "prepared"
        self._here = folder / "here"
        self._temporary = folder / "tmp"
        self._output = folder / "output.txt"
        self._server = FakeServer(answer=answer, latency=0.05)
        self._starter = Starter(
            list(dict.fromkeys(name for job in self.jobs for name in job.modules))
        )
        self._twins: dict[str, _Twin] = {}
        self._mark = ""

    def __enter__(self) -> Killing:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._starter.__exit__()
        self._server.__exit__()

    def kill(self, job: Job, name: str) -> Kill:
        """Send a signal to a job, start it again, and compare.

        Nothing is compared if it had ended before.
        """
        twin = self._twin(job)
        self._reset(job)
        kill = Kill(job.name, name, self._rng.random())
        begin = time.monotonic()
        with self._started(job) as running:
            if not running.process.ready():
                kill.ended_before = True
            elif job.typed:
                running.type(VERDICTS, stop=int(kill.at * (len(VERDICTS) + 2)))
                time.sleep(self._rng.random() * 0.01)
            elif job.buys and self._rng.random() < 0.6:
                # A small job spends most of its time elsewhere; these kills fall between its
                # requests.
                while (
                    len(self._server.bodies) <= kill.at * (twin.requests - 1)
                    and not kill.ended_before
                ):
                    kill.ended_before = running.process.wait(0.002) is not None
                time.sleep(self._rng.random() * self._server.latency)
            else:
                kill.ended_before = running.process.wait(kill.at * twin.seconds) is not None
            if not kill.ended_before:
                running.process.send(getattr(signal, name))
            kill.status = running.wait()
        done = _fingerprint(self._here) == twin.files
        if done:
            # The next signal must interrupt the work, not the end of the interpreter.
            twin.seconds = min(twin.seconds, time.monotonic() - begin)
        if kill.ended_before:
            return kill
        self._look_after_signal(kill, getattr(signal, name), done)
        committed = _committed(self._here)
        first = len(self._server.bodies)
        kill.in_flight = (
            first - len({request for request, _ in committed if request}) if job.buys else 0
        )
        with self._started(job) as running:
            if job.typed:
                running.process.ready()
                running.type(VERDICTS[len(committed) :])
            status = running.wait()
        if status != 0:
            kill.wrong_ends.append(
                f"the second start ended with {status}: {self._output_text()[-2000:]}"
            )
        self._look_after_all(kill, twin.files)
        now = _committed(self._here)
        kill.lost = sum(now.get(row) != text for row, text in committed.items())
        if job.buys:
            kill.requests = twin.requests
            kill.bought_twice = sum(self._server.sent.values()) - len(self._server.sent)
            # After SIGTERM and SIGINT the program waits for what is in flight.
            most = 2 * CONCURRENCY if name == "SIGKILL" else 0
            kill.beyond_flight = max(0, kill.bought_twice - min(kill.in_flight, most))
            kill.beyond_flight += abs(len(self._server.sent) - twin.requests)
        return kill

    def _twin(self, job: Job) -> _Twin:
        """Return the undisturbed run of a job, made at its first kill."""
        if job.name not in self._twins:
            prepared = self._prepared / job.name
            shutil.rmtree(prepared, ignore_errors=True)
            prepared.mkdir(parents=True)
            job.prepare(prepared, self._server.url)
            self._reset(job)
            begin = time.monotonic()
            with self._started(job) as running:
                if job.typed:
                    running.process.ready()
                    running.type(VERDICTS)
                status = running.wait()
            if status != 0:
                raise RuntimeError(
                    f"{job.name} ends with {status} by itself: {self._output_text()}"
                )
            seconds = time.monotonic() - begin
            self._twins[job.name] = _Twin(_fingerprint(self._here), seconds, len(self._server.sent))
        return self._twins[job.name]

    def _reset(self, job: Job) -> None:
        """Restore the prepared folder, the temporary folder and the server's counts.

        The folder has the same path at all starts.
        """
        shutil.rmtree(self._here, ignore_errors=True)
        shutil.copytree(self._prepared / job.name, self._here)
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        self._server.sent.clear()
        self._server.bodies.clear()

    @contextmanager
    def _started(self, job: Job) -> Iterator[_Running]:
        self._mark = f"{os.getpid()}-{self._rng.getrandbits(64):x}"
        self._output.unlink(missing_ok=True)
        environment = {"TMPDIR": str(self._temporary), MARK: self._mark}
        running = _Running(self._starter, job, self._here, self._output, environment)
        try:
            yield running
        finally:
            running.close()

    def _output_text(self) -> str:
        text = self._output.read_text("utf-8", "replace") if self._output.exists() else ""
        return text.strip()

    def _look_after_signal(self, kill: Kill, number: int, done: bool) -> None:
        """Check the exit status, and that a process that ended by itself left nothing behind."""
        output = self._output_text()
        wanted = {0, -signal.SIGKILL} if number == signal.SIGKILL else {0, 128 + number}
        if done:
            # The interpreter was ending and no longer handled signals.
            wanted.add(-number)
        if kill.status not in wanted or (number != signal.SIGKILL and _FAULT.search(output)):
            kill.wrong_ends.append(f"ended with {kill.status}: {output[-2000:]}")
        kill.left_over += self._alive()
        if number != signal.SIGKILL:
            kill.left_over += [
                f"{path} after {kill.signal}" for path in _left(self._temporary, self._here)
            ]

    def _look_after_all(self, kill: Kill, twin: dict[str, str]) -> None:
        results = _fingerprint(self._here)
        kill.differing += sorted(
            name
            for name in twin.keys() | results.keys()
            if name in twin and twin[name] != results.get(name)
        )
        kill.left_over += sorted(results.keys() - twin.keys())
        kill.left_over += _left(self._temporary, self._here)
        kill.left_over += self._alive()

    def _alive(self) -> list[str]:
        """Kill and return the children of the last start that did not end with it."""
        end = time.monotonic() + 20
        while (left := children(self._mark)) and time.monotonic() < end:
            time.sleep(0.02)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return [f"process {pid}" for pid in left]


class _Running:
    """A started job, and its terminal if verdicts are typed."""

    def __init__(
        self, starter: Starter, job: Job, folder: Path, output: Path, environment: dict[str, str]
    ) -> None:
        self._pair: tuple[int, int] | None = os.openpty() if job.typed else None
        self._seen, self._output = b"", output
        terminal = os.ttyname(self._pair[1]) if self._pair else ""
        self.process: Started = starter.start(job.arguments, folder, output, environment, terminal)

    def type(self, keys: str, stop: int | None = None) -> None:
        """Type a key at each shown row, and `q` after the last.

        ``stop`` limits their number, `q` included.
        """
        for key in f"{keys}q"[:stop]:
            if not self._until(b" of "):
                return
            assert self._pair is not None
            os.write(self._pair[0], key.encode())

    def _until(self, text: bytes) -> bool:
        """Read the output up to a text; False if the process ends before."""
        while text not in self._seen:
            ended = self.process.wait(0) is not None
            if not self._read(0.02) and ended:
                return False
        self._seen = self._seen.split(text, 1)[1]
        return True

    def _read(self, seconds: float) -> bool:
        assert self._pair is not None
        if not select.select([self._pair[0]], [], [], seconds)[0]:
            return False
        data = os.read(self._pair[0], 4096)
        self._seen += data
        with self._output.open("ab") as file:
            file.write(data)
        return True

    def wait(self) -> int:
        """Read the output until the process ends; its exit status."""
        end = time.monotonic() + _LONG
        while (status := self.process.wait(0.02 if self._pair else _LONG)) is None:
            if self._pair:
                self._read(0)
            if time.monotonic() > end:
                raise TimeoutError(f"process {self.process.pid} does not end")
        return status

    def close(self) -> None:
        if self.process.status is None:
            self.process.send(signal.SIGKILL)
            self.process.wait(_LONG)
        for descriptor in self._pair or ():
            os.close(descriptor)


def _fingerprint(folder: Path) -> dict[str, str]:
    """Hash every file by name, without times; empty folders are listed."""
    results = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name.endswith(("-wal", "-shm")):
            continue
        if path.is_dir():
            results[f"{name}/"] = ""
        elif path.name not in _LEFT_OUT:
            results[name] = hashlib.sha256(_content(path)).hexdigest()
    return results


def _content(path: Path) -> bytes:
    if path.suffix == ".sqlite":
        return repr([_rows(path, query) for query in _JOURNAL]).encode()
    if path.name == "labels.csv":
        return repr([{**row, "time": ""} for row in _sheet(path)]).encode()
    if path.name == "hashes.json":
        # Hashes of files that are compared themselves; some hold seconds.
        return repr(sorted(json.loads(path.read_bytes()))).encode()
    return _SECONDS.sub(b"", path.read_bytes())


def _committed(folder: Path) -> dict[tuple[str, Any], str]:
    """Read the rows that must never be lost: completions by request and sample, verdicts by row."""
    if (folder / "journal.sqlite").exists():
        return {(row[0], row[1]): row[2] for row in _rows(folder / "journal.sqlite", _JOURNAL[0])}
    if (folder / "labels.csv").exists():
        return {
            ("", row["id"]): row["verdict"]
            for row in _sheet(folder / "labels.csv")
            if row.get("verdict")
        }
    return {}


def _sheet(path: Path) -> list[dict[str, str]]:
    """Return the whole rows of a label sheet."""
    text = path.read_text("utf-8")
    with_end = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(with_end.splitlines()))


def _rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path, timeout=30)) as journal:
        try:
            return journal.execute(query).fetchall()
        except sqlite3.OperationalError:
            # Killed before its tables were made.
            return []


def _left(temporary: Path, folder: Path) -> list[str]:
    """Return paths in the temporary folder, and locks of runs."""
    return sorted(
        [f"$TMPDIR/{path.name}" for path in temporary.iterdir()]
        + [path.relative_to(folder).as_posix() for path in folder.rglob("*-run-*")]
    )
