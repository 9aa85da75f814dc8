"""What the hardware does faster, and draws that a seed decides."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def has_bf16(device: str) -> bool:
    """Whether the hardware multiplies in bf16, so that it is faster and not slower: accelerators that say so, and CPUs with
    AVX512-BF16 or AMX, which are then about twice as fast."""
    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    known = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return kind == "cpu" and any(bool(check()) for check in known if check is not None)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws of torch, numpy and `random` from a seed; what they were before is put back."""
    python, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)
