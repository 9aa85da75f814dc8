"""Comparatives of the everyday world, derived from the magnitudes of the table.

A claim names which of two concepts is more on an axis. It is true if both have the magnitude and
their ratio is at least `NEAR`; nearer values are equal, so that either direction is false.
Quantifiers (*much*, *slightly*) are not checked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from everyday.nouns import fit_for_pairs
from everyday.table import MAGNITUDES, Table
from everyday.text import Document
from synthkd.keys import fraction
from synthkd.text.normal_forms import normal_phrase
from synthkd.text.nouns import plural

#: Ratio below which two magnitudes are equal.
NEAR = 1.25
#: Share of the claims (a pair on an axis) that are kept out of the training data.
KEPT_OUT = 0.3

#: axis -> field of the table.
AXES = {"mass": "kg", "size": "m", "speed": "kmh", "price": "usd", "lifespan": "years"}
#: axis -> words for more, words for less.
WORDS = {
    "mass": (("heavier",), ("lighter",)),
    "size": (("bigger", "larger"), ("smaller",)),
    "speed": (("faster",), ("slower",)),
    "price": (("more expensive",), ("cheaper",)),
    "lifespan": (("longer-lived",), ("shorter-lived",)),
}
ADVERBS = ("typically", "usually", "generally", "often", "normally")

#: left, right, axis, direction (`more` or `less`).
Claim = tuple[str, str, str, str]


class Comparatives:
    """Claims about pairs of concepts of a table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        #: Concepts of pairs: concrete (with a magnitude of their own), and with one undisputed
        #: plural.
        self.names = sorted(
            n for n, e in table.entries.items() if e.magnitudes and fit_for_pairs(n)
        )
        self._value = {
            (n, axis): table.magnitude(n, key) for n in table.entries for axis, key in AXES.items()
        }
        self._by_form = {normal_phrase(form): n for n in table.entries for form in (n, plural(n))}

    def direction(self, left: str, right: str, axis: str) -> str | None:
        """Return `more`, `less` or `equal`; None if one of the two has no such magnitude."""
        a, b = self._value.get((left, axis)), self._value.get((right, axis))
        if a is None or b is None or left == right:
            return None
        low, high = sorted((a, b))
        if high == low or (low > 0 and high / low < NEAR):
            return "equal"
        return "more" if a > b else "less"

    def valid(self, row: Mapping[str, Any]) -> bool:
        """Return True if (left, right, attribute, direction) is true, in singular or plural."""
        left, right = (
            self._by_form.get(normal_phrase(str(row[side])), str(row[side]))
            for side in ("left", "right")
        )
        return self.direction(left, right, str(row["attribute"])) == str(row["direction"])

    def seen(self, row: Mapping[str, Any]) -> bool:
        """Return True if a row's pair on its axis may be in the training data."""
        left, right = (
            self._by_form.get(normal_phrase(str(row[side])), str(row[side]))
            for side in ("left", "right")
        )
        return was_seen(left, right, str(row["attribute"]))

    def pair(self, rng: random.Random) -> tuple[str, str]:
        """Draw two concepts, half of the time of one category."""
        left = rng.choice(self.names)
        parents = set(self.table.entries[left].parents)
        if rng.random() < 0.5:
            sisters = [
                n
                for n in self.names
                if n != left and parents.intersection(self.table.entries[n].parents)
            ]
            if sisters:
                return left, rng.choice(sisters)
        right = rng.choice(self.names)
        return (left, right) if right != left else self.pair(rng)

    def claims(self, left: str, right: str) -> list[Claim]:
        """Return the true claims about two concepts."""
        directions = [(axis, self.direction(left, right, axis)) for axis in AXES]
        return [(left, right, axis, way) for axis, way in directions if way in ("more", "less")]

    def say(self, claim: Claim, rng: random.Random) -> tuple[str, str]:
        """Return the prompt of a claim and its continuation."""
        left, right, axis, way = claim
        word = rng.choice(WORDS[axis][way == "less"])
        adverb = rng.choice(ADVERBS)
        quantifier = self._quantifier(claim, rng)
        words = " ".join(part for part in (adverb, quantifier, word) if part)
        return stem(left, right), f" {words}.\n"

    def _quantifier(self, claim: Claim, rng: random.Random) -> str:
        left, right, axis, _ = claim
        a, b = (self._value[side, axis] or 0.0 for side in (left, right))
        ratio = max(a, b) / max(min(a, b), 1e-9)
        if rng.random() < 0.5:
            return ""
        return rng.choice(("much", "far")) if ratio >= 4 else "slightly" if ratio < 1.6 else ""

    def documents(self, seed: int, count: int = 1200, shots: int = 2) -> Iterator[Document]:
        """Yield blocks of true claims that are not kept out, each about another pair."""
        rng = random.Random(seed)  # noqa: S311
        for _ in range(count):
            block: Document = []
            while len(block) <= shots:
                claims = [c for c in self.claims(*self.pair(rng)) if was_seen(*c[:3])]
                if claims:
                    block.append(self.say(rng.choice(claims), rng))
            yield block


def was_seen(left: str, right: str, axis: str) -> bool:
    """Return True if a pair on an axis may be in the training data, in either order."""
    return fraction("|".join(["comparative", *sorted((left, right)), axis])) >= KEPT_OUT


def stem(left: str, right: str) -> str:
    """Return the end of a prompt about a pair."""
    return f"Compared to {plural(right)}, {plural(left)} are"


def documents(seed: int, count: int = 1200) -> Iterator[Document]:
    """Yield training text from the table shipped with synthkd."""
    return Comparatives(Table.load()).documents(seed, count)


assert set(AXES.values()) == set(MAGNITUDES)
