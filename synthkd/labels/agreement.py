"""How far annotators agree: Krippendorff's alpha, and a table of pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations

from synthkd.labels.merge import Votes
from synthkd.reporting.safe_text import clean


def krippendorff_alpha(votes: Mapping[str, Mapping[str, str]]) -> float | None:
    """Krippendorff's alpha for nominal values; items with one verdict only do not count.

    1 is full agreement, 0 what chance would give. ``None`` where no item has two verdicts, or all verdicts are equal:
    then nothing can be said. (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.)
    """
    seen: defaultdict[tuple[str, str], float] = defaultdict(float)
    for said in votes.values():
        for pair in permutations(said.values(), 2):
            seen[pair] += 1 / (len(said) - 1)
    margin: defaultdict[str, float] = defaultdict(float)
    for (value, _), count in seen.items():
        margin[value] += count
    total = sum(margin.values())
    expected = total * total - sum(count * count for count in margin.values())
    if len(margin) < 2:
        return None
    observed = sum(count for (one, other), count in seen.items() if one != other)
    return float(1 - (total - 1) * observed / expected)


@dataclass(frozen=True)
class AnnotatorPair:
    """Two annotators: on how many items both spoke, and on how many they said the same."""

    one: str
    other: str
    common: int
    same: int


def annotator_pairs(votes: Votes) -> list[AnnotatorPair]:
    """Every two annotators who share an item."""
    people = sorted({name for said in votes.values() for name in said})
    found = []
    for one, other in combinations(people, 2):
        both = [(said[one], said[other]) for said in votes.values() if one in said and other in said]
        if both:
            found.append(AnnotatorPair(one, other, len(both), sum(a == b for a, b in both)))
    return found


def agreement_report(votes: Votes) -> str:
    """Alpha, who said what how often, and pairs, in words."""
    people = sorted({name for said in votes.values() for name in said})
    several = sum(len(said) > 1 for said in votes.values())
    value = krippendorff_alpha(votes)
    lines = [
        f"{len(votes):,} rows, {several:,} with more than one verdict",
        "Krippendorff's alpha: " + ("cannot be told" if value is None else f"{value:.3f}"),
    ]
    for name in people:
        counts = Counter(said[name] for said in votes.values() if name in said)
        lines.append(
            f"  {_named(name)}: " + ", ".join(f"{count:,} {v}" for v, count in sorted(counts.items()))
        )
    for pair in annotator_pairs(votes):
        lines.append(
            f"  {_named(pair.one)} and {_named(pair.other)}: {pair.same:,} of {pair.common:,} alike"
            f" ({pair.same / pair.common:.0%})"
        )
    return "\n".join(lines)


def _named(annotator: str) -> str:
    return clean(annotator) or "(no name)"
