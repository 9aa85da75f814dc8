"""Options of critics: published with a folder, or given again when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.critics.base import CriticModel
from synthkd.errors import CriticError, nearest
from synthkd.kinds.base import Kind
from synthkd.recipe.published_values import public_name

#: Options of the one who trains or scores: a folder says nothing of them.
_LOCAL = {"teacher", "journal", "limits", "folder", "device"}
#: Stands for the options of all members, in `load_options` of a critic that has some.
OF_MEMBERS = "*"


def make_critic(name: str, kind: Kind, options: Mapping[str, Any], word: str = "") -> CriticModel:
    """Make a critic to be trained.

    Raises `CriticError` for options that it does not take; ``word`` says what it is.
    """
    word = word or f"critic {name!r}"
    critic: type[CriticModel] = plugins.find("critics", name)
    critic.checked(options, word)
    return critic(kind, **options)


def published_options(options: Any) -> Any:
    """Return options as a folder may hold them, at any depth.

    Teacher parts, journals and limits are left out; of a path the last part is kept.
    """
    if isinstance(options, Mapping):
        return {
            str(key): published_options(value)
            for key, value in options.items()
            if key not in _LOCAL
        }
    if isinstance(options, list | tuple):
        return [published_options(value) for value in options]
    if isinstance(options, str | Path):
        return public_name(options)
    return options if isinstance(options, int | float | None) else str(options)


def options_of_load(
    critic: type[CriticModel], given: Mapping[str, Any], member: str | None = None
) -> dict[str, Any]:
    """Select the options that a critic's `load` takes.

    Of a stack's member also those under its name.

    Raises:
        CriticError: An option that the critic does not take, unless it is for another member.
    """
    takes = critic.load_options
    if OF_MEMBERS in takes:
        return dict(given)
    if member is not None:
        own = given.get(member)
        if own is not None and not isinstance(own, Mapping):
            raise CriticError(
                f"the option {member!r} of the stack is a mapping of that member's options"
            )
        return {key: value for key, value in given.items() if key in takes} | (
            options_of_load(critic, own) if own else {}
        )
    for name in given:
        if name not in takes:
            hint = nearest(name, sorted(takes)) if takes else ""
            raise CriticError(
                f"critic {critic.name!r}: no option {name!r} when it is loaded{hint}; its folder"
                " says the rest"
            )
    return dict(given)
