"""Pairs of things worth comparing: of one category, or near each other in meaning.

Comparing things that have nothing in common teaches little; the paper pairs sisters of one class
(Howard et al. 2023). Each unordered pair occurs once, and nothing is paired with itself. Equal
seeds give equal pairs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from synthkd.errors import InputError, nearest, require_extra
from synthkd.rows import CellError, cell_text, text_cell
from synthkd.text.nouns import entity_key
from synthkd.text.tfidf import fit_tfidf

WAYS = ("category", "similar", "random")
NAMES = ("name", "entity", "head", "title", "label")
CATEGORIES = ("category", "parent", "class", "kind", "type")
#: Neighbours of a thing among which one is drawn, and rows of a block of similarities.
NEIGHBOURS, _BLOCK = 10, 1024
#: Where fewer pairs than this are possible, all are listed and drawn from.
_LISTED = 500_000
#: A cell may name several categories.
_SPLIT = "|"


@dataclass(frozen=True)
class Thing:
    """A thing to compare: its name, its categories, and the text whose similarity is measured."""

    name: str
    categories: tuple[str, ...]
    text: str


def read_things(
    rows: Sequence[Mapping[str, Any]], name: str | None, category: str | None, needed: bool
) -> list[Thing]:
    """Read the distinct things of a table, in their order.

    Args:
        needed: The category column must exist.
    """
    if not rows:
        raise InputError("no rows; at least two things are needed")
    have = list(rows[0])
    name = _column(name, have, NAMES, "names") or have[0]
    category = _column(category, have, CATEGORIES, "categories")
    if needed and category is None:
        raise InputError(
            f"no column of categories (there are: {', '.join(have)}); name it with --category, or"
            " take --by similar"
        )
    things: dict[str, Thing] = {}
    for number, row in enumerate(rows, 1):
        label = (text_cell(row.get(name), f"row {number}", name) or "").strip()
        key = entity_key(label)
        if not key:
            continue
        cell = (text_cell(row.get(category), f"row {number}", category) or "") if category else ""
        own = tuple(part.strip() for part in cell.split(_SPLIT) if part.strip())
        text = " ".join(filter(None, map(_cell_words, row.values())))
        before = things.get(key)
        things[key] = (
            Thing(label, own, text)
            if before is None
            else Thing(before.name, (*before.categories, *own), f"{before.text} {text}")
        )
    if len(things) < 2:
        raise InputError(f"{len(things)} things in column {name!r}: at least two are needed")
    return list(things.values())


def _cell_words(value: Any) -> str | None:
    """Return a cell's text; None for a cell without text, since the column may be another's."""
    try:
        return cell_text(value)
    except CellError:
        return None


def make_pairs(
    things: Sequence[Thing], by: str, n: int, seed: int = 0, embedder: str | None = None
) -> list[tuple[str, str]]:
    """Make at most ``n`` pairs of names."""
    rng = random.Random(seed)  # noqa: S311
    if by == "category":
        places = _sisters(things, n, rng)
    elif by == "similar":
        places = _neighbours(things, n, rng, embedder)
    elif by == "random":
        places = _drawn([range(len(things))], n, rng)
    else:
        raise InputError(f"pairs by {by!r}: {', '.join(WAYS)} are known{nearest(by, list(WAYS))}")
    return [(things[i].name, things[j].name) for i, j in places]


def _sisters(things: Sequence[Thing], n: int, rng: random.Random) -> list[tuple[int, int]]:
    groups: dict[str, list[int]] = {}
    for i, thing in enumerate(things):
        for category in dict.fromkeys(thing.categories):
            groups.setdefault(category, []).append(i)
    return _drawn([group for group in groups.values() if len(group) > 1], n, rng)


def _drawn(groups: Sequence[Sequence[int]], n: int, rng: random.Random) -> list[tuple[int, int]]:
    """Draw pairs within groups, each pair with equal probability, in either order."""
    sizes = [len(group) * (len(group) - 1) // 2 for group in groups]
    if sum(sizes) <= max(_LISTED, 4 * n):
        all_pairs = sorted({(min(p), max(p)) for group in groups for p in combinations(group, 2)})
        chosen = rng.sample(all_pairs, min(n, len(all_pairs)))
    else:
        distinct: dict[tuple[int, int], None] = {}
        while len(distinct) < n:
            (group,) = rng.choices(groups, sizes)
            one, other = rng.sample(group, 2)
            distinct[min(one, other), max(one, other)] = None
        chosen = list(distinct)
    return [pair if rng.random() < 0.5 else (pair[1], pair[0]) for pair in chosen]


def _neighbours(
    things: Sequence[Thing], n: int, rng: random.Random, embedder: str | None
) -> list[tuple[int, int]]:
    """Pair each thing in turn with one of its nearest, in rounds, until there are enough pairs."""
    near = [list(row) for row in _nearest(_vectors([thing.text for thing in things], embedder))]
    for row in near:
        rng.shuffle(row)
    order = list(range(len(things)))
    rng.shuffle(order)
    chosen: dict[tuple[int, int], tuple[int, int]] = {}
    for place in range(max(map(len, near))):
        for i in order:
            if place < len(near[i]):
                j = near[i][place]
                chosen.setdefault((min(i, j), max(i, j)), (i, j))
                if len(chosen) == n:
                    return list(chosen.values())
    return list(chosen.values())


def _vectors(texts: list[str], embedder: str | None) -> Any:
    """Return unit vectors (n, d): TF-IDF of words and of parts of words, or of an encoder."""
    if embedder:
        from synthkd.critics.triples.vectors import load_phrase_encoder

        return load_phrase_encoder(embedder).of(texts)
    require_extra("pairs by similarity", "critics", "sklearn")
    from sklearn.preprocessing import normalize

    return normalize(fit_tfidf(texts, words=(1, 1), pieces=(3, 5))(texts))


def _nearest(vectors: Any) -> Iterator[list[int]]:
    """Find the nearest others of each row that have anything in common with the row."""
    count = vectors.shape[0]
    for begin in range(0, count, _BLOCK):
        block = vectors[begin : begin + _BLOCK] @ vectors.T
        block = block.toarray() if hasattr(block, "toarray") else np.asarray(block)
        for i, row in enumerate(block, begin):
            row[i] = -np.inf
            best = np.argsort(-row, kind="stable")[:NEIGHBOURS]
            yield [int(j) for j in best if row[j] > 0]


def _column(given: str | None, have: list[str], usual: Sequence[str], what: str) -> str | None:
    if given is None:
        return next((name for name in usual if name in have), None)
    if given not in have:
        raise InputError(f"no column {given!r} of {what} here{nearest(given, have)}")
    return given
