"""What the tests share."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from synthkd.journal import Journal
from synthkd.recipe import Recipe
from synthkd.testing import FakeServer

# How long an example takes says something of the machine, not of the code.
settings.register_profile("synthkd", deadline=None)
settings.load_profile("synthkd")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real rows."""
    for folder in (os.environ.get("SYNTHKD_DATA"), ROOT.parent / "shared" / "data"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("no real rows here: neither SYNTHKD_DATA nor ../shared/data")


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Set signals back: the program's `main` leaves them to end the process."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


Make = Callable[..., Recipe]


@pytest.fixture
def make_recipe(tmp_path: Path) -> Make:
    """A recipe over a few heads against a server; keyword arguments replace whole parts."""

    def make(url: str = "http://127.0.0.1:9/v1", heads: int = 5, **parts: Any) -> Recipe:
        rows = [{"head": f"thing {i}", "relation": "UsedFor"} for i in range(heads)]
        write_csv(tmp_path / "inputs.csv", rows)
        raw: dict[str, Any] = {
            "name": "test",
            "inputs": {"path": "inputs.csv"},
            "kind": {"name": "triple", "relations": "everyday"},
            "prompt": {"template": "triple/everyday-plain"},
            "teacher": {
                "backend": "openai",
                "model": "fake",
                "base_url": url,
                "concurrency": 4,
                "sampling": {"n": 3, "logprobs": True},
            },
            "corpus": {"path": "corpus"},
        }
        return Recipe.from_dict(raw | parts, folder=tmp_path)

    return make
