"""The manifest of a corpus: everything that is needed to make the same corpus again.

A manifest holds no time, no path and no secret, so two runs from one manifest write the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synthkd._version import __version__
from synthkd.keys import content_hash
from synthkd.recipe import Recipe

if TYPE_CHECKING:
    from synthkd.kinds.base import Kind
    from synthkd.prompts import Prompt

VERSION = 1


def make_manifest(
    recipe: Recipe,
    kind: Kind,
    prompt: Prompt | None,
    identity: str,
    inputs: dict[str, Any],
    critic: dict[str, Any] | None,
    counts: dict[str, Any],
    diversity: dict[str, Any],
    target: dict[str, Any] | None = None,
    steps: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Make the manifest of a corpus, without the hashes of its files.

    ``steps`` are the facts of the earlier steps, if the corpus was made in several.
    """
    return {
        "manifest_version": VERSION,
        "synthkd": __version__,
        "recipe": recipe.record(),
        "recipe_hash": recipe.fingerprint(),
        "inputs": inputs,
        "kind": {"name": kind.name, "columns": list(kind.columns)},
        "prompt": None
        if prompt is None
        else {
            "name": recipe.published(prompt.name, "template"),
            "hash": prompt.hash,
            "examples_hash": content_hash(list(prompt.examples)),
            "shots": prompt.shots,
        },
        "teacher": {
            "backend": recipe.teacher.backend,
            "identity": recipe.published_identity(identity),
        },
        "critic": critic,
        "seed": recipe.seed,
        "counts": counts,
        "diversity": diversity,
        **({} if target is None else {"target": target}),
        **({} if steps is None else {"steps": steps}),
    }
