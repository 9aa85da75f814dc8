"""Make a kind from the part `kind` of a recipe, or of a recipe that a corpus or critic keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.errors import KindError, RecipeError, nearest
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


def kind_with_options(name: str, options: Mapping[str, Any], label: str = "") -> Kind:
    """Make a kind from its name and options in one mapping.

    `relations` and `several` are keys of the recipe's `kind`, all others are options of the kind.

    Args:
        name: Name of the kind.
        options: The options.
        label: What messages begin with, such as an option of the command line.

    Raises:
        KindError: No such kind, or an option that does not fit.
    """
    label = f"{label}: " if label else ""
    names = sorted({*plugins.find("kinds", name).Options.model_fields, "relations", "several"})
    for key in options:
        if key not in names:
            raise KindError(f"{label}kind {name!r}: no option {key!r}{nearest(key, names)}")
    own = {key: options[key] for key in ("relations", "several") if key in options}
    others = {key: value for key, value in options.items() if key not in own}
    try:
        return kind_of_part({"name": name, **own, "options": others}, Path())
    except RecipeError as error:
        raise KindError(f"{label}{error}") from None


def _made(kind_class: Any, recipe: Recipe) -> Kind:
    label = f"kind {recipe.kind.name!r}"
    kind_class.checked(recipe.kind.options, label)
    try:
        kind: Kind = kind_class.from_recipe(recipe)
    except (TypeError, ValueError) as problem:
        raise RecipeError(f"{label}: {problem}") from None
    return kind
