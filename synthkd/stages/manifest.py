"""The manifest of a corpus: everything that is needed to make the same corpus again.

A manifest holds no time, no address, no path and no secret, so two runs from one manifest write the
same bytes, and anybody may see it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from synthkd._version import __version__
from synthkd.corpora.schema import content_columns
from synthkd.keys import content_hash
from synthkd.recipe import Recipe
from synthkd.recipe.published_values import without_addresses

if TYPE_CHECKING:
    from synthkd.kinds.base import Kind
    from synthkd.prompts import Prompt

#: 2: the provenance of accepted rows has files of its own.
VERSION = 2


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
        "recipe": published_recipe(recipe),
        "recipe_hash": recipe.fingerprint(),
        "inputs": inputs,
        "kind": _kind(kind, recipe),
        "columns": content_columns(kind, recipe.corpus),
        "prompt": None if prompt is None else _prompt(prompt, recipe),
        "teacher": {
            "backend": recipe.teacher.backend,
            "identity": recipe.published_identity(identity),
        },
        "critic": _without_addresses(critic),
        "seed": recipe.seed,
        "counts": _without_addresses(counts),
        "diversity": diversity,
        **({} if target is None else {"target": target}),
        **({} if steps is None else {"steps": steps}),
    }


def published_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return the record of a recipe without the addresses of servers and stores."""
    record: dict[str, Any] = _without_places(recipe.record())
    return record


#: Keys of a teacher that tell where its server is, and how it is reached.
_PLACES = frozenset({"base_url", "proxy", "headers", "ca_file"})


def _without_places(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {
            name: _without_places(inner, name)
            for name, inner in value.items()
            if name not in _PLACES
        }
    if isinstance(value, list):
        return [_without_places(inner, key) for inner in value]
    if isinstance(value, str) and key == "path" and "://" in value:
        return value.rstrip("/").rpartition("/")[2]
    return without_addresses(value) if key == "identity" and isinstance(value, str) else value


def _without_addresses(value: Any) -> Any:
    """Leave out addresses of all texts of a tree, names included."""
    if isinstance(value, dict):
        return {without_addresses(name): _without_addresses(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_addresses(one) for one in value]
    return without_addresses(value) if isinstance(value, str) else value


def _kind(kind: Kind, recipe: Recipe) -> dict[str, Any]:
    """Describe the kind, with its relations as text."""
    record: dict[str, Any] = {"name": kind.name, "columns": list(kind.columns)}
    record["task_categories"] = list(kind.task_categories)
    if kind.relations:
        texts = {name: asdict(relation) for name, relation in kind.relations.items()}
        record["relations_hash"] = content_hash(texts)
        if recipe.corpus.prompts != "none":
            record["relations"] = texts
    return record


def _prompt(prompt: Prompt, recipe: Recipe) -> dict[str, Any]:
    """Describe the prompt, with its template and what it includes as text."""
    record = {
        "name": recipe.published(prompt.name, "template"),
        "hash": prompt.hash,
        "examples_hash": content_hash(list(prompt.examples)),
        "shots": prompt.shots,
        "shipped": prompt.installed,
    }
    if recipe.corpus.prompts != "none":
        record |= {"text": prompt.text, "includes": prompt.included_texts()}
    return record
