"""Fixtures and options of all tests; helpers are in `support`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support.files import ROOT, write_csv
from support.recipes import Make

from synthkd.journal import Journal
from synthkd.recipe import Recipe
from synthkd.testing import FakeServer

# How long an example takes says something of the machine, not of the code.
settings.register_profile("synthkd", deadline=None)
settings.load_profile("synthkd")

#: What a test of `--fast` must not do, as the interpreter's audit hooks name it.
_SLOW_EVENTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"}
_in_fast_test = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast",
        action="store_true",
        help="leave out tests marked slow; refuse processes and torch to the others",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--fast"):
        sys.addaudithook(_refuse_slow)


def _refuse_slow(event: str, arguments: tuple[Any, ...]) -> None:
    """Hide torch with `--fast`, and fail a test that starts a process."""
    if event == "import" and arguments[0] == "torch":
        raise ModuleNotFoundError("no torch with --fast: mark the test as slow", name="torch")
    if _in_fast_test and event in _SLOW_EVENTS:
        raise RuntimeError(f"a test that is not marked slow starts a process: {arguments[0]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    global _in_fast_test
    _in_fast_test = bool(item.config.getoption("--fast"))
    try:
        return (yield)
    finally:
        _in_fast_test = False


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files of slow tests alone before they import what takes seconds."""
    if config.getoption("--fast") and collection_path.suffix == ".py":
        return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text("utf-8") or None
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out slow tests with `--fast`; else put files of slow tests first.

    No process ends with a slow test in that order.
    """
    if config.getoption("--fast"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
    else:
        first = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in first)


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of real rows."""
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


@pytest.fixture
def make_recipe(tmp_path: Path) -> Make:
    """Return a maker of recipes over a few heads; keyword arguments replace whole parts."""

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
