"""`synthkd init`: a folder with a recipe that runs at once."""

from __future__ import annotations

import shutil
from pathlib import Path

from synthkd.errors import InputError
from synthkd.resources import resource
from synthkd.storage import check_place, storage_errors, write_text


def write_starter(folder: Path) -> Path:
    """Write ``recipe.yaml`` and ``inputs.csv``. A folder that holds something is left alone."""
    check_place(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; name a new folder")
    text = resource("examples/everyday.yaml").read_text("utf-8")
    text = text.replace("../corpora/everyday/inputs.csv", "inputs.csv").replace("../demo/", "")
    text = text.replace("examples/everyday.yaml", "recipe.yaml")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(resource("corpora/everyday/inputs.csv"), folder / "inputs.csv")
    write_text(folder / "recipe.yaml", text)
    return folder / "recipe.yaml"
