"""The notebooks of examples/ run, from the first cell to the last."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support.files import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
REAL = ROOT / "examples" / "real"
REAL_NOTEBOOKS = sorted(REAL.glob("*.ipynb"))


def runner() -> ModuleType:
    """scripts/notebooks.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "scripts" / "notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_to_its_end(path: Path) -> None:
    notebook = runner().run_notebook(path, path.parent)

    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.minutes
@pytest.mark.parametrize("path", REAL_NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_with_a_real_model_runs_to_its_end(path: Path) -> None:
    if not list(REAL.glob("*.gguf")):
        pytest.skip("no model: examples/real/fetch_model.py fetches it")
    notebook = runner().run_notebook(path, path.parent)

    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", [*NOTEBOOKS, *REAL_NOTEBOOKS], ids=lambda path: path.name)
def test_a_notebook_shows_what_it_printed_and_no_place_of_a_machine(path: Path) -> None:
    text = path.read_text("utf-8")

    assert '"output_type": "error"' not in text
    assert not [place for place in ("home", "work", "tmp") if f"/{place}/" in text]


def test_there_are_notebooks() -> None:
    assert {path.name for path in NOTEBOOKS} >= {"quickstart.ipynb", "pgkd.ipynb"}
