"""A small run with a price, as a command and in process, for tests of money and signals."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.recipes import write_triples_recipe
from synthkd import Journal
from synthkd.journal.ledger import Spending

#: A dollar a thousand tokens, so that what is spent can be counted in the head.
PRICE = {"input": 1000.0, "output": 1000.0}


def write_recipe(
    folder: Path, url: str, heads: int = 40, name: str = "money", **parts: Any
) -> Path:
    """Write a recipe file with a price, eight requests in flight, and few attempts."""
    teacher = {
        "identity": "fake", "concurrency": 8, "price": PRICE, "max_attempts": 2,
        "sampling": {"max_tokens": 8},
    }  # fmt: skip
    teacher |= parts.pop("teacher", {})
    return write_triples_recipe(
        folder, url, heads, file=f"{name}.yaml", teacher=teacher, name=name, **parts
    )


def command(recipe: Path, *options: str, verb: str = "generate") -> list[str]:
    return [sys.executable, "-m", "synthkd", verb, str(recipe), "--quiet", *options]


def start(recipe: Path, *options: str, verb: str = "generate", **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(recipe, *options, verb=verb),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how,
    )  # fmt: skip


def synthkd(
    recipe: Path, *options: str, verb: str = "generate"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(recipe, *options, verb=verb), capture_output=True, text=True, timeout=120
    )


def until(true: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait until something is true while a process runs."""
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


def spent(folder: Path, run: str = "money") -> Spending:
    with Journal(folder / "journal.sqlite", read_only=True) as journal:
        return journal.spending(run)
