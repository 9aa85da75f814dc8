"""Tokens a second beside a server of llama.cpp on the same file, over the backend `openai`."""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.base import Figures, Options
from benchmarks.local_speed import tokens
from benchmarks.local_speed.prompts import model_file, read_job, write_job
from synthkd.recipe import TeacherPart
from synthkd.requests import Completion, Request
from synthkd.teachers.openai import OpenAITeacher

#: Seconds until the server must answer.
_START = 120.0


def figures(options: Options) -> Figures:
    """Time both in interleaved rounds; median of ratios."""
    if options.llama_python is None:
        raise SystemExit("name an environment with llama-cpp-python[server] by --llama-python")
    ours, theirs = [], []
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        folder = Path(temporary)
        job = write_job(options, folder)
        wanted, _ = read_job(job)
        for _ in range(1 if options.quick else options.rounds):
            ours.append(tokens.run("synthkd", job)["rate"])
            with _server(options) as url:
                theirs.append(asyncio.run(_ask(url, wanted)))
    return {
        "local_llama_ratio": statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        "local_tokens_per_second_beside_llama": statistics.median(ours),
        "local_tokens_per_second_llama": statistics.median(theirs),
    }


@contextmanager
def _server(options: Options) -> Iterator[str]:
    """Start the server on loopback, with as many threads; it answers one request at a time."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(options.llama_python), "-m", "llama_cpp.server", "--model", str(model_file(options)),
        "--host", "127.0.0.1", "--port", str(port), "--n_threads", str(options.threads),
        "--n_threads_batch", str(options.threads), "--n_ctx", "2048", "--verbose", "False",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        _wait(process, f"{url}/models")
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the llama.cpp server did not start")


async def _ask(url: str, wanted: list[Request]) -> float:
    """Return tokens a second over the real client.

    The server ignores n, so that each sample is asked for on its own.
    """
    part: dict[str, Any] = {"base_url": url, "model": "local", "concurrency": 1, "timeout": 600}
    teacher = OpenAITeacher(TeacherPart(backend="openai", **part))

    async def source() -> AsyncIterator[Request]:
        for request in wanted:
            yield request

    begin, count = time.perf_counter(), 0
    async for answers in teacher.stream(source()):
        for answer in answers:
            assert isinstance(answer, Completion), answer
            count += answer.completion_tokens or 0
    seconds = time.perf_counter() - begin
    await teacher.close()
    return count / seconds
