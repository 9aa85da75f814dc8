"""Count features: how often slots, words and word pairs of a candidate co-occur in the reference.

Shares are shrunk towards their expectation under chance, so a single co-occurrence counts little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.triples.phrases import IndexedTriples, Ints, Vocabulary

Floats = np.ndarray[Any, np.dtype[np.float64]]
#: Pseudo-counts with which each share is shrunk towards chance.
_PRIOR, _PAIR_PRIOR = 2.0, 3.0


@dataclass(frozen=True)
class KeyCounts:
    """Counts of sorted keys."""

    keys: Ints
    counts: Ints

    @classmethod
    def of(cls, keys: Ints) -> KeyCounts:
        """Count keys."""
        return cls(*np.unique(keys, return_counts=True))

    def __call__(self, keys: Ints) -> Floats:
        """Return the counts of keys (n,); 0 for an unknown key."""
        if not len(self.keys):
            return np.zeros(len(keys))
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.counts[place], 0).astype(np.float64)


class CountFeatures:
    """Counts of a reference; `features` reads candidates that share its vocabulary."""

    def __init__(self, vocabulary: Vocabulary, reference: IndexedTriples) -> None:
        # One number above the vocabulary's stands for everything unknown.
        self.n_phrases, self.n_words = len(vocabulary.phrases) + 1, len(vocabulary.words) + 1
        self.n_relations, self.rows = len(vocabulary.relations) + 1, len(reference)
        self.counts = {name: KeyCounts.of(keys) for name, keys in self._keys(reference).items()}

    def _keys(self, rows: IndexedTriples) -> dict[str, Ints]:
        """Return the keys of rows, of their words and of their word pairs."""
        phrases, relation, size = rows.phrases, rows.relation, self.n_relations
        head, tail = phrases.places[rows.head], phrases.places[rows.tail]
        keys = {
            "r": relation, "h": head, "t": tail, "hr": head * size + relation,
            "tr": tail * size + relation,
            "ht": head * self.n_phrases + tail,
            "htr": (head * self.n_phrases + tail) * size + relation,
        }  # fmt: skip
        for side, which in (("h", rows.head), ("t", rows.tail)):
            row, word = phrases.words_of(which)
            keys |= {f"{side}_w": word, f"{side}_wr": word * size + relation[row]}
            for name, last in (("first", False), ("last", True)):
                edge = phrases.edge(which, last)
                keys |= {f"{side}_{name}": edge, f"{side}_{name}r": edge * size + relation}
        row, left, right = phrases.pairs_of(rows.head, rows.tail)
        pair = left * self.n_words + right
        keys |= {"ab": pair, "abr": pair * size + relation[row]}
        for name, last in (("ff", False), ("ll", True)):
            left, right = phrases.edge(rows.head, last), phrases.edge(rows.tail, last)
            keys[name] = (left * self.n_words + right) * size + relation
        return keys

    def features(self, rows: IndexedTriples) -> dict[str, Floats]:
        """Return named features, (n,) each."""
        keys = self._keys(rows)
        count = {name: self.counts[name](features) for name, features in keys.items()}
        chance = (count["r"] + 1) / (self.rows + self.n_relations)
        features = {"relation": np.log(chance)}
        features |= {
            f"n_{name}": np.log1p(count[name]) for name in ("h", "t", "hr", "tr", "ht", "ff", "ll")
        }
        features |= self._turned(rows)
        for side in ("h", "t"):
            features[f"{side}_lift"] = _lift(count[f"{side}r"], count[side], chance, _PRIOR)
            for edge in ("first", "last"):
                name = f"{side}_{edge}"
                features[f"{name}_lift"] = _lift(count[f"{name}r"], count[name], chance, _PRIOR)
            features |= self._words(rows, side, count, chance)
        return features | self._pairs(rows, count, chance)

    def _turned(self, rows: IndexedTriples) -> dict[str, Floats]:
        """Return features of the candidate with head and tail exchanged."""
        phrases, size = rows.phrases.places, self.n_relations
        head, tail, tally = phrases[rows.head], phrases[rows.tail], self.counts
        turned = tail * self.n_phrases + head
        return {
            "turned_ht": tally["ht"](turned),
            "turned_htr": tally["htr"](turned * size + rows.relation),
            "h_as_tail": np.log1p(tally["t"](head)),
            "t_as_head": np.log1p(tally["h"](tail)),
            "h_as_tail_r": np.log1p(tally["tr"](head * size + rows.relation)),
            "t_as_head_r": np.log1p(tally["hr"](tail * size + rows.relation)),
        }

    def _words(
        self, rows: IndexedTriples, side: str, count: dict[str, Floats], chance: Floats
    ) -> dict[str, Floats]:
        row, _ = rows.phrases.words_of(rows.head if side == "h" else rows.tail)
        alone, with_relation = count[f"{side}_w"], count[f"{side}_wr"]
        return {
            f"{side}_length": np.bincount(row, minlength=len(rows)).astype(np.float64),
            **_spread(
                row,
                _lift(with_relation, alone, chance[row], _PRIOR),
                len(rows),
                f"{side}_word_lift",
            ),
            **_spread(row, np.log1p(alone), len(rows), f"{side}_word"),
            **_spread(row, np.log1p(with_relation), len(rows), f"{side}_word_r"),
        }

    def _pairs(
        self, rows: IndexedTriples, count: dict[str, Floats], chance: Floats
    ) -> dict[str, Floats]:
        n, size = len(rows), self.n_relations
        row, left, right = rows.phrases.pairs_of(rows.head, rows.tail)
        relation = rows.relation[row]
        expected = (
            (self.counts["h_w"](left) + 0.5) * (self.counts["t_w"](right) + 0.5) / max(self.rows, 1)
        )
        in_relation = self.counts["h_wr"](left * size + relation) + 0.5
        in_relation *= (self.counts["t_wr"](right * size + relation) + 0.5) / (count["r"][row] + 1)
        same = np.bincount(row, (left == right) & (left < self.n_words - 1), n)
        shorter = np.minimum(rows.phrases.lengths(rows.head), rows.phrases.lengths(rows.tail))
        return {
            **_spread(row, np.log((count["ab"] + 1) / (expected + 1)), n, "pair_pmi"),
            **_spread(row, np.log((count["abr"] + 1) / (in_relation + 1)), n, "pair_pmi_r"),
            **_spread(row, np.log1p(count["ab"]), n, "pair"),
            **_spread(row, np.log1p(count["abr"]), n, "pair_r"),
            **_spread(
                row, _lift(count["abr"], count["ab"], chance[row], _PAIR_PRIOR), n, "pair_lift"
            ),
            "shared": same / shorter,
        }


def _lift(part: Floats, whole: Floats, chance: Floats, prior: float) -> Floats:
    """Return the log of a smoothed share over the share under chance."""
    return np.log((part + prior * chance) / (whole + prior) / chance)


def _spread(row: Ints, values: Floats, n: int, name: str) -> dict[str, Floats]:
    """Return mean, greatest and least of the values of each row; each row has at least one."""
    start = np.flatnonzero(np.diff(row, prepend=-1))
    sums, sizes = np.add.reduceat(values, start), np.diff(np.append(start, len(row)))
    return {
        f"{name}_mean": sums / sizes,
        f"{name}_max": np.maximum.reduceat(values, start),
        f"{name}_min": np.minimum.reduceat(values, start),
    } if n else {f"{name}_{what}": np.zeros(0) for what in ("mean", "max", "min")}  # fmt: skip
