#!/usr/bin/env python3
"""Write the pages of docs/ that come from the code.

The pages are the recipe, the command line, the plug-ins, and the list of rooms.

python scripts/docs.py            write them
python scripts/docs.py --check    fail where they are not up to date
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from pydantic import BaseModel

from synthkd import plugins
from synthkd.commands.describe import describe
from synthkd.options import default_words, type_words
from synthkd.recipe import Recipe

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT / "tests"))
from support.rooms import ROOMS  # noqa: E402


def recipe_page() -> str:
    parts = [
        "# Recipe reference\n\nMade from the models in `synthkd/recipe/` by `scripts/docs.py`.\n\n"
        "A recipe is a YAML file. Unknown keys are refused, and the nearest known one is named."
        " Relative paths start\n"
        "from the recipe's folder; `$NAME` in a path is taken from the environment. On the command"
        " line,\n"
        "`--set teacher.sampling.n=5` changes a value.\n\n"
        "**A recipe is as powerful as a program.** It says which hosts are asked and with which"
        " environment variables,\n"
        "which programs are started, whose code is loaded and which files are read and written."
        " Before you run a recipe\n"
        "of somebody else, let `synthkd run RECIPE --dry-run` list all of it; nothing is sent or"
        " started then.\n\n"
        "**No secret stands in a recipe.** `teacher.api_key_env` names the variable of the key, and"
        " `$NAME` stands for a\n"
        "variable in addresses and headers: `http://$USER_NAME:$PASSWORD@host/v1`, `Authorization:"
        " Token $TOKEN`. A\n"
        "password, key or token in clear is refused; only an address on this machine (127.0.0.1)"
        " may hold one, and it is\n"
        "shown and recorded as `***`. Repeated keys, numbers beyond 64 bits, nesting beyond 64 and"
        " aliases that repeat\n"
        "too much are refused with their line.\n"
    ]
    parts += [model_section(name, model) for name, model in models(Recipe, "")]
    return "\n".join(parts)


def models(model: type[BaseModel], path: str) -> list[tuple[str, type[BaseModel]]]:
    parts = [(path, model)]
    for own, field in model.model_fields.items():
        name = field.alias or own
        for inner in flatten(field.annotation):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                parts += models(inner, f"{path}.{name}".lstrip("."))
    return parts


def flatten(annotation: object) -> list[object]:
    arguments = typing.get_args(annotation)
    return (
        [inner for argument in arguments for inner in flatten(argument)]
        if arguments
        else [annotation]
    )


def model_section(path: str, model: type[BaseModel]) -> str:
    lines = [
        f"## `{path}`" if path else "## The recipe itself",
        "",
        re.split(r"\n\n(?:Raises|Example):\n", inspect.cleandoc(model.__doc__ or ""))[0],
        "",
    ]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for own, field in model.model_fields.items():
        name = field.alias or own
        inner = [
            one
            for one in flatten(field.annotation)
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]
        place = f"{path}.{name}".lstrip(".")
        kind = (
            f"[`{place}`](#{place.replace('.', '')})"
            if inner
            else type_words(field).replace("|", "or")
        )
        default = "" if inner and not field.is_required() else default_words(field)
        default = (
            ""
            if default in ("null", "[]", "{}")
            else f"`{default}`"
            if default not in ("", "required")
            else default
        )
        lines.append(f"| `{name}` | {kind} | {default} | {field.description or ''} |")
    return "\n".join(lines) + "\n"


def all_verbs(command: Any, path: list[str]) -> Iterator[list[str]]:
    """Yield the words of every command, groups before their verbs."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from all_verbs(inner, [*path, name])


def architecture_page() -> str:
    """Return the page with its list of rooms written again."""
    text = (DOCS / "internals/architecture.md").read_text("utf-8")
    begin, end = "<!-- rooms: written by scripts/docs.py -->\n", "<!-- end -->"
    rooms = "\n".join(f"    {name:15} {holds}" for name, holds in ROOMS)
    before, _, rest = text.partition(begin)
    return before + begin + "```\nsynthkd/\n" + rooms + "\n```\n" + end + rest.partition(end)[2]


def option_row(name: str, option: dict[str, Any]) -> str:
    default = json.dumps(option["default"], ensure_ascii=False)
    shown = "required" if option["required"] else f"`{default}`"
    return f"| `{name}` | {option['type']} | {shown} | {option['about']} |"


def plugins_page() -> str:
    """Return every plug-in of the installation that comes with synthkd, with its options."""
    parts = [
        "# Plug-ins and their options\n\nMade from the models of the plug-ins by `scripts/docs.py`;"
        " `synthkd describe GROUP NAME` shows"
        " one of them.\n"
    ]
    for group, group_entry in plugins.GROUPS.items():
        parts.append(
            f"## {group_entry.word.capitalize()}s {{ #{group} }}\n\nBase class:"
            f" `{group_entry.contract.replace(':', '.')}`.\n"
        )
        for name, about in describe(group)[group].items():
            parts.append(
                f"### `{name}` {{ #{group_entry.word.replace(' ', '-')}-{name} }}\n\n"
                f"{about['about']}\n"
            )
            if options := about.get("options"):
                head = "| option | type | default | meaning |\n|---|---|---|---|\n"
                parts.append(head + "\n".join(option_row(*item) for item in options.items()) + "\n")
    return "\n".join(parts)


