"""Helpers of the tests of cli."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from support.files import write_csv


def write(folder: Path, url: str = "http://127.0.0.1:9/v1", **changes: Any) -> Path:
    write_csv(
        folder / "inputs.csv", [{"head": f"thing {i}", "relation": "UsedFor"} for i in range(4)]
    )
    raw: dict[str, Any] = {
        "name": "cli",
        "inputs": {"path": "inputs.csv"},
        "prompt": {"template": "triple/everyday-plain"},
        "teacher": {"backend": "openai", "model": "fake", "base_url": url, "max_attempts": 1},
        "corpus": {"path": "corpus"},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw | changes))
    return path


def one_line(result: subprocess.CompletedProcess[str], status: int, *said: str) -> None:
    assert result.returncode == status, result.stderr
    lines = [
        line for line in result.stderr.splitlines() if not line.startswith(("generate:", "filter:"))
    ]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for words in said:
        assert words in lines[0]
