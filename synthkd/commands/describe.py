"""`synthkd describe`: what this installation offers, with options, types, defaults and meanings."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.corpora.schema import candidate_schema
from synthkd.errors import PromptError, UserError, nearest
from synthkd.kinds.relations import shipped_sets
from synthkd.options import described
from synthkd.prompts import installed_prompts, load_prompt
from synthkd.recipe import Recipe
from synthkd.stages.critic_options import shipped_critics


def describe(group: str | None = None, name: str | None = None) -> dict[str, Any]:
    """Describe plug-ins, templates, shipped critics and relations, and the JSON schema of a recipe.

    Args:
        group: One of the groups, such as ``rules`` or ``rule``. Default: all.
        name: A member of the group, or the path of a plug-in, such as ``./rules.py:NoBrands``.
            Default: all.

    Returns:
        For each group its members by name, each with ``about`` and, for plug-ins, ``options``: by
        name ``type``, ``default`` and ``about``. With ``name`` the member alone.

    Raises:
        UserError: No such group or member.
    """
    groups: dict[str, Callable[[], dict[str, Any]]] = {
        **{member: _members(member) for member in plugins.GROUPS},
        "shipped critics": lambda: {
            member: {"about": "trained on candidates of the embedded teacher"}
            for member in shipped_critics()
        },
        "templates": lambda: {
            member: {"about": _about_template(member)} for member in installed_prompts()
        },
        "relations": lambda: {member: {"about": "a set of relations"} for member in shipped_sets()},
        "recipe": Recipe.model_json_schema,
    }
    if group is None:
        return {member: members() for member, members in groups.items()}
    chosen = group if group in groups else f"{group}s"
    if chosen not in groups:
        raise UserError(f"nothing to describe under {group!r}{nearest(group, list(groups))}")
    if name is not None and ":" in name and chosen in plugins.GROUPS:
        return {chosen: {name: _plugin(chosen, name)}}
    members = groups[chosen]()
    if name is None:
        return {chosen: members}
    if name not in members:
        raise UserError(f"{group} {name!r}: there is none{nearest(name, list(members))}")
    return {chosen: {name: members[name]}}


def _about_template(name: str) -> str:
    """Return the line of a template about itself, or why it cannot be loaded."""
    try:
        return load_prompt(name).head.about or ""
    except PromptError as error:
        return f"cannot be loaded: {error}"


def _members(group: str) -> Callable[[], dict[str, Any]]:
    return lambda: {name: _plugin_or_error(group, name) for name in plugins.names(group)}


def _plugin_or_error(group: str, name: str) -> dict[str, Any]:
    """Describe a plug-in, or why the package that ships it cannot be used."""
    try:
        return _plugin(group, name)
    except UserError as error:
        return {"about": f"cannot be loaded: {error}"}


def _plugin(group: str, name: str) -> dict[str, Any]:
    plugin = plugins.find(group, name, Path.cwd())
    shown: dict[str, Any] = {"about": _about(plugin)}
    if group == "kinds":
        shown |= {
            "columns": list(plugin.columns),
            "input_columns": list(plugin.input_columns),
            "rules": list(plugin.default_rules),
            "votes": plugin.keeps,
            "schema": {field.name: str(field.type) for field in candidate_schema(plugin)},
        }
    if isinstance(plugin, type) and issubclass(plugin, plugins.Plugin):
        shown["options"] = described(plugin.Options)
    return shown


def description_text(description: dict[str, Any], name: str | None = None) -> str:
    """Format a description as lines of text: the members of each group, or one member in full."""
    lines: list[str] = []
    for group, members in description.items():
        if group == "recipe":
            continue
        if name is None:
            width = max((len(member) for member in members), default=0)
            lines += [
                f"{group}:",
                *(f"  {member:<{width}}  {about['about']}" for member, about in members.items()),
            ]
            continue
        for member, about in members.items():
            lines += [f"{member}: {about['about']}"]
            lines += [
                f"  {word}: {', '.join(about[key]) or 'none'}"
                for key, word in (
                    ("columns", "columns"),
                    ("input_columns", "input columns"),
                    ("rules", "default rules"),
                )
                if key in about
            ]
            lines += _option_lines(about.get("options", {}))
    return "\n".join(lines)


def _option_lines(options: dict[str, dict[str, Any]]) -> list[str]:
    if not options:
        return ["  no options"]
    lines = ["  options:"]
    for name, option in options.items():
        shown = json.dumps(option["default"], ensure_ascii=False)
        default = "required" if option["required"] else f"default {shown}"
        lines += [f"    {name}: {option['type']}; {default}", f"      {option['about']}"]
    return lines


def _about(thing: Any) -> str:
    """Return the first line of a plug-in's own docstring; a plug-in need not have one."""
    return (inspect.cleandoc(thing.__doc__ or "").splitlines() or [""])[0]
