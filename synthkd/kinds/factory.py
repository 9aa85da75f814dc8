"""Make a kind from the part `kind` of a recipe, or of a recipe that a corpus or critic keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.errors import RecipeError
from synthkd.kinds.base import Kind
from synthkd.recipe import Recipe


def kind_of_recipe(recipe: Recipe) -> Kind:
    """Make the kind that a recipe names; it may be named by path.

    Raises:
        UserError: No such kind, or an option that does not fit.
    """
    return _made(plugins.find("kinds", recipe.kind.name, recipe.folder), recipe)


def kind_of_part(part: Mapping[str, Any], folder: Path) -> Kind:
    """Make a kind from a part `kind` alone, as corpora, critics and students keep it.

    A kind that is named by path is not loaded, since the part may be a stranger's.

    Args:
        part: `name`, `relations`, `several` and `options`.
        folder: The folder that relative paths of the options start from.

    Raises:
        UserError: No such kind, or an option that does not fit.
        OSError: A file that an option names cannot be read.
    """
    recipe = Recipe.from_dict(
        {
            "name": "kind",
            "inputs": {"count": 1},
            "kind": dict(part),
            "teacher": {},
            "corpus": {"path": "."},
        },
        folder,
    )
    return _made(plugins.find("kinds", recipe.kind.name), recipe)


def _made(kind_class: Any, recipe: Recipe) -> Kind:
    label = f"kind {recipe.kind.name!r}"
    kind_class.checked(recipe.kind.options, label)
    try:
        kind: Kind = kind_class.from_recipe(recipe)
    except (TypeError, ValueError) as problem:
        raise RecipeError(f"{label}: {problem}") from None
    return kind
