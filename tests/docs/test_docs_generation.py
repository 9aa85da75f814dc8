"""docs/guides/generation.md says what works: its recipes are recipes, and its test passes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.doc_blocks import blocks
from support.files import write_csv

from synthkd import Recipe

PAGE = "docs/guides/generation.md"


def whole(part: dict[str, Any]) -> dict[str, Any]:
    """A recipe in which a part of the page stands."""
    base = yaml.safe_load(blocks(PAGE, "yaml")[0])
    return base | part | {"teacher": base["teacher"] | part.get("teacher", {})}


def test_every_recipe_and_part_on_the_page_is_accepted() -> None:
    parts = blocks(PAGE, "yaml")
    assert len(parts) >= 6
    for text in parts:
        assert Recipe.from_dict(whole(yaml.safe_load(text)))


@pytest.mark.slow
def test_the_test_on_the_page_passes(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "heads.csv", [{"head": f"knife {i}", "relation": "UsedFor"} for i in range(3)]
    )
    (tmp_path / "recipe.yaml").write_text(blocks(PAGE, "yaml")[0])
    (tmp_path / "test_mine.py").write_text(blocks(PAGE, "python")[0])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
