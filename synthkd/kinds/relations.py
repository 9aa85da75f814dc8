"""Sets of relations (their sentences and questions), and names for the people of events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkd import safeyaml
from synthkd.errors import KindError, nearest
from synthkd.resources import resource


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation between a head and a tail.

    Attributes:
        name: Name of the relation.
        sentence: Sentence of a triple, with ``{head}`` and ``{tail}``.
        question: Question for tails.
        event: True if heads are events of PersonX and PersonY.
        reflexive: True if a head may be its own tail.
    """

    name: str
    sentence: str
    question: str = ""
    event: bool = False
    reflexive: bool = False

    def verbalize(self, head: str, tail: str) -> str:
        """Return a triple as a sentence."""
        return self.sentence.replace("{head}", head).replace("{tail}", tail)

    def stem(self, head: str) -> str:
        """Return the sentence up to the tail."""
        return self.sentence.split("{tail}")[0].replace("{head}", head).rstrip()


def shipped_sets() -> list[str]:
    """Return the names of the relation sets shipped with synthkd."""
    return sorted(path.stem for path in resource("prompts/triple/relations").glob("*.yaml"))


def load_relations(source: str | Sequence[str] | Path | None) -> dict[str, Relation]:
    """Load relations.

    Args:
        source: Name of a shipped set, path of a YAML file, or names of relations of the shipped
            sets;
            None loads all shipped sets.

    Raises:
        KindError: A name is unknown, or a file is not readable.
    """
    folder = resource("prompts/triple/relations")
    everything = {
        name: relation
        for path in sorted(folder.glob("*.yaml"))
        for name, relation in _read(path).items()
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
            f"{path}: not a file of relations: a mapping of names to sentences is needed; see"
            " docs/reference/recipe.md"
        )
    relations = {str(name): _relation(path, str(name), fields) for name, fields in raw.items()}
    for relation in relations.values():
        if "{head}" not in relation.sentence or "{tail}" not in relation.sentence:
            raise KindError(f"{path}: the sentence of {relation.name!r} lacks {{head}} or {{tail}}")
    return relations


def _relation(path: Path, name: str, fields: Any) -> Relation:
    types = {"sentence": str, "question": str, "event": bool, "reflexive": bool}
    if not isinstance(fields, dict) or "sentence" not in fields:
        raise KindError(
            f"{path}: the relation {name!r} has no `sentence`; see docs/reference/recipe.md"
        )
    for field, value in fields.items():
        if field not in types:
            raise KindError(
                f"{path}: the relation {name!r}: {field!r}{nearest(str(field), list(types))}"
            )
        if not isinstance(value, types[field]):
            raise KindError(
                f"{path}: the relation {name!r}: {field} is {value!r}, not {types[field].__name__}"
            )
    return Relation(name=name, **fields)


#: Thirty given names that go with any pronoun; prompts draw pairs of them for their examples.
NAMES = (
    "Robin", "Taylor", "Jordan", "Casey", "Riley", "Morgan", "Avery", "Quinn", "Jamie", "Skyler",
    "Rowan", "Reese", "Finley", "Emerson", "Hayden", "Dakota", "Parker", "Sawyer", "Charlie",
    "Frankie",
    "Jessie", "Kendall", "Lane", "Marley", "Peyton", "Remy", "Sidney", "Tatum", "Drew", "Blake",
)  # fmt: skip
#: Names of PersonX and PersonY in a question, which no example has.
QUERY = ("Alex", "Chris")


def put_names(text: str, x: str = QUERY[0], y: str = QUERY[1]) -> str:
    """Replace ``PersonX`` and ``PersonY`` by names."""
    return _replaced("PersonY", y, _replaced("PersonX", x, text))


def take_names(text: str, x: str = QUERY[0], y: str = QUERY[1]) -> str:
    """Replace names by ``PersonX`` and ``PersonY``."""
    return _replaced(y, "PersonY", _replaced(x, "PersonX", text))


def _replaced(word: str, other: str, text: str) -> str:
    # Most texts name nobody.
    return re.sub(rf"\b{word}\b", other, text) if word in text else text
