"""List what a recipe would use beyond its own folder: a recipe is as powerful as a program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import getproxies

from synthkd import plugins
from synthkd.errors import SynthKDError
from synthkd.recipe import Recipe, TeacherPart
from synthkd.reporting.safe_text import clean
from synthkd.secrets import Headers, mask_tokens, variable_names
from synthkd.steps import step_names, step_recipe
from synthkd.storage import is_address
from synthkd.teachers.base import Teacher, built_in_backend
from synthkd.teachers.remote.endpoint import public_url
from synthkd.teachers.transformers.checkpoint import EMBEDDED

#: Fields and options whose text is a path, or a hub name where no such folder is.
_MODELS = frozenset(["model", "encoder", "embedder", "base", "tokenizer"])
_HUB = "huggingface.co"
#: What the hub's client reads, and sends there or uses to find it.
_HUB_VARIABLES = ("HF_TOKEN", "HF_ENDPOINT", "HF_HOME")


@dataclass
class Reach:
    """Hosts, variables, programs, code and paths that a recipe would use.

    Of variables only the names are shown, never the values.
    """

    hosts: list[str] = field(default_factory=list)
    #: Environment variables that would be read, each with what becomes of it.
    variables: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    #: Code of other packages that would be loaded.
    code: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return a line for each entry, headed by its sort; `none` for a sort without entries."""
        sorts = {
            "hosts": self.hosts, "variables": self.variables, "programs": self.programs,
            "code of others": self.code,
            "reads outside": self.read, "writes outside": self.written,
        }  # fmt: skip
        return [
            f"{'' if number else name:<15} {mask_tokens(clean(line))}"
            for name, entries in sorts.items()
            for number, line in enumerate(list(dict.fromkeys(entries)) or ["none"])
        ]

    def __str__(self) -> str:
        return "\n".join(
            [
                "what this recipe would use beyond its folder:",
                *("  " + line for line in self.lines()),
            ]
        )


def reach_of(recipe: Recipe) -> Reach:
    """Collect what a recipe would use. Nothing is sent, started or loaded.

    Raises:
        RecipeError: An environment variable that it names is not set.
    """
    reach = Reach()
    # Of a recipe with steps, each step is a recipe.
    for one in [step_recipe(recipe, name) for name in step_names(recipe)] or [recipe]:
        _teacher(one.teacher, reach, one)
        _judges(one, reach)
        _hub(one, reach)
        _code(one, reach)
        _paths(one, reach)
    return reach


def _teacher(part: TeacherPart, reach: Reach, recipe: Recipe, whose: str = "") -> None:
    """Collect hosts, variables and programs of a teacher or of a judge."""
    backend = built_in_backend(part.backend)
    for field_name, command in backend.programs(part).items():
        reach.programs.append(command)
        reach.variables += [f"${name} read for {field_name}" for name in variable_names(command)]
    if backend is Teacher:
        # Its code is not loaded here.
        reach.hosts.append(f"those of the backend {part.backend}, whose code was not asked{whose}")
    if not backend.is_remote:
        return
    urls, url_variable, key_variable = backend.urls_of(part)
    if part.base_url is None and os.environ.get(url_variable):
        reach.variables.append(f"{url_variable} read for the address")
    hosts = [url.parts().host for url in urls]
    reach.hosts += [f"{public_url(url)}{whose}" for url in urls]
    to = " and ".join(dict.fromkeys(hosts))
    if key_variable:
        unset = "" if os.environ.get(key_variable) else ", not set"
        reach.variables.append(f"{key_variable} sent to {to} as the key{unset}")
    headers = part.headers if isinstance(part.headers, Headers) else Headers(part.headers)
    reach.variables += [f"{name} sent to {to} in a header" for name in headers.variables()]
    reach.variables += [
        f"{name} sent to {to} in the address" for url in urls for name in url.variables()
    ]
    if part.proxy is not None:
        proxy = part.proxy.parts("teacher.proxy")
        reach.hosts.append(f"{proxy.shown} (proxy)")
        reach.variables += [
            f"{name} sent to the proxy {proxy.host}" for name in part.proxy.variables()
        ]
    elif proxies := {name for name in getproxies() if name in ("http", "https", "all")}:
        reach.variables += [f"{name.upper()}_PROXY read for a proxy" for name in sorted(proxies)]


def _judges(recipe: Recipe, reach: Reach) -> None:
    """Collect judges, which have teachers of their own, from the critic's options."""
    if recipe.critic is None:
        return
    for raw in _mappings(recipe.critic.options, "teacher"):
        try:
            part = TeacherPart.model_validate(raw)
        except ValueError:
            # What is wrong with it is said when the critic is made.
            continue
        _teacher(part, reach, recipe, " (judge)")
        for model in _hub_models(part, recipe):
            reach.hosts.append(f"{_HUB} (model {model}, unless it is in the cache)")


