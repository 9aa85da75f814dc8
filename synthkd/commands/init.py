"""`synthkd init`: a folder with an example recipe and its files, which runs at once."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from synthkd.errors import InputError
from synthkd.resources import resource
from synthkd.storage import check_place, storage_errors, write_text

#: Examples that run as they are, on the embedded teacher.
EXAMPLES = (
    "everyday", "critic", "comparatives", "messages", "pgkd", "pgkd-triples", "propositions",
    "rationales",
)  # fmt: skip
_SHIPPED = re.compile(r"\.\./((?:corpora|critics|prompts)/[\w./-]+)")


def write_starter(folder: Path, example: str = "everyday") -> Path:
    """Write the recipe of an example and the files that it names into a new folder.

    Args:
        folder: A new or empty folder; another one is refused.
        example: One of `EXAMPLES`.

    Returns:
        The path of the recipe.
    """
    if example not in EXAMPLES:
        raise InputError(f"there is no example {example!r}; examples: {', '.join(EXAMPLES)}")
    check_place(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; name a new folder")
    text = resource(f"examples/{example}.yaml").read_text("utf-8")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted({*_SHIPPED.findall(text)}):
            shutil.copyfile(resource(name), folder / Path(name).name)
    text = _SHIPPED.sub(lambda found: Path(found[1]).name, text)
    text = text.replace("../demo/", "").replace(f"examples/{example}.yaml", "recipe.yaml")
    write_text(folder / "recipe.yaml", text)
    return folder / "recipe.yaml"
