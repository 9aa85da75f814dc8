"""Run asynchronous work from ordinary code, in a script or in a notebook."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; in a notebook, whose loop is already running, in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_run, work).result()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """On uvloop where it is to be had."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let the garbage collector look seldom, and not at what was there before.

    Thousands of requests a second make it go through everything that was imported again and again: a fifth of
    the engine's CPU. What they leave is freed by counting references; only errors leave cycles behind.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
