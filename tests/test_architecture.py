"""Tests of the import rule: rooms import from rooms below, and no room has a cycle."""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest
from support.files import ROOT
from support.rooms import ROOMS

LEVEL = {name: number for number, (name, _) in enumerate(ROOMS)}
FILES = sorted((ROOT / "synthkd").rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str:
    return [*module.split("."), "__init__"][1]


MODULES = {module_of(path): path for path in FILES}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imported(module: str) -> frozenset[str]:
    """Return modules of the package that a module imports anywhere, for type checking too."""
    found = set()
    for node in ast.walk(tree_of(MODULES[module])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return frozenset(found & set(MODULES))


def test_every_room_is_in_the_list_and_every_listed_room_exists() -> None:
    assert {room(module) for module in MODULES} - {"__init__"} == set(LEVEL)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_its_own_room_and_those_below(module: str) -> None:
    here = room(module)
    if here != "__init__":
        wrong = {
            name
            for name in imported(module)
            if room(name) != here and LEVEL.get(room(name), -1) <= LEVEL[here]
        }
        if here == "cli":
            wrong.discard("synthkd")
        assert not wrong


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {module: set(imported(module)) - {module} for module in MODULES}
    while ready := [module for module, needs in left.items() if not needs & set(left)]:
        for module in ready:
            del left[module]
    circle = {module: sorted(needs & set(left)) for module, needs in left.items()}
    assert not circle


def test_no_public_class_or_function_has_the_name_of_another() -> None:
    found: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for node in tree_of(path).body:
            if (
                isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name[0] != "_"
            ):
                found.setdefault(node.name, []).append(module)
    twice = {name: modules for name, modules in found.items() if len(set(modules)) > 1}
    assert not twice


def test_no_name_of_a_face_hides_behind_a_module() -> None:
    """A submodule that was imported stands before a name that the face loads when it is used."""
    hidden = []
    for module, path in MODULES.items():
        if path.name == "__init__.py" and "lazy_names(" in path.read_text("utf-8"):
            names = importlib.import_module(module).__all__
            hidden += [f"{module}.{name}" for name in names if f"{module}.{name}" in MODULES]
    assert not hidden


#: Modules of fewer than 30 lines, and why each is one.
SHORT = {
    "synthkd.__main__": "`python -m synthkd`",
    "synthkd.cli.__main__": "`python -m synthkd.cli`",
    "synthkd._version": "read by the build",
    "synthkd.resources": "imported by rooms that share nothing else",
    "synthkd.storage.cache": "imported by rooms that share nothing else",
    "synthkd.lazy_names": "shared by the faces of all packages",
}


def test_a_module_of_few_lines_is_a_face_or_has_a_reason() -> None:
    few = {
        module for module, path in MODULES.items()
        if path.name != "__init__.py" and len(path.read_text("utf-8").splitlines()) < 30
    }  # fmt: skip
    assert few == set(SHORT)


@pytest.mark.slow
def test_no_file_reads_or_writes_pickles_or_evaluates_text() -> None:
    for path in FILES:
        nodes = list(ast.walk(tree_of(path)))
        calls = {
            node.func.id
            for node in nodes
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        modules = {
            alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
        }
        assert not calls & {"eval", "exec"}, path
        assert not modules & {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}, path
