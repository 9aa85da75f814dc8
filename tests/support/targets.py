"""Recipes with a target, and a teacher whose yields are known."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml

from support.files import write_csv
from synthkd.keys import seed_from
from synthkd.recipe import Recipe

#: Share of whole answers by the first word of the head.
YIELDS = {"easy": 0.8, "hard": 0.25, "never": 0.0}
#: Relation of the heads with each first word.
RELATIONS = {"easy": "UsedFor", "hard": "IsA", "never": "HasA"}


def answer(prompt: str, index: int, seed: int) -> str:
    """Answer with a number, or with more words than the rules allow.

    The text depends on the number of the sample alone, however samples are put into requests.
    """
    rng = random.Random(seed_from(prompt, seed + index))
    word = next(word for word in YIELDS if f"{word} " in prompt.rsplit("\n", 1)[-1])
    if rng.random() < YIELDS[word]:
        return f"number {rng.randrange(10**6)}"
    return "one of too many words"


def target_recipe(
    folder: Path,
    url: str,
    target: dict[str, Any] | None,
    heads: dict[str, int] | None = None,
    n: int = 2,
    teacher: dict[str, Any] | None = None,
    **parts: Any,
) -> Recipe:
    """Write a recipe of triples whose heads have known yields, and its inputs, and load it."""
    folder.mkdir(parents=True, exist_ok=True)
    heads = {"easy": 40, "hard": 40} if heads is None else heads
    write_csv(
        folder / "inputs.csv",
        [
            {"head": f"{word} {i}", "relation": RELATIONS[word]}
            for word, count in heads.items()
            for i in range(count)
        ],
    )
    raw = {
        "name": "target",
        "inputs": {"path": "inputs.csv"},
        "kind": {"name": "triple", "relations": "everyday"},
        "prompt": {"template": "triple/everyday-plain"},
        "teacher": {
            "backend": "openai", "model": "fake", "base_url": url, "identity": "fake",
            "concurrency": 4, "sampling": {"n": n}, **(teacher or {}),
        },
        "rules": ["empty", {"too_long": {"max_words": 3}}],
        "corpus": {"path": "corpus"},
        **({} if target is None else {"target": target}),
        **parts,
    }  # fmt: skip
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return Recipe.load(path)