#: The packages and modules that users import from, in the order of the reference.
FACES = (
    "synthkd",
    "synthkd.recipe",
    "synthkd.prompts",
    "synthkd.kinds",
    "synthkd.teachers",
    "synthkd.filters",
    "synthkd.critics",
    "synthkd.labels",
    "synthkd.corpora",
    "synthkd.students",
    "synthkd.students.losses",
    "synthkd.loops",
    "synthkd.journal",
    "synthkd.plugins",
    "synthkd.testing",
    "synthkd.errors",
)


def api_pages() -> dict[str, str]:
    """A page with the public names of all faces, and one for each face with their docstrings."""
    parts = [
        "# Python\n\nMade from the docstrings by `scripts/docs.py`.\n\n"
        "Everything that users need is imported from `synthkd` or from the face of a package; other"
        " modules may change.\n"
        "The pages of the names are filled when the site is built (`scripts/docs`); in a terminal,"
        " `python -m pydoc synthkd.testing.FakeServer` prints a signature and its docstring.\n"
    ]
    pages = {}
    for face in FACES:
        module = importlib.import_module(face)
        file = f"{face.removeprefix('synthkd.')}.md"
        names = public_names(module)
        lines = [
            f"| [`{name}`](api/{file}#{face}.{name}) | {summary(module, name)} |" for name in names
        ]
        parts.append(
            f"## `{face}`\n\n{first_sentence(module.__doc__)}\n\n| name | meaning |\n|---|---|\n"
            + "\n".join(lines)
            + "\n"
        )
        blocks = "\n".join(f"::: {face}.{name}\n" for name in names)
        pages[f"reference/api/{file}"] = f"# `{face}`\n\n{blocks}"
    return {"reference/api.md": "\n".join(parts), **pages}


def public_names(module: ModuleType) -> list[str]:
    """The names in `__all__`, else what the module defines: errors alone in a module of errors."""
    wanted = Exception if "errors" in module.__name__ else object
    names: list[str] = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if name[0] != "_"
        and getattr(value, "__module__", "") == module.__name__
        and (wanted is object or (isinstance(value, type) and issubclass(value, wanted)))
    ]
    return [name for name in names if not name.startswith("__")]


def summary(module: ModuleType, name: str) -> str:
    """The first sentence on a name: of its docstring, or of the comment above an assignment."""
    value = inspect.unwrap(getattr(module, name))
    if isinstance(value, type | FunctionType) and value.__module__.startswith("synthkd"):
        return first_sentence(value.__doc__)
    own = Path(str(module.__file__)).parent
    for path in [*sorted(own.rglob("*.py")), *sorted((ROOT / "synthkd").rglob("*.py"))]:
        comment = re.search(
            rf"((?:^#: .*\n)+){name}\b[^\n]*=", path.read_text("utf-8"), re.MULTILINE
        )
        if comment:
            return first_sentence(comment[1].replace("#: ", ""))
    return ""


def first_sentence(doc: str | None) -> str:
    paragraph = " ".join(inspect.cleandoc(doc or "").partition("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?])\s+(?=[A-Z`])", paragraph)[0]
    return sentence.replace("``", "`").replace("|", "\\|")


COMPLETION = """## Completion

`synthkd --install-completion` adds completion of verbs and options to the shell that runs (bash,
zsh, fish, PowerShell); `synthkd --show-completion` prints the script, to be put where you like.

`NO_COLOR=1` takes the colours out of progress bars; messages and reports have none.
"""


def cli_page() -> str:
    import os

    os.environ["COLUMNS"] = "100"
    os.environ["TERMINAL_WIDTH"] = "100"
    import typer
    from typer.testing import CliRunner

    from synthkd.cli.app import app
    from synthkd.cli.program import EXIT_STATUSES

    runner = CliRunner()
    verbs = list(all_verbs(typer.main.get_command(app), []))
    parts = ["# CLI reference\n\nMade from `--help` by `scripts/docs.py`.\n"]
    for verb in verbs:
        result = runner.invoke(app, [*verb, "--help"], prog_name="synthkd", terminal_width=100)
        parts.append(f"## `{' '.join(['synthkd', *verb])}`\n\n```\n{result.output.strip()}\n```\n")
    rows = "".join(f"| {status} | {meaning} |\n" for status, meaning in EXIT_STATUSES.items())
    statuses = f"| status | meaning |\n|---|---|\n{rows}"
    parts.append(COMPLETION)
    return "\n".join([*parts, "## Exit statuses\n\n" + statuses])


def main() -> None:
    pages = {
        "reference/recipe.md": recipe_page(),
        "reference/cli.md": cli_page(),
        "reference/plugins.md": plugins_page(),
        "internals/architecture.md": architecture_page(),
        **api_pages(),
    }
    stale = [
        name
        for name, text in pages.items()
        if not (DOCS / name).exists() or (DOCS / name).read_text() != text
    ]
    if "--check" in sys.argv:
        if stale:
            sys.exit(f"docs/{', docs/'.join(stale)}: not up to date; run: python scripts/docs.py")
        return
    for name, text in pages.items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(text)


if __name__ == "__main__":
    main()
