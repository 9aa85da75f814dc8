"""Options of a recipe's critic, and the critics that are shipped with synthkd."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd import plugins
from synthkd.errors import CriticError
from synthkd.recipe import Recipe
from synthkd.resources import resource

if TYPE_CHECKING:
    from synthkd.critics.base import CriticModel


def critic_folder(recipe: Recipe) -> Path:
    """Return the folder of the recipe's trained critic, which may be one that is shipped."""
    assert recipe.critic is not None
    path = str(recipe.critic.path)
    return resource(f"critics/{path}") if path in shipped_critics() else recipe.resolve(path)


def critic_options(recipe: Recipe) -> dict[str, Any]:
    """Return the critic's options, with paths that start at the recipe's folder.

    A trained critic takes those that its folder does not hold: the teacher of a judge, its journal
    and limits, the place of an encoder.
    """
    from synthkd.critics.folder import read_facts

    part = recipe.critic
    assert part is not None
    critic: type[CriticModel] = (
        plugins.find("critics", part.name, recipe.folder)
        if part.path is None
        else plugins.find("critics", read_facts(critic_folder(recipe)).critic)
    )
    return critic.located(part.options, recipe.resolve)


def check_critic_options(recipe: Recipe) -> None:
    """Refuse options of a critic that do not fit, and a trained critic that could not be used.

    A folder that is not there yet is not checked.
    """
    part = recipe.critic
    if part is None:
        return
    if part.path is None:
        if part.options:
            critic = plugins.find("critics", part.name, recipe.folder)
            critic.checked(part.options, f"critic {part.name!r}")
        return
    # Imported here: it loads numpy, which generation without a critic does without.
    from synthkd.critics.folder import FACTS, read_facts
    from synthkd.critics.options import options_of_load

    folder = critic_folder(recipe)
    if part.path in shipped_critics() or not (folder / FACTS).is_file():
        return
    critic = plugins.find("critics", read_facts(folder).critic)
    options_of_load(critic, part.options)
    if problem := critic.unnamed(folder, part.options):
        raise CriticError(f"{folder}: this critic {problem}: give critic.options.teacher")


def shipped_critics() -> list[str]:
    """Return the names of the critics that are shipped with synthkd."""
    return sorted(path.parent.name for path in resource("critics").glob("*/critic.json"))
