#!/usr/bin/env python3
"""Run the notebooks of examples/ and keep what they print.

python scripts/notebooks.py [NAME ...]     all of them, or those whose file name begins so

Those in examples/real need the model that examples/real/fetch_model.py fetches.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
#: Seconds for one cell.
PATIENCE = 600


def run_notebook(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in ``folder`` and return it with its outputs; raise an error in a cell."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=PATIENCE,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    # What says which machine it was, and what changes at each run.
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    }
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main(names: list[str]) -> None:
    for path in [*sorted(EXAMPLES.glob("*.ipynb")), *sorted(EXAMPLES.glob("real/*.ipynb"))]:
        if not names or any(path.name.startswith(name) for name in names):
            nbformat.write(run_notebook(path, path.parent), path)
            print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
