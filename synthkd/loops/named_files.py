"""Files that a recipe names: their content is part of what a round is, so that an edited template or list of classes makes
the rounds anew, under the same recipe, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from synthkd.errors import RecipeError
from synthkd.keys import content_hash, file_hash
from synthkd.prompts import load_prompt
from synthkd.recipe import Recipe
from synthkd.resources import resource

#: Parts of a recipe whose files decide what a round asks, keeps and trains. Rows and teacher have hashes of their own.
_PARTS = ("prompt", "kind", "rules", "votes", "critic", "student", "loop")
#: Of `loop`: rows, which the task hashes as it uses them.
_ROWS = ("loop.start", "loop.validation", "loop.test", "loop.pool")
#: Characters that a path has at most; a longer text is none.
_LONGEST = 255


def named_files(recipe: Recipe) -> dict[str, str]:
    """Key of the recipe, such as `kind.options.taxonomy`, and hash of the file that it names; `template` and its examples
    likewise. Folders (encoders, checkpoints) count by their names alone."""
    found: dict[str, str] = {}
    for key, text in _texts(recipe.model_dump(mode="json", include=set(_PARTS)), ""):
        if key.startswith(_ROWS) or len(text) > _LONGEST:
            continue
        try:
            path = recipe.resolve(text)
        except RecipeError:  # A text with a dollar sign that is no path.
            continue
        if path.is_file():
            found[key] = file_hash(path)
    return found | _template(recipe)


def _template(recipe: Recipe) -> dict[str, str]:
    if recipe.prompt.template is None:
        return {}
    prompt = load_prompt(recipe.prompt.template, recipe.folder)
    found = {"template": content_hash([prompt.head.record(), prompt.source])}
    found |= {f"template.included.{name}": value for name, value in prompt.included_files().items()}
    if prompt.head.examples:
        beside = prompt.folder / prompt.head.examples
        source = beside if beside.is_file() else resource(f"prompts/{prompt.head.examples}")
        found["template.examples"] = file_hash(source)
    return found


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text in a tree of mappings and lists, with its place."""
    if isinstance(value, str):
        if value and "\0" not in value:
            yield key, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _texts(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _texts(part, f"{key}.{number}")
