"""vLLM's own server: started for a run, reached by the backend `openai`, stopped afterwards."""

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
from synthkd.teachers.dispatch import DispatchPolicy
from synthkd.teachers.openai import OpenAITeacher
from synthkd.teachers.vllm.arguments import NO_TELEMETRY, engine_args, vllm_options
from synthkd.teachers.vllm.process_guard import ProcessGuard

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.base import Account

HOST = "127.0.0.1"
#: Seconds between checks of a server that starts, and seconds that a server has to end.
_POLL, _GRACE = 0.2, 20.0
#: Seconds in which answers from before the server's end are still read.
_LATE = 0.5
#: Lines of the log in an error.
_LOG_LINES = 8


class ServedEngine:
    """A vLLM server, started by the first request, with the backend `openai` as its client."""

    def __init__(
        self, part: TeacherPart, model: Path | str, policy: DispatchPolicy, python: str | None
    ) -> None:
        self.part, self.model, self.policy, self.python = part, model, policy, python
        self._server: VllmServer | None = None
        self._client: OpenAITeacher | None = None

    async def stream(
        self, requests: AsyncIterator[Request], account: Account | None
    ) -> AsyncGenerator[list[Answer], None]:
        if self._server is None:
            self._server = await VllmServer.start(self.part, self.model, self.python)
        if self._client is None:
            self._client = OpenAITeacher(client_part(self.part, self._server.url), self.policy)
        self._client.account = account
        async with aclosing(self._client.stream(requests)) as groups:
            async for answers in _while_alive(groups, self._server):
                yield answers

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._server is not None:
            await self._server.stop()
            self._server = None


class VllmServer:
    """A running server: its process group, its address and its log."""

    def __init__(self, command: list[str], port: int) -> None:
        self.command, self.port = command, port
        file, name = tempfile.mkstemp(prefix="synthkd-vllm-", suffix=".log")
        self.log = Path(name)
        self._guard = ProcessGuard()
        try:
            # In a process group of its own, the engine and its workers are ended with it.
            self.process = subprocess.Popen(  # noqa: S603 (the recipe's own choice, no shell)
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=server_environment(),
                start_new_session=True,
            )
        except OSError as error:
            self._guard.close()
            self.log.unlink()
            raise RecipeError(
                f"teacher.options.python: {command[0]} cannot be run ({error.strerror})"
            ) from None
        finally:
            os.close(file)
        self._guard.watch(-self.process.pid)

    @classmethod
    async def start(cls, part: TeacherPart, model: Path | str, python: str | None) -> VllmServer:
        """Start a server and wait until it answers."""
        if python is None:
            require_extra("the vllm backend", "vllm", "vllm")
        port = _free_port()
        server = cls(server_command(part, model, port, python), port)
        try:
            await server.ready(vllm_options(part).startup)
        except BaseException:
            await server.stop(keep_log=True)
            raise
        _bypass_proxy()
        return server

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    async def ready(self, seconds: float) -> None:
        """Wait until ``/health`` answers 200.

        Raises:
            TeacherError: The process ended, or was not ready in so many seconds.
        """
        import aiohttp

        end = time.monotonic() + seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < end:
                if not self.alive:
                    raise self.ended_error("while it was starting")
                with suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.get(f"http://{HOST}:{self.port}/health") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(_POLL)
        raise TeacherError(
            f"the vLLM server was not ready in {seconds:g} s; raise teacher.options.startup, or see"
            f" its log {self.log}, which ends: {self._end_of_log()}"
        )

    def ended_error(self, when: str) -> TeacherError:
        """Return the error for a server that has ended."""
        return TeacherError(
            f"the vLLM server ended {when} (exit status {self.process.poll()}); mend the cause that"
            f" its log {self.log} names, then the same command goes on. The log ends:"
            f" {self._end_of_log()}"
        )

    def _end_of_log(self) -> str:
        lines = [
            line.rstrip()
            for line in self.log.read_text("utf-8", "replace").splitlines()
            if line.strip()
        ]
        # An error is one line: bars separate the lines of the log.
        return (
            " | ".join(line.strip()[:300] for line in lines[-_LOG_LINES:]) or "(the log is empty)"
        )

    async def stop(self, keep_log: bool = False) -> None:
        """End the process group: SIGTERM, then SIGKILL.

        The log of a server that ended by itself is kept.
        """
        keep_log = keep_log or not self.alive
        for number, seconds in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
            self._signal(number)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.process.wait, seconds)
        self._guard.close()
        if not keep_log:
            self.log.unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the whole process group, whose children may outlive its first process."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def server_command(
    part: TeacherPart, model: Path | str, port: int, python: str | None = None
) -> list[str]:
    """Return the server's command line."""
    args = engine_args(part, model)
    # A log line per request would fill the disk.
    args = {"served_model_name": part.model, "uvicorn_log_level": "warning"} | args
    line = [python or sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    for name, value in (args | {"host": HOST, "port": port}).items():
        line += _option(name, value)
    return line


def _option(name: str, value: Any) -> list[str]:
    """Return one argument in the form of vLLM's command line."""
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


def server_environment() -> dict[str, str]:
    """Return the server's environment: ours without telemetry, and without a key for requests."""
    return {
        name: value for name, value in os.environ.items() if name != "VLLM_API_KEY"
    } | NO_TELEMETRY


def client_part(part: TeacherPart, url: str) -> TeacherPart:
    """Return the teacher part with which the backend `openai` asks the server."""
    served = vllm_options(part).args.get("served_model_name") or part.model
    return part.model_copy(
        update={
            "backend": "openai",
            "options": {},
            "model": served[0] if isinstance(served, list) else served,
            "base_url": url,
            # Never send the user's key for another provider to this server.
            "api_key_env": "",
            "headers": {},
            "api_version": None,
            "proxy": None,
            # A local model costs nothing unless the recipe names a price.
            "price": part.price or PricePart(),
        }
    )


def _bypass_proxy() -> None:
    """Exempt this machine from the environment's proxy."""
    named = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    if named != "*" and HOST not in named.split(","):
        os.environ["no_proxy"] = f"{named},{HOST}".lstrip(",")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def _while_alive(
    groups: AsyncGenerator[list[Answer], None], server: VllmServer
) -> AsyncGenerator[list[Answer], None]:
    """Yield the groups while the server runs.

    Without a server, each request would use up its attempts.
    """
    while True:
        pending = asyncio.ensure_future(anext(groups, None))
        try:
            while server.alive and not pending.done():
                await asyncio.wait({pending}, timeout=_LATE)
            if not pending.done():
                await asyncio.wait({pending}, timeout=_LATE)
            if not pending.done():
                raise server.ended_error("while requests were in flight")
            group = pending.result()
        finally:
            if not pending.done():
                pending.cancel()
                await asyncio.gather(pending, return_exceptions=True)
        if group is None:
            return
        yield group
