"""A run in a notebook's kernel: its bar, Ctrl-C, and what an error shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.files import ROOT

import synthkd

pytestmark = pytest.mark.slow

SETUP = """
import os, sys
sys.path.insert(0, {root!r})
os.chdir({folder!r})
os.environ["OPENAI_API_KEY"] = "a key of tests"
import synthkd
rows = [{{"head": f"thing {{i}}", "relation": "UsedFor"}} for i in range(40)]
recipe = synthkd.Recipe(
    name="cell", inputs=rows, prompt={{"template": "triple/everyday-plain"}},
    teacher={{"backend": "openai", "model": "any", "base_url": {url!r}, "concurrency": 2,
              "adaptive": False}},
    corpus={{"path": "corpus"}},
)
"""


class Kernel:
    """A kernel, and the messages of the cells that it ran."""

    def __init__(self) -> None:
        manager = pytest.importorskip("jupyter_client.manager")
        pytest.importorskip("ipykernel")
        self.manager, self.client = manager.start_new_kernel(kernel_name="python3")

    def begin(self, code: str) -> str:
        return str(self.client.execute(code))

    def end(self, cell: str) -> list[dict[str, Any]]:
        """Return the messages of a cell up to its end."""
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != cell:
                continue
            messages.append({"type": message["msg_type"], **message["content"]})
            if messages[-1].get("execution_state") == "idle":
                return messages

    def run(self, code: str) -> list[dict[str, Any]]:
        return self.end(self.begin(code))


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    one = Kernel()
    yield one
    one.client.stop_channels()
    one.manager.shutdown_kernel(now=True)


def test_an_interrupted_cell_keeps_what_was_paid_for_and_shows_two_lines(
    kernel: Kernel, tmp_path: Path
) -> None:
    with synthkd.FakeServer(latency=0.3) as server:
        kernel.run(SETUP.format(root=str(ROOT), folder=str(tmp_path), url=server.url))
        cell = kernel.begin("result = synthkd.run(recipe)")
        while server.requests < 4:
            time.sleep(0.02)
        kernel.manager.interrupt_kernel()
        messages = kernel.end(cell)
        sent = server.requests
        server.latency = 0.0
        again = kernel.run("print(synthkd.run(recipe, quiet=True).counts['asked'])")

    (error,) = [one for one in messages if one["type"] == "error"]
    assert error["ename"] == "Interrupted"
    assert len(error["traceback"]) == 2
    assert "the same command goes on from there" in error["traceback"][0]
    assert "in line 1: result = synthkd.run(recipe)" in error["traceback"][1]
    bars = [one["data"]["text/html"] for one in messages if "display_data" in one["type"]]
    assert any("<progress" in bar for bar in bars)
    assert 4 <= sent < 40
    assert [
        one["text"] for one in again if one["type"] == "stream" and one["name"] == "stdout"
    ] == ["40\n"]
    # Nothing was asked twice: what was in flight was waited for, and committed.
    assert server.requests == 40
