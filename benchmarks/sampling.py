"""Processor time by part of a program, from the samples of py-spy (`pip install py-spy`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

#: Parts of a program, and what their frames have; the first part that fits counts.
Parts = Sequence[tuple[str, tuple[str, ...]]]


def sample_parts(
    command: Sequence[str], tree: Path, parts: Parts, waits: tuple[str, ...] = ()
) -> Counter[str]:
    """Sample a command that runs in a checkout; count the samples by part.

    A sample counts for the innermost frame that belongs to a part, else as ``other``.

    Args:
        command: The command.
        tree: The checkout.
        parts: The parts.
        waits: What the innermost frames of waiting threads have; they do not count.
    """
    folder = str(Path(sys.executable).parent)
    sampler = shutil.which("py-spy", path=folder) or shutil.which("py-spy")
    if sampler is None:
        raise SystemExit("the part `profile` needs py-spy: pip install py-spy")
    with tempfile.NamedTemporaryFile() as samples:
        subprocess.run(
            [sampler, "record", "-r", "400", "-f", "raw", "-o", samples.name, "--", *command],
            cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, check=True, capture_output=True,
        )  # fmt: skip
        return count_parts(Path(samples.name).read_text("utf-8"), parts, waits)


def count_parts(text: str, parts: Parts, waits: tuple[str, ...] = ()) -> Counter[str]:
    """Count py-spy's raw samples (frames by ``;``, then a number) by part."""
    counts: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, number = line.rpartition(" ")
        frames = stack.split(";")
        if not any(wait in frames[-1] for wait in waits):
            counts[_part_of(frames, parts)] += int(number)
    return counts


def shares(counts: Counter[str], parts: Parts, per_row: float, name: str) -> dict[str, float]:
    """Divide the microseconds of a row among the parts, as figures that begin with ``name``."""
    total = counts.total()
    return {
        name: per_row,
        **{f"{name}_{part}": per_row * counts[part] / total for part in [*dict(parts), "other"]},
    }


def _part_of(frames: Sequence[str], parts: Parts) -> str:
    for frame in reversed(frames):
        for part, marks in parts:
            if any(mark in frame for mark in marks):
                return part
    return "other"
