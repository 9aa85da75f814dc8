"""A small loop over texts of three classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.kills.loop_texts import rows_of
from support.files import write_csv
from synthkd.recipe import Recipe


def loop_recipe(folder: Path, url: str = "http://127.0.0.1:9/v1", **parts: Any) -> Recipe:
    """Return a recipe with two rows a class to start from.

    `loop` is merged into the loop's part; other keywords replace whole parts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "start.csv").exists():
        write_csv(folder / "start.csv", rows_of(2, 1, own=1))
        write_csv(folder / "validation.csv", rows_of(6, 2))
        write_csv(folder / "test.csv", rows_of(8, 3))
    loop: dict[str, Any] = {
        "start": {"path": "start.csv"},
        "validation": {"path": "validation.csv"},
        "test": {"path": "test.csv"},
        "rounds": 3,
        "rows": 12,
    }
    raw: dict[str, Any] = {
        "name": "loop",
        "inputs": {"count": 1},
        "kind": {"name": "labelled_text", "several": True},
        "prompt": {"template": "labelled_text/pgkd"},
        "teacher": {
            "backend": "openai", "model": "fake", "base_url": url, "identity": "fake",
            "concurrency": 2,
            "sampling": {"max_tokens": 500}, "max_attempts": 1,
        },
        "rules": ["empty", "label_known"],
        "student": {"name": "linear", "options": {"features": "hashing", "bits": 10}},
        "loop": {**loop, **parts.pop("loop", {})},
        "corpus": {"path": "corpus"},
    }  # fmt: skip
    raw["loop"] = {name: value for name, value in raw["loop"].items() if value is not None}
    return Recipe.from_dict({**raw, **parts}, folder=folder)


def files_of(recipe: Recipe) -> dict[str, bytes]:
    """Return every file that a loop leaves, without journals, locks, times and stage counts."""
    found: dict[str, bytes] = {}
    for root in (recipe.work_dir, recipe.corpus_path):
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.name not in ("run.lock", "seconds.json", "generated.json"):
                found[path.relative_to(recipe.folder).as_posix()] = path.read_bytes()
    return found
