"""Agreement of sources on names of WikiKGE-10 (M-NTA, Conia et al. 2023).

Names of Wikidata and of three GPT models vote by source. Precision and coverage are those of the
data set's own scorer: micro precision and recall against the names that people judged right, after
its normal form; a name that nobody judged counts as wrong. Names of Wikidata were all judged, most
others were not, so that the precision of the others is a lower bound.

Names are ranked without a verdict: by the number of families of sources that agree (the GPT models
are one, since they err together), then by how often other families confirm the family, then by the
number of sources. The precision of the ranked names at the coverage of a single source, less the
precision of that source, is its gain. The rank at which coverage is reached may lie within a group
of equal rank, of which the share that is needed counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from synthkd.filters import tally
from synthkd.filters.vote_sources import SourceVotes
from synthkd.statistics import draw_counts, percentile_interval

LANGUAGES = ("de", "es", "ja", "ar")
SOURCES = ("wikidata", "gpt-3", "gpt-3.5", "gpt-4")
FAMILIES = {"gpt-3": "gpt", "gpt-3.5": "gpt", "gpt-4": "gpt"}
#: M-NTA with its best language model; English has one file for all.
_MERGED = ("m-nta+gpt-4", "m-nta")
#: The most agreeing sources of M-NTA in a table; a few names have more.
_MOST = 6
_DRAWS = 1000
Floats = np.ndarray[Any, np.dtype[np.float64]]


def normal_name(name: str) -> str:
    """Return the normal form of the data set's scorer: lower case, letters, digits and blanks."""
    return "".join(c for c in name.lower() if c.isalnum() or c == " ").strip()


@dataclass(frozen=True)
class Names:
    """The names of a language.

    Attributes:
        entities: Ids of the entities that have a correct name.
        correct: Correct names of each entity.
        givers: Entity and name, with the sources that give it.
        scores: Entity and name, with the number of sources that M-NTA counted: translators, a
            search and GPT-4, of which the data set has the number alone.
    """

    entities: tuple[str, ...]
    correct: Mapping[str, frozenset[str]]
    givers: Mapping[tuple[str, str], frozenset[str]]
    scores: Mapping[tuple[str, str], int]


@cache
def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def read_names(data: Path, language: str) -> Names:
    """Read the names of a language; those without a letter or digit are left out."""
    gold = _rows(data / "wikikge" / "gold.parquet")
    correct = {
        row["id"]: frozenset(map(normal_name, row["correct_names"])) - {""}
        for row in gold
        if row["lang"] == language and row["correct_names"]
    }
    givers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    scores: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in _rows(data / "wikikge" / "names.parquet"):
        key = row["gold_id"], normal_name(row["name"])
        if row["gold_id"] not in correct or not key[1]:
            continue
        if row["source"] in SOURCES:
            givers[key].add(row["source"])
        elif row["source"] in _MERGED:
            scores[key] = max(scores[key], int(row["score"]))
    return Names(
        tuple(sorted(correct)),
        correct,
        {key: frozenset(sources) for key, sources in sorted(givers.items())},
        dict(sorted(scores.items())),
    )


def agreeing(names: Names, same: Mapping[str, str]) -> list[int]:
    """Count the agreeing sources of each name, as `votes: {by: source}` does."""
    rows = [(*key, source) for key, sources in names.givers.items() for source in sorted(sources)]
    entity, name, source = zip(*rows, strict=True)
    weight = SourceVotes(column="source", same=dict(same))
    voters = weight.voters(pa.table({"source": source, "input_id": entity}))
    votes = tally(list(entity), list(name), voters).votes.tolist()
    by_name = dict(zip(zip(entity, name, strict=True), votes, strict=True))
    return [int(by_name[key]) for key in names.givers]


class _Counts:
    """Names and correct names of each entity in each group of names."""

    def __init__(
        self, names: Names, groups: Sequence[int], keys: Iterable[tuple[str, str]] | None = None
    ) -> None:
        place = {entity: number for number, entity in enumerate(names.entities)}
        shape = (len(place), max(groups, default=0) + 1)
        self.given, self.right = np.zeros(shape), np.zeros(shape)
        for (entity, name), group in zip(keys or names.givers, groups, strict=True):
            self.given[place[entity], group] += 1
            self.right[place[entity], group] += name in names.correct[entity]
        self.wanted = np.array([len(names.correct[entity]) for entity in names.entities], float)


def ranked_groups(names: Names) -> list[int]:
    """Return the rank of each name's group, 0 the best; names of equal sources are a group."""
    families = agreeing(names, FAMILIES)
    confirmed: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for sources, count in zip(names.givers.values(), families, strict=True):
        for family in {FAMILIES.get(source, source) for source in sources}:
            confirmed[family][0] += count > 1
            confirmed[family][1] += 1
    share = {family: both / every for family, (both, every) in confirmed.items()}
    keys = [
        (
            -count,
            -max(share[FAMILIES.get(source, source)] for source in sources),
            -len(sources),
            sorted(sources),
        )
        for sources, count in zip(names.givers.values(), families, strict=True)
    ]
    order = sorted({str(key): key for key in keys}.values())
    rank = {str(key): number for number, key in enumerate(order)}
    return [rank[str(key)] for key in keys]


