"""Recipes that tests write as files, and the type of the fixture `make_recipe`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from support.files import write_csv
from synthkd.recipe import Recipe

Make = Callable[..., Recipe]


def write_triples_recipe(
    folder: Path,
    url: str,
    heads: int,
    file: str = "recipe.yaml",
    teacher: dict[str, Any] | None = None,
    **parts: Any,
) -> Path:
    """Write a recipe that asks a server for the tail of each head, and its inputs beside it.

    Args:
        folder: Made if it does not exist.
        url: Address of the server.
        heads: Number of inputs.
        file: Name of the recipe's file.
        teacher: Further keys of the teacher.
        parts: Further parts of the recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(
        folder / "inputs.csv", [{"head": f"thing {i}", "relation": "UsedFor"} for i in range(heads)]
    )
    raw = {
        "name": "triples",
        "inputs": {"path": "inputs.csv"},
        "prompt": {"template": "triple/everyday-plain"},
        "teacher": {"backend": "openai", "model": "fake", "base_url": url} | (teacher or {}),
        "corpus": {"path": "corpus"},
    }
    path = folder / file
    path.write_text(yaml.safe_dump(raw | parts))
    return path
