"""Flat memory: ten times the rows, about the same memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CODE = """
import resource, sys
from synthkd import Recipe, run
import synthkd.stages.filter, synthkd.stages.partitions
synthkd.stages.filter.PARTITION_ROWS = 2000
synthkd.stages.partitions.BUFFERED_ROWS = 2000
folder = sys.argv[1]
raw = {"name": "m",
       "inputs": {"path": "rows.jsonl", "id": "input_id", "columns": ["head", "relation"]},
       "teacher": {"backend": "recorded", "path": "rows.jsonl"}, "corpus": {"path": "corpus"}}
result = run(Recipe.from_dict(raw, folder), quiet=True)
print(result.counts["accepted"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(folder: Path, rows: int) -> int:
    folder.mkdir()
    with (folder / "rows.jsonl").open("w") as file:
        for i in range(rows):
            row = {
                "input_id": f"i{i}",
                "text": f"cutting thing {i}",
                "head": f"knife {i}",
                "relation": "UsedFor",
            }
            file.write(json.dumps(row) + "\n")
    printed = subprocess.run(
        [sys.executable, "-c", CODE, str(folder)], capture_output=True, text=True, check=True
    )
    accepted, kilobytes = printed.stdout.split()
    assert int(accepted) == rows
    return int(kilobytes)


def test_ten_times_the_rows_take_about_the_same_memory(tmp_path: Path) -> None:
    assert peak(tmp_path / "large", 40_000) <= 1.3 * peak(tmp_path / "small", 4_000)
