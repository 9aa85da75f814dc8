"""The number type that a model computes in: as asked, or the faster one on this machine."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from synthkd.storage.cache import cache_folder

#: Rows of a batch, in the measurement.
_ROWS = 64
#: bfloat16 is taken if it is so many times as fast: it rounds more coarsely.
_WORTH = 1.2


def number_type(asked: str, config: Any, device: str) -> torch.dtype:
    """Return the number type of a model.

    Args:
        asked: `teacher.dtype`. ``auto`` stands for float32 if the checkpoint is in float32; for one
            in half precision, for bfloat16 where this machine computes faster in it, else float32.
        config: The checkpoint's configuration.
        device: The device.
    """
    if asked != "auto":
        named: torch.dtype = getattr(torch, asked)
        return named
    stored = getattr(config, "dtype", None) or torch.float32
    if stored not in (torch.bfloat16, torch.float16):
        return torch.float32
    if not device.startswith("cpu"):
        return stored
    sizes = [getattr(config, name, None) for name in ("hidden_size", "intermediate_size")]
    hidden, inner = (size if isinstance(size, int) else 1024 for size in sizes)
    return torch.bfloat16 if _is_faster(hidden, inner) else torch.float32


def _is_faster(hidden: int, inner: int) -> bool:
    """Return True if bfloat16 is faster for layers of these sizes; measured once a machine.

    A second measurement might choose otherwise, and the same recipe would give other samples.
    """
    path = cache_folder("number-types.json")
    threads = torch.get_num_threads()
    key = f"{_processor()} | torch {torch.__version__} | {threads} threads | {hidden} x {inner}"
    known = _read(path)
    if key not in known:
        known[key] = _seconds(torch.float32, hidden, inner) / _seconds(
            torch.bfloat16, hidden, inner
        )
        # A cache that cannot be written costs a measurement in each run.
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
            new.replace(path)
    return known[key] >= _WORTH


def _read(path: Path) -> dict[str, float]:
    try:
        known = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {key: value for key, value in known.items() if isinstance(value, int | float)}


def _processor() -> str:
    """Return the name of the processor."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _seconds(kind: torch.dtype, hidden: int, inner: int) -> float:
    """Return the least seconds of a layer with a batch of rows, of several measurements."""
    rows, layer = torch.ones(_ROWS, hidden, dtype=kind), torch.ones(inner, hidden, dtype=kind)
    least = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(10):
            torch.nn.functional.linear(rows, layer)
        least = min(least, time.perf_counter() - begin)
    return least
