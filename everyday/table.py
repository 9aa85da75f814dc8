"""The table of everyday facts, which decides if a triple is true.

The table is a folder of YAML files. An entry names its parents (``is``) and inherits everything
from them that it does not refuse (``not``). A triple that cannot be derived is false.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from synthkd.errors import InputError

#: YAML field of an entry -> relation name.
FIELDS = {
    "is": "IsA",
    "has": "HasA",
    "made": "MadeOf",
    "for": "UsedFor",
    "can": "CapableOf",
    "at": "AtLocation",
    "prop": "HasProperty",
}
#: The relations of the table. PartOf is the inverse of HasA.
RELATIONS = ("IsA", "HasA", "PartOf", "MadeOf", "UsedFor", "CapableOf", "AtLocation", "HasProperty")

#: YAML field of a magnitude -> (name, unit).
MAGNITUDES = {
    "kg": ("mass", "kg"),
    "m": ("length", "m"),
    "kmh": ("speed", "km/h"),
    "usd": ("price", "USD"),
    "years": ("lifespan", "years"),
}

#: property -> (magnitude field, lower bound, upper bound), bounds included.
DERIVED = {
    "heavy": ("kg", 50.0, None),
    "light": ("kg", None, 0.5),
    "big": ("m", 2.0, None),
    "small": ("m", None, 0.15),
    "fast": ("kmh", 50.0, None),
    "slow": ("kmh", None, 6.0),
    "expensive": ("usd", 500.0, None),
    "cheap": ("usd", None, 5.0),
    "long-lived": ("years", 50.0, None),
    "short-lived": ("years", None, 2.0),
}

Triple = tuple[str, str, str]


@dataclass(frozen=True)
class Entry:
    """A concept as the table has it, without inherited facts."""

    name: str
    parents: tuple[str, ...]
    said: dict[str, tuple[str, ...]]
    refused: dict[str, frozenset[str]]
    magnitudes: dict[str, float] = field(default_factory=dict)


class Table:
    """The closed world.

    Args:
        entries: The entries by name; all facts are derived from them.
    """

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries
        for entry in entries.values():
            for parent in entry.parents:
                if parent not in entries:
                    raise InputError(
                        f"everyday table: {entry.name!r} is a {parent!r}, which has no entry"
                    )

    @classmethod
    def load(cls, folder: Path | None = None) -> Table:
        """Read every ``*.yaml`` of a folder; by default, the table shipped with synthkd."""
        if folder is None:
            from synthkd.resources import resource

            folder = resource("corpora/everyday/facts")
        entries: dict[str, Entry] = {}
        for path in sorted(folder.glob("*.yaml")):
            for name, raw in yaml.safe_load(path.read_text("utf-8")).items():
                if name in entries:
                    raise InputError(f"{path}: {name!r} already has an entry in another file")
                entries[name] = _entry(path, str(name), raw or {})
        return cls(entries)

    @cached_property
    def facts(self) -> frozenset[Triple]:
        """All true triples: written, inherited, derived from a magnitude, or inverted."""
        names: set[Triple] = set()
        for name in self.entries:
            for relation, tails in self.closure(name).items():
                names.update((name, relation, tail) for tail in tails)
        names.update((t, "PartOf", h) for h, r, t in list(names) if r == "HasA")
        return frozenset(names)

    @cached_property
    def tails(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(head, relation) -> its true tails, sorted."""
        grouped: dict[tuple[str, str], list[str]] = {}
        for head, relation, tail in sorted(self.facts):
            grouped.setdefault((head, relation), []).append(tail)
        return {pair: tuple(tails) for pair, tails in grouped.items()}

    @cached_property
    def vocabulary(self) -> dict[str, frozenset[str]]:
        """Return by relation the tails that are true of at least one head."""
        words: dict[str, set[str]] = {relation: set() for relation in RELATIONS}
        for _, relation, tail in self.facts:
            words[relation].add(tail)
        return {relation: frozenset(tails) for relation, tails in words.items()}

    def true(self, head: str, relation: str, tail: str) -> bool:
        """Return True if a triple is true; its parts must be in the table's spelling."""
        return (head, relation, tail) in self.facts

    def ancestors(self, name: str) -> list[str]:
        """Return the parents of an entry and their parents, nearest first, each once."""
        order: list[str] = []
        queue = list(self.entries[name].parents)
        while queue:
            parent = queue.pop(0)
            if parent not in order:
                if parent == name:
                    raise InputError(f"everyday table: {name!r} is its own ancestor")
                order.append(parent)
                queue.extend(self.entries[parent].parents)
        return order

    def closure(self, name: str) -> dict[str, frozenset[str]]:
        """Return relation -> true tails of a concept, without PartOf and without ``is a thing``."""
        ancestors = self.ancestors(name)
        inherited: dict[str, frozenset[str]] = {"IsA": frozenset(ancestors) - {"thing"}}
        for key, relation in FIELDS.items():
            if key != "is":
                inherited[relation] = frozenset(self._inherited(name, key))
        inherited["HasProperty"] |= self._derived(name)
        return {relation: tails for relation, tails in inherited.items() if tails}

    def _inherited(self, name: str, key: str) -> set[str]:
        """Return the tails of a field, written or inherited; a refusal concerns inherited ones."""
        entry = self.entries[name]
        tails: set[str] = set()
        for parent in entry.parents:
            tails |= self._inherited(parent, key)
        return (tails - entry.refused.get(key, frozenset())) | set(entry.said.get(key, ()))

    def magnitude(self, name: str, key: str) -> float | None:
        """Return a concept's magnitude in the unit of `MAGNITUDES`, or its nearest ancestor's."""
        for candidate in (name, *self.ancestors(name)):
            if key in self.entries[candidate].magnitudes:
                return self.entries[candidate].magnitudes[key]
        return None

    def _derived(self, name: str) -> frozenset[str]:
        names = set()
        for word, (key, low, high) in DERIVED.items():
            value = self.magnitude(name, key)
            if value is None:
                continue
            if (low is None or value >= low) and (high is None or value <= high):
                names.add(word)
        return frozenset(names - self.entries[name].refused.get("prop", frozenset()))


def _entry(path: Path, name: str, raw: dict[str, Any]) -> Entry:
    unknown = set(raw) - set(FIELDS) - set(MAGNITUDES) - {"not"}
    if unknown:
        raise InputError(f"{path}: {name!r} has unknown fields {sorted(unknown)}")
    refused = raw.get("not") or {}
    return Entry(
        name=name,
        parents=tuple(raw.get("is", ())),
        said={key: tuple(map(str, raw[key])) for key in FIELDS if key != "is" and key in raw},
        refused={key: frozenset(map(str, tails)) for key, tails in refused.items()},
        magnitudes={key: float(raw[key]) for key in MAGNITUDES if key in raw},
    )
