"""`synthkd init`: a folder with an example recipe and its files, which runs at once."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from synthkd.errors import InputError, nearest
from synthkd.resources import resource
from synthkd.storage import check_place, storage_errors, write_text

#: Examples that run as they are, on the embedded teacher.
EXAMPLES = (
    "everyday", "critic", "comparatives", "messages", "pgkd", "pgkd-triples", "places",
    "propositions", "rationales",
)  # fmt: skip
#: Examples that need a server.
SERVED_EXAMPLES = ("records",)
#: The example of each kind that has one.
OF_KINDS = {
    "triple": "everyday", "comparative": "comparatives", "labelled_text": "messages",
    "proposition": "propositions", "rationale": "rationales", "record": "records",
}  # fmt: skip
_SHIPPED = re.compile(r"\.\./((?:corpora|critics|prompts)/[\w./-]+)")


def write_starter(folder: Path, example: str | None = None, kind: str | None = None) -> Path:
    """Write the recipe of an example and the files that it names into a new folder.

    Args:
        folder: A new or empty folder; another one is refused.
        example: One of `EXAMPLES` or `SERVED_EXAMPLES`. Default: `everyday`.
        kind: A kind, in place of an example.

    Returns:
        The path of the recipe.

    Raises:
        InputError: No such example, or the folder is not empty.
    """
    if example is not None and kind is not None:
        raise InputError("give either --example or --kind")
    if kind is not None:
        if kind not in OF_KINDS:
            raise InputError(f"no example of the kind {kind!r}{nearest(kind, list(OF_KINDS))}")
        example = OF_KINDS[kind]
    example = example or "everyday"
    examples = (*EXAMPLES, *SERVED_EXAMPLES)
    if example not in examples:
        raise InputError(f"there is no example {example!r}; examples: {', '.join(examples)}")
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
