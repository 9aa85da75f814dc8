"""What this installation offers, for people and for machines."""

from __future__ import annotations

import inspect
from typing import Any

from synthkd import plugins
from synthkd.corpora.schema import candidate_schema
from synthkd.kinds.relations import shipped_sets
from synthkd.prompts.templates import load_prompt, shipped_prompts
from synthkd.recipe import Recipe
from synthkd.stages.critic import shipped_critics


def describe() -> dict[str, dict[str, Any]]:
    """List kinds, backends, rules, critics, students, templates, and the JSON schema of a recipe."""
    return {
        "kinds": {name: _kind(name) for name in plugins.names("kinds")},
        "backends": {
            name: {"about": _about(plugins.find("backends", name))} for name in plugins.names("backends")
        },
        "rules": {name: _rule(name) for name in plugins.names("rules")},
        "critics": {
            name: {"about": _about(plugins.find("critics", name))} for name in plugins.names("critics")
        },
        "students": {
            name: {"about": _about(plugins.find("students", name))} for name in plugins.names("students")
        },
        "shipped critics": {
            name: {"about": "trained on candidates of the embedded teacher"} for name in shipped_critics()
        },
        "templates": {name: {"about": load_prompt(name).head.about} for name in shipped_prompts()},
        "relations": {name: {"about": "a set of relations"} for name in shipped_sets()},
        "recipe": Recipe.model_json_schema(),
    }


def _kind(name: str) -> dict[str, Any]:
    kind = plugins.find("kinds", name)
    return {
        "about": _about(kind),
        "columns": list(kind.columns),
        "input_columns": list(kind.input_columns),
        "rules": list(kind.default_rules),
        "votes": kind.keeps,
        "schema": {field.name: str(field.type) for field in candidate_schema(kind)},
    }


def _rule(name: str) -> dict[str, Any]:
    rule = plugins.find("rules", name)
    parameters = list(inspect.signature(rule.__init__).parameters.values())[1:]
    options = {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    return {"about": _about(rule), "options": options}


def _about(thing: Any) -> str:
    """Return the first line of a plug-in's own docstring; a plug-in need not have one."""
    return (inspect.cleandoc(thing.__doc__ or "").splitlines() or [""])[0]
