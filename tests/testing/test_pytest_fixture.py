"""The fixture `fake_server`, as pytest finds and runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from support.files import ROOT

TEST = """
import os
import urllib.request

def test_the_server_answers(fake_server):
    assert os.environ["OPENAI_BASE_URL"] == fake_server.url
    fake_server.answer = lambda prompt, index, seed: "a heron"
    body = b'{"model": "any", "messages": [{"role": "user", "content": "a bird"}]}'
    asked = urllib.request.Request(
        f"{fake_server.url}/chat/completions", body, {"Content-Type": "application/json"}
    )
    assert b"a heron" in urllib.request.urlopen(asked).read()
    assert fake_server.requests == 1

def test_each_test_has_a_server_of_its_own(fake_server):
    assert fake_server.requests == 0
"""


def test_the_entry_point_of_pytest_leads_to_the_fixture() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]

    assert hasattr(import_module(points["pytest11"]["synthkd"]), "fake_server")


@pytest.mark.slow
def test_a_test_gets_a_server_that_recipes_reach(tmp_path: Path) -> None:
    (tmp_path / "test_of_a_user.py").write_text(TEST)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("OPENAI_BASE_URL", None)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "synthkd.testing.pytest_plugin"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip

    assert "2 passed" in done.stdout, done.stdout + done.stderr
