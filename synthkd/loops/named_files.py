"""Hashes of the files that a recipe names.

They are part of the key of a round, so that an edited template or list of classes invalidates the
rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from synthkd.errors import RecipeError
from synthkd.keys import content_hash, file_hash
from synthkd.prompts import load_prompt
from synthkd.recipe import PromptPart, Recipe
from synthkd.resources import resource

#: Parts of a recipe whose files affect a round. Rows and teacher have hashes of their own.
_PARTS = ("steps", "prompt", "kind", "rules", "votes", "critic", "student", "loop")
#: Keys of rows, which the task hashes.
_ROWS = ("loop.start", "loop.validation", "loop.test", "loop.pool")
#: Maximum length of a path.
_LONGEST = 255


def named_files(recipe: Recipe) -> dict[str, str]:
    """Return the hash of each file by its key in the recipe, such as `kind.options.taxonomy`.

    The template and its examples are included. Folders (encoders, checkpoints) have no hash.
    """
    hashes: dict[str, str] = {}
    for key, text in _texts(recipe.model_dump(mode="json", include=set(_PARTS)), ""):
        if key.startswith(_ROWS) or len(text) > _LONGEST:
            continue
        try:
            path = recipe.resolve(text)
        except RecipeError:  # not a path, but a text with a dollar sign
            continue
        if path.is_file():
            hashes[key] = file_hash(path)
    hashes |= _template(recipe, recipe.prompt)
    for name, step in (recipe.steps or {}).items():
        own = _template(recipe, step.prompt)
        hashes |= {f"steps.{name}.{key}": value for key, value in own.items()}
    return hashes


def _template(recipe: Recipe, part: PromptPart) -> dict[str, str]:
    if part.template is None:
        return {}
    prompt = load_prompt(part.template, recipe.folder)
    hashes = {"template": content_hash([prompt.head.record(), prompt.source])}
    hashes |= {
        f"template.included.{name}": value for name, value in prompt.included_files().items()
    }
    if prompt.head.examples:
        beside = prompt.folder / prompt.head.examples
        source = beside if beside.is_file() else resource(f"prompts/{prompt.head.examples}")
        hashes["template.examples"] = file_hash(source)
    return hashes


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield every text in a tree of mappings and lists, with its key."""
    if isinstance(value, str):
        if value and "\0" not in value:
            yield key, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _texts(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _texts(part, f"{key}.{number}")