def _mappings(value: Any, key: str) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key and isinstance(inner, dict):
                yield inner
            yield from _mappings(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _mappings(inner, key)


def _hub_models(part: TeacherPart, recipe: Recipe) -> list[str]:
    models = built_in_backend(part.backend).hub_models(part)
    return [model for model in models if not _is_folder(model, recipe)]


def _is_folder(text: str, recipe: Recipe) -> bool:
    if text.startswith((".", "/", "~", "$")):
        return True
    return (recipe.folder / text).is_dir()


def _hub(recipe: Recipe, reach: Reach) -> None:
    """Collect models that the hub would be asked for."""
    names = _hub_models(recipe.teacher, recipe)
    options = [
        recipe.critic.options if recipe.critic else {},
        recipe.student.options if recipe.student else {},
    ]
    for raw in options:
        names += [
            value for name, value in raw.items()
            if name in _MODELS and isinstance(value, str) and "/" in value and value != EMBEDDED
        ]  # fmt: skip
    names = [name for name in names if not _is_folder(name, recipe)]
    if names:
        reach.hosts.append(f"{_HUB} (models {', '.join(names)}, unless they are in the cache)")
        reach.variables += [
            f"{name} used for the hub" for name in _HUB_VARIABLES if name in os.environ
        ]


def _code(recipe: Recipe, reach: Reach) -> None:
    """Collect the plug-ins of other packages, modules and files that the recipe names."""
    named = [("backends", recipe.teacher.backend), ("kinds", recipe.kind.name)]
    named += [("rules", rule.name) for rule in recipe.rules or ()]
    if recipe.votes is not None:
        named.append(("votes", recipe.votes.by))
    if recipe.critic is not None:
        named.append(("critics", recipe.critic.name))
    if recipe.student is not None:
        named.append(("students", recipe.student.name))
    if recipe.loop is not None and recipe.loop.task is not None:
        named.append(("loop_tasks", recipe.loop.task))
    for group, name in named:
        word = plugins.GROUPS[group].word
        if ":" in name:
            reach.code.append(f"{word} {name} (a file or module on this machine)")
        point = plugins.installed(group).get(name)
        if point is not None and not point.value.startswith("synthkd."):
            package = point.dist.name if point.dist else "an unknown package"
            reach.code.append(f"{word} {name} ({point.value} of {package})")


def _paths(recipe: Recipe, reach: Reach) -> None:
    """Collect paths outside the recipe's folder, and variables in paths."""
    written = {"journal": recipe.journal, "corpus.path": recipe.corpus.path, "work": recipe.work}
    if recipe.student is not None:
        written["student.path"] = recipe.student.path
    for name, text in written.items():
        if text is not None:
            _outside(recipe, text, name, reach.written, reach)
    for name, text in _read_paths(recipe):
        _outside(recipe, text, name, reach.read, reach)


def _read_paths(recipe: Recipe) -> Iterator[tuple[str, str]]:
    raw = recipe.model_dump(mode="json", exclude={"journal", "corpus", "work", "limits", "name"})
    raw["teacher"] = {
        name: value
        for name, value in raw["teacher"].items()
        if name not in ("base_url", "proxy", "headers")
    }
    for part in ("student", "critic"):
        if raw.get(part) and part == "student":
            raw[part].pop("path", None)
    yield from _texts(raw, "")


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if value and "\n" not in value and len(value) < 4096:
            yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{key}.{number}")


def _outside(recipe: Recipe, text: str, name: str, into: list[str], reach: Reach) -> None:
    """Note a path that leads out of the recipe's folder; pass over texts that are no path."""
    is_output = into is reach.written
    if name == "corpus.path" and is_address(text):
        into.append(f"{text} ({name})")
        reach.hosts.append(f"the store of {text.partition('://')[0]}://, which gets the corpus")
        reach.variables.append("those of the store's own package (such as AWS_*)")
        return
    if not is_output and not ("/" in text or text.startswith(("~", "$"))):
        return
    try:
        path = recipe.resolve(text)
    except SynthKDError:
        if is_output or name.endswith("path"):
            raise
        return
    # Free texts count as paths where there is something at that place.
    if not is_output and not path.exists():
        return
    reach.variables += [f"{variable} read for {name}" for variable in variable_names(text)]
    if not path.is_relative_to(recipe.folder.resolve()):
        into.append(f"{_short(path)} ({name})")


def _short(path: Path) -> str:
    text = str(path)
    home = os.path.expanduser("~")
    return "~" + text[len(home) :] if len(home) > 1 and text.startswith(home + "/") else text
