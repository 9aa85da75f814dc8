"""Options of a recipe's critic, and the critics that are shipped with synthkd."""

from __future__ import annotations

from typing import Any

from synthkd import plugins
from synthkd.errors import CriticError
from synthkd.recipe import Recipe
from synthkd.resources import resource

#: Options that may be paths. A value that is no path, such as the name of a hub, is kept as it is.
_PATHS = {"reference", "model", "embedder", "encoder"}


def critic_options(recipe: Recipe) -> dict[str, Any]:
    """Return the critic's options, with paths that start at the recipe's folder.

    A trained critic takes those that its folder does not hold: the teacher of a judge, its journal
    and limits, the place of an encoder.
    """
    assert recipe.critic is not None
    options = dict(recipe.critic.options)
    for name in _PATHS & set(options):
        if isinstance(options[name], str) and (path := recipe.resolve(options[name])).exists():
            options[name] = str(path)
    if recipe.critic.name == "judge" and recipe.critic.path is None:
        options.setdefault("folder", str(recipe.folder))
    return options


def check_critic_options(recipe: Recipe) -> None:
    """Refuse a trained critic that could not be used; one that is trained later is not checked."""
    # Imported here: it loads numpy, which generation without a critic does without.
    from synthkd.critics.folder import FACTS, read_facts
    from synthkd.critics.options import options_of_load

    assert recipe.critic is not None
    folder = recipe.resolve(str(recipe.critic.path))
    if recipe.critic.path in shipped_critics() or not (folder / FACTS).is_file():
        return
    critic = plugins.find("critics", read_facts(folder).critic)
    options_of_load(critic, recipe.critic.options)
    if problem := critic.unnamed(folder, recipe.critic.options):
        raise CriticError(f"{folder}: this critic {problem}: give critic.options.teacher")


def shipped_critics() -> list[str]:
    """Return the names of the critics that are shipped with synthkd."""
    return sorted(path.parent.name for path in resource("critics").glob("*/critic.json"))
