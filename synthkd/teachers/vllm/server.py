"""vLLM's own server, started for the run and stopped after it; and what ends a process that is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError, TeacherError, require_extra
from synthkd.recipe import PricePart
from synthkd.requests import Answer, Request
from synthkd.teachers.dispatch import Policy
from synthkd.teachers.openai import OpenAITeacher
from synthkd.teachers.vllm.teacher import engine_args

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.base import Account

#: vLLM reports its use to its makers unless told not to.
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
HOST = "127.0.0.1"
#: Seconds between looks at a server that starts, and those that it gets to end.
_LOOK, _GRACE = 0.2, 20.0
#: Seconds in which answers that came before the server's end are still taken.
_LATE = 0.5
#: Lines of the log that an error shows.
_LINES = 8

# Reads the ids of processes (negative: of whole groups) until its standard input ends, then ends those.
#
# The other end of that pipe closes with this process, however it ends: SIGKILL and the second Ctrl-C leave no time
# for anything else. Linux's PR_SET_PDEATHSIG would need no process of its own, but it fires when the *thread* that
# started the child ends, reaches the child but not what the child started, and is not to be had elsewhere.
_GUARD = """
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


class Guard:
    """Ends the processes that it was told of, should this one end without ending them itself."""

    def __init__(self) -> None:
        # A session of its own: Ctrl-C and a closed terminal do not reach it.
        self._process = subprocess.Popen(  # noqa: S603 (our own text, no shell)
            [sys.executable, "-ISc", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, *ids: int) -> None:
        """Take note of process ids; a negative one is that of a group. Saying one twice does no harm."""
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write("".join(f"{one}\n" for one in ids).encode())
        pipe.flush()

    def close(self) -> None:
        """Nothing is left to guard."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()


class Served:
    """The server, started by the first request, and the `openai` backend that asks it."""

    def __init__(self, part: TeacherPart, model: Path | str, policy: Policy, python: str | None) -> None:
        self.part, self.model, self.policy, self.python = part, model, policy, python
        self._server: Server | None = None
        self._asker: OpenAITeacher | None = None

    async def stream(
        self, requests: AsyncIterator[Request], account: Account | None
    ) -> AsyncGenerator[list[Answer], None]:
        if self._server is None:
            self._server = await Server.start(self.part, self.model, self.python)
        if self._asker is None:
            self._asker = OpenAITeacher(client_part(self.part, self._server.url), self.policy)
        self._asker.account = account
        async with aclosing(self._asker.stream(requests)) as groups:
            async for answers in _while_alive(groups, self._server):
                yield answers

    async def close(self) -> None:
        if self._asker is not None:
            await self._asker.close()
            self._asker = None
        if self._server is not None:
            await self._server.stop()
            self._server = None


class Server:
    """A running server: its process group, its address and its log."""

    def __init__(self, command: list[str], port: int) -> None:
        self.command, self.port = command, port
        file, name = tempfile.mkstemp(prefix="synthkd-vllm-", suffix=".log")
        self.log = Path(name)
        self._guard = Guard()
        try:
            # A group of its own, so that the engine and its workers are ended with it.
            self.process = subprocess.Popen(  # noqa: S603 (the recipe's own choice, no shell)
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            )
        except OSError as error:
            self._guard.close()
            self.log.unlink()
            raise RecipeError(f"teacher.vllm.python: {command[0]} cannot be run ({error.strerror})") from None
        finally:
            os.close(file)
        self._guard.watch(-self.process.pid)

    @classmethod
    async def start(cls, part: TeacherPart, model: Path | str, python: str | None) -> Server:
        """Start one and wait until it answers."""
        if python is None:
            require_extra("the vllm backend", "vllm", "vllm")
        port = _free_port()
        server = cls(command(part, model, port, python), port)
        try:
            await server.ready(part.vllm.startup)
        except BaseException:
            await server.stop(keep_log=True)
            raise
        _ask_directly()
        return server

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    async def ready(self, seconds: float) -> None:
        """Wait until ``/health`` is good, the process ends, or the time is over."""
        import aiohttp

        end = time.monotonic() + seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < end:
                if not self.alive:
                    raise self.ended("while it was starting")
                with suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.get(f"http://{HOST}:{self.port}/health") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(_LOOK)
        raise TeacherError(
            f"the vLLM server was not ready in {seconds:g} s; raise teacher.vllm.startup, or see why in its log"
            f" {self.log}, which ends: {self._end_of_log()}"
        )

    def ended(self, when: str) -> TeacherError:
        """What to say when the server is gone."""
        return TeacherError(
            f"the vLLM server ended {when} (exit status {self.process.poll()}); mend what its log {self.log} says,"
            f" then the same command goes on. The log ends: {self._end_of_log()}"
        )

    def _end_of_log(self) -> str:
        lines = [
            line.rstrip() for line in self.log.read_text("utf-8", "replace").splitlines() if line.strip()
        ]
        # An error is one line; a bar stands for the ends of the log's.
        return " | ".join(line.strip()[:300] for line in lines[-_LINES:]) or "(it is empty)"

    async def stop(self, keep_log: bool = False) -> None:
        """End the group: asked first, then made to. The log of a server that ended by itself is kept."""
        keep_log = keep_log or not self.alive
        for number, seconds in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
            self._signal(number)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.process.wait, seconds)
        self._guard.close()
        if not keep_log:
            self.log.unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        """To the whole group, also when its first process is gone: what that started may not be."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def command(part: TeacherPart, model: Path | str, port: int, python: str | None = None) -> list[str]:
    """The server's command line."""
    args = engine_args(part, model)
    # A line in the log for each request would fill disks.
    args = {"served_model_name": part.model, "uvicorn_log_level": "warning"} | args
    line = [python or sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    for name, value in (args | {"host": HOST, "port": port}).items():
        line += _option(name, value)
    return line


def _option(name: str, value: Any) -> list[str]:
    """One argument as vLLM's command line has it."""
    option = name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    if isinstance(value, dict):
        return [f"--{option}", json.dumps(value)]
    if isinstance(value, list | tuple):
        return [f"--{option}", *map(str, value)]
    return [f"--{option}", str(value)]


def environment() -> dict[str, str]:
    """The server's environment: ours, without the telemetry, and without a key that our own requests would need."""
    return {name: value for name, value in os.environ.items() if name != "VLLM_API_KEY"} | QUIET


def client_part(part: TeacherPart, url: str) -> TeacherPart:
    """The part of a recipe with which the server is asked."""
    served = part.vllm.args.get("served_model_name") or part.model
    return part.model_copy(
        update={
            "backend": "openai",
            "model": served[0] if isinstance(served, list) else served,
            "base_url": url,
            # The user's key for another provider is none of this server's business.
            "api_key_env": "",
            "headers": {},
            "api_version": None,
            "proxy": None,
            # A local model costs nothing where the recipe names no price.
            "price": part.price or PricePart(),
        }
    )


def _ask_directly() -> None:
    """Requests to this machine take no proxy, whatever the environment has for others."""
    named = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    if named != "*" and HOST not in named.split(","):
        os.environ["no_proxy"] = f"{named},{HOST}".lstrip(",")


def _free_port() -> int:
    with socket.socket() as held:
        held.bind((HOST, 0))
        return int(held.getsockname()[1])


async def _while_alive(
    groups: AsyncGenerator[list[Answer], None], server: Server
) -> AsyncGenerator[list[Answer], None]:
    """The groups, as long as the server lives: without this, each request would use up its tries on a dead one."""
    while True:
        coming = asyncio.ensure_future(anext(groups, None))
        try:
            while server.alive and not coming.done():
                await asyncio.wait({coming}, timeout=_LATE)
            if not coming.done():
                await asyncio.wait({coming}, timeout=_LATE)
            if not coming.done():
                raise server.ended("before its time")
            group = coming.result()
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        if group is None:
            return
        yield group
