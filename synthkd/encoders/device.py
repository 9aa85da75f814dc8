"""Devices, half precision, seeds and quiet loading, for everything that runs on torch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from synthkd.errors import UserError


def pick_device(device: str | None) -> str:
    """Return the device to compute on: the given one, else an accelerator, else the CPU.

    Raises:
        UserError: The given device is not available.
    """
    import torch

    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise UserError(
            f"device {device!r}: {reason}; name `cuda` or `cpu`, or leave `device` out"
        ) from None
    return device


def has_fast_bf16(device: str) -> bool:
    """Return True if the hardware multiplies in bf16, so that half precision is faster.

    Accelerators tell; CPUs with AVX512-BF16 or AMX are about twice as fast in bf16, others slower.
    """
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    checks = (
        getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")
    )
    return kind == "cpu" and any(bool(check()) for check in checks if check is not None)


def autocast_bf16(device: str, enabled: bool | None = None) -> Any:
    """Return a context that computes in bf16; by default on accelerators that support bf16."""
    import torch

    kind = torch.device(device).type
    if enabled is None:
        enabled = kind == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=enabled)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch within the context; restore torch, numpy and `random` after it."""
    import torch

    python, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence progress bars and warnings of transformers within the context."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
