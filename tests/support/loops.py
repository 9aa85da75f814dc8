"""A small world for loops: three classes with words of their own, and a server of their texts."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

from support.files import write_csv
from synthkd.keys import seed_from
from synthkd.recipe import Recipe

WORDS = {
    "refund": "money back return paid price dollars repay cash account charge bank cents",
    "delivery": "parcel late arrive courier door ship track street morning driver waiting van",
    "account": "password login email profile sign username reset locked verify code phone name",
}
COMMON = [
    "please",
    "my",
    "the",
    "for",
    "about",
    "with",
    "today",
    "again",
    "could",
    "you",
    "help",
    "question",
    "order",
]


def text_of(label: str, rng: random.Random, own: int = 3) -> str:
    """Return a text of a class: words of its own among words of all."""
    return " ".join(rng.sample(WORDS[label].split(), own) + rng.sample(COMMON, 4))


def rows_of(
    each: int, seed: int, own: int = 3, labels: tuple[str, ...] = tuple(WORDS)
) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {"text": text_of(label, rng, own), "label": label} for label in labels for _ in range(each)
    ]


def write(prompt: str, index: int, seed: int) -> str:
    """Answer as a teacher of `labelled_text/pgkd`: a JSON list of as many texts as requested.

    The texts are of the class that the prompt names, or of any.
    """
    wanted = int(re.search(r"Write (\d+) new texts", prompt)[1])  # type: ignore[index]
    asked = re.search(r'all of the class "(\w+)"', prompt)
    rng = random.Random(seed_from(prompt, index, seed))
    labels = [asked[1] if asked else rng.choice(list(WORDS)) for _ in range(wanted)]
    return json.dumps([{"text": text_of(label, rng), "label": label} for label in labels])


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
