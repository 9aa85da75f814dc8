"""The import rule of docs/architecture.md: imports go down the list of rooms only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from support.files import ROOT

#: From the top to the bottom; a room may import from its own level and those below.
LEVELS = [
    {"cli", "__main__"},
    {"starter", "dry", "reach", "probe", "describe", "show"},
    {"pipeline", "loops"},
    {"report"},
    {"stages"},
    {"students", "critics", "filters", "corpora", "teachers", "everyday"},
    {"labels"},
    {"kinds"},
    {"manifest", "journal_io", "testing"},
    {"journal", "prices", "prompts", "plugins", "progress"},
    {"artifacts"},
    {"recipe", "requests", "rows", "storage", "resources", "sandbox"},
    {"cells", "class_labels"},
    {"safeyaml"},
    {"secrets"},
    {
        "display",
        "errors",
        "keys",
        "marks",
        "fastjson",
        "schemas",
        "text_forms",
        "thoughts",
        "finish",
        "_version",
    },
]
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}
FILES = sorted((ROOT / "synthkd").rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT / "synthkd").parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imported(path: Path) -> frozenset[str]:
    """Rooms that a file imports, type-checking imports left out."""
    return frozenset(_imported(tree_of(path)))


def _imported(tree: ast.Module) -> Iterator[str]:
    typing_only = {
        inner for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }  # fmt: skip
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("synthkd."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "synthkd":
            yield from (alias.name for alias in node.names if alias.name in LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_from_its_own_level_and_below_only(path: Path) -> None:
    if room(path) == "__init__":
        return
    here = LEVEL[room(path)]
    wrong = [name for name in imported(path) if LEVEL[name] < here]
    assert not wrong, f"{path.name} is above {wrong}"


@pytest.mark.parametrize(
    ("who", "whom"),
    [
        ("kinds", "teachers"),
        ("teachers", "kinds"),
        ("critics", "cli"),
        ("filters", "teachers"),
        ("critics", "teachers"),
        ("labels", "critics"),
        ("students", "teachers"),
        ("teachers", "students"),
    ],
)
def test_rooms_that_must_not_know_each_other_do_not(who: str, whom: str) -> None:
    for path in FILES:
        if room(path) == who:
            assert whom not in imported(path), path


@pytest.mark.slow
def test_no_file_reads_or_writes_pickles_or_evaluates_text() -> None:
    for path in FILES:
        nodes = list(ast.walk(tree_of(path)))
        calls = {
            node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert not calls & {"eval", "exec"}, path
        assert not modules & {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}, path
