"""The server for tests as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.post import post

from synthkd.testing import FakeServer, two_words

pytestmark = pytest.mark.slow


@contextmanager
def process(*args: str) -> Iterator[str]:
    """Return the address of a server that runs as a process."""
    command = [sys.executable, "-m", "synthkd.testing", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as running:
        try:
            assert running.stdout is not None
            yield running.stdout.readline().strip()
        finally:
            running.terminate()


def refused(*args: str) -> str:
    """Return the last line of what a wrong command line says."""
    command = [sys.executable, "-m", "synthkd.testing", *args]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


def test_as_a_process_it_prints_its_address_and_outlives_its_clients(tmp_path: Path) -> None:
    log = tmp_path / "sent.log"
    command = [sys.executable, "-m", "synthkd.testing", "--port", "0", "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            client = (
                "import os, sys, urllib.request as u\n"
                f"u.urlopen(u.Request({url!r} + '/completions', "
                """b'{"prompt": "bread"}')).read()\n"""
                f"os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
            )
            assert (
                subprocess.run([sys.executable, "-c", client], check=False).returncode
                == -signal.SIGKILL
            )
            assert post(url, {"prompt": "water"})[0] == 200
        finally:
            process.terminate()
    assert [json.loads(line)["prompt"] for line in log.read_text("utf-8").splitlines()] == [
        "bread",
        "water",
    ]


def test_faults_come_at_the_rates_of_the_command_line() -> None:
    with process("--rate", "500=0.4", "--rate", "404=0.4") as url:
        found = {post(url, {"prompt": str(i)})[0] for i in range(40)}
    assert found == {200, 404, 500}


def test_structured_answers_are_objects_with_a_tail() -> None:
    with process("--structured") as url:
        text = post(url, {"prompt": "bread", "seed": 2})[2]["choices"][0]["text"]
    assert json.loads(text) == {"tail": two_words("bread", 0, 2)}


def test_it_ends_by_itself_after_its_seconds() -> None:
    command = [sys.executable, "-m", "synthkd.testing", "--seconds", "0.1"]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("rate", ["429", "429=often", "429=1.5", "429=-0.1", "42=0.1", "=0.1"])
def test_a_wrong_rate_is_refused_with_how_to_write_it_and_the_faults(rate: str) -> None:
    said = refused("--rate", rate)
    assert f"{rate!r}: write FAULT=SHARE" in said
    assert "429-quota" in said


def test_a_port_that_is_taken_is_one_line(server: FakeServer) -> None:
    assert str(server.port) in refused("--port", str(server.port))
