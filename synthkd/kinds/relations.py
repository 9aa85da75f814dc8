"""Sets of relations: how each is put into words and asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkd import safeyaml
from synthkd.errors import KindError, nearest
from synthkd.resources import resource


@dataclass(frozen=True, slots=True)
class Relation:
    """``sentence`` holds ``{head}`` and ``{tail}``; ``question`` asks for tails; of a ``reflexive`` relation a head may be
    its own tail."""

    name: str
    sentence: str
    question: str = ""
    event: bool = False
    reflexive: bool = False

    def verbalize(self, head: str, tail: str) -> str:
        """The triple as a sentence."""
        return self.sentence.replace("{head}", head).replace("{tail}", tail)

    def stem(self, head: str) -> str:
        """What stands before the tail."""
        return self.sentence.split("{tail}")[0].replace("{head}", head).rstrip()


def shipped_sets() -> list[str]:
    """Names of the relation sets that come with synthkd."""
    return sorted(path.stem for path in resource("prompts/triple/relations").glob("*.yaml"))


def load_relations(source: str | Sequence[str] | Path | None) -> dict[str, Relation]:
    """A shipped set by name, a YAML file by path, or some names out of the shipped sets.

    Without a source: all shipped sets together.
    """
    folder = resource("prompts/triple/relations")
    everything = {
        name: relation for path in sorted(folder.glob("*.yaml")) for name, relation in _read(path).items()
    }
    if source is None:
        return everything
    if isinstance(source, Path):
        return _read(source)
    if isinstance(source, str):
        if source not in shipped_sets():
            raise KindError(f"unknown set of relations {source!r}{nearest(source, shipped_sets())}")
        return _read(folder / f"{source}.yaml")
    for name in source:
        if name not in everything:
            raise KindError(f"unknown relation {name!r}{nearest(name, list(everything))}")
    return {name: everything[name] for name in source}


def _read(path: Path) -> dict[str, Relation]:
    try:
        raw = safeyaml.read_yaml(path)
    except FileNotFoundError:
        raise KindError(f"{path}: no such file of relations") from None
    except OSError as error:
        raise KindError(f"{path}: not readable ({error.strerror})") from None
    except safeyaml.YamlError as error:
        raise KindError(
            f"{path}{error.where}: not a file of relations: {error}; see docs/reference/recipe.md"
        ) from None
    if not isinstance(raw, dict) or not raw:
        raise KindError(
            f"{path}: not a file of relations: a mapping of names to sentences is needed; see docs/reference/recipe.md"
        )
    relations = {str(name): _relation(path, str(name), fields) for name, fields in raw.items()}
    for relation in relations.values():
        if "{head}" not in relation.sentence or "{tail}" not in relation.sentence:
            raise KindError(f"{path}: the sentence of {relation.name!r} lacks {{head}} or {{tail}}")
    return relations


def _relation(path: Path, name: str, fields: Any) -> Relation:
    known = {"sentence": str, "question": str, "event": bool, "reflexive": bool}
    if not isinstance(fields, dict) or "sentence" not in fields:
        raise KindError(f"{path}: the relation {name!r} has no `sentence`; see docs/reference/recipe.md")
    for field, value in fields.items():
        if field not in known:
            raise KindError(f"{path}: the relation {name!r}: {field!r}{nearest(str(field), list(known))}")
        if not isinstance(value, known[field]):
            raise KindError(
                f"{path}: the relation {name!r}: {field} is {value!r}, not {known[field].__name__}"
            )
    return Relation(name=name, **fields)