def precision_at(given: Floats, right: Floats, correct: Floats) -> Floats:
    """Return the precision of ranked groups where they have so many correct names.

    Args:
        given: Names of each group (draws, groups), the best first.
        right: Correct ones of them.
        correct: Correct names that are wanted (draws,).
    """
    rights, givens = np.cumsum(right, axis=1), np.cumsum(given, axis=1)
    place = np.argmax(rights >= correct[:, None] - 1e-9, axis=1)
    row = np.arange(len(place))
    before, taken = rights[row, place] - right[row, place], givens[row, place] - given[row, place]
    share = (correct - before) / np.where(right[row, place] > 0, right[row, place], 1.0)
    result: Floats = correct / (taken + share * given[row, place])
    return result


def figures(options: Options) -> Figures:
    """Measure each language, and the smallest mean gain over all single sources."""
    languages = LANGUAGES[:2] if options.quick else LANGUAGES
    draws = 100 if options.quick else _DRAWS
    results: dict[str, Any] = {}
    gains: dict[str, list[Floats]] = {source: [] for source in SOURCES}
    for number, language in enumerate(languages):
        names = read_names(options.data_folder, language)
        results[language], own = _language(names, draws, number)
        for source in SOURCES:
            gains[source].append(own[source])
        _show(language, results[language])
    english = {"merged": _merged(read_names(options.data_folder, "en"))}
    _show("en", english)
    mean = {source: np.mean(values, axis=0) for source, values in gains.items()}
    worst = min(SOURCES, key=lambda source: float(mean[source][0]))
    worst_model = min(FAMILIES, key=lambda source: float(mean[source][0]))
    return {
        "sources_precision_gain": _figure(mean[worst]),
        "sources_precision_gain_models": _figure(mean[worst_model]),
        **{f"sources_precision_gain_{name}": _figure(mean[name]) for name in SOURCES},
        "sources_precision_two": round(
            float(np.mean([one["families"][1]["precision"] for one in results.values()])), 4
        ),
        "sources_coverage_two": round(
            float(np.mean([one["families"][1]["coverage"] for one in results.values()])), 4
        ),
        "sources": {**results, "en": english},
    }


def _language(names: Names, draws: int, seed: int) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Measure a language; also the gain over each source, on all entities and on each draw."""
    weights = np.concatenate(
        [np.ones((1, len(names.entities))), *draw_counts(np.ones(len(names.entities)), draws, seed)]
    )
    ranked = _Counts(names, ranked_groups(names))
    given, right = weights @ ranked.given, weights @ ranked.right
    results: dict[str, Any] = {"sources": {}}
    gains = {}
    for source in SOURCES:
        own = _Counts(names, [int(source in sources) for sources in names.givers.values()])
        correct = weights @ own.right[:, 1]
        precision = correct / (weights @ own.given[:, 1])
        gains[source] = precision_at(given, right, correct) - precision
        results["sources"][source] = {
            "precision": round(float(precision[0]), 4),
            "coverage": round(float(correct[0] / own.wanted.sum()), 4),
            "gain": _figure(gains[source]),
        }
    results["agreeing"] = _per_number(names, agreeing(names, {}))
    results["families"] = _per_number(names, agreeing(names, FAMILIES))
    results["merged"] = _merged(names)
    return results, gains


def _merged(names: Names) -> list[dict[str, Any]]:
    return _per_number(names, [min(s, _MOST) for s in names.scores.values()], names.scores)


def _per_number(
    names: Names, numbers: list[int], keys: Iterable[tuple[str, str]] | None = None
) -> list[dict[str, Any]]:
    """Return precision and coverage of the names on which so many sources or more agree."""
    counts = _Counts(names, numbers, keys)
    given, right = counts.given.sum(axis=0), counts.right.sum(axis=0)
    return [
        {
            "sources": least,
            "names": int(given[least:].sum()),
            "precision": round(float(right[least:].sum() / given[least:].sum()), 4),
            "coverage": round(float(right[least:].sum() / counts.wanted.sum()), 4),
        }
        for least in range(1, len(given))
    ]


def _figure(values: Floats) -> dict[str, float]:
    low, high = percentile_interval(values[1:])
    return {"value": round(float(values[0]), 4), "low": round(low, 4), "high": round(high, 4)}


#: What agrees, by the name of its results.
_WORDS = {
    "agreeing": "sources",
    "families": "families",
    "merged": "sources of M-NTA",
}


def _show(language: str, result: Mapping[str, Any]) -> None:
    rows: list[tuple[Any, ...]] = [(language, "precision", "coverage", "gain of ranked names")]
    for source, one in result.get("sources", {}).items():
        gain = one["gain"]
        text = f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
        rows.append((source, f"{one['precision']:.3f}", f"{one['coverage']:.3f}", text))
    for label, word in _WORDS.items():
        for one in result.get(label, ()):
            name = f"{one['sources']} or more {word}"
            rows.append((name, f"{one['precision']:.3f}", f"{one['coverage']:.3f}", ""))
    print(table(rows))
