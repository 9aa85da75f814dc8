"""Agreement of annotators: Krippendorff's alpha, and agreement in pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations

from synthkd.labels.merge import Votes
from synthkd.reporting.safe_text import clean


def krippendorff_alpha(votes: Mapping[str, Mapping[str, str]]) -> float | None:
    """Return Krippendorff's alpha for nominal values; items with a single verdict do not count.

    1 is full agreement, 0 agreement by chance (Krippendorff 2011, Computing Krippendorff's
    Alpha-Reliability).

    Args:
        votes: Item -> annotator -> verdict.

    Returns:
        Alpha; None if no item has two verdicts, or if all verdicts are equal.
    """
    coincidences: defaultdict[tuple[str, str], float] = defaultdict(float)
    for verdicts in votes.values():
        for pair in permutations(verdicts.values(), 2):
            coincidences[pair] += 1 / (len(verdicts) - 1)
    margins: defaultdict[str, float] = defaultdict(float)
    for (value, _), count in coincidences.items():
        margins[value] += count
    total = sum(margins.values())
    expected = total * total - sum(count * count for count in margins.values())
    if len(margins) < 2:
        return None
    observed = sum(count for (one, other), count in coincidences.items() if one != other)
    return float(1 - (total - 1) * observed / expected)


@dataclass(frozen=True)
class AnnotatorPair:
    """Two annotators, the number of items that both labelled, and the number of equal verdicts."""

    one: str
    other: str
    common: int
    same: int


def annotator_pairs(votes: Votes) -> list[AnnotatorPair]:
    """Return every two annotators who share an item."""
    names = sorted({name for verdicts in votes.values() for name in verdicts})
    pairs = []
    for one, other in combinations(names, 2):
        both = [(v[one], v[other]) for v in votes.values() if one in v and other in v]
        if both:
            pairs.append(AnnotatorPair(one, other, len(both), sum(a == b for a, b in both)))
    return pairs


def agreement_report(votes: Votes) -> str:
    """Return alpha, the verdicts of each annotator and the agreement of each pair, as text."""
    names = sorted({name for verdicts in votes.values() for name in verdicts})
    several = sum(len(verdicts) > 1 for verdicts in votes.values())
    alpha = krippendorff_alpha(votes)
    lines = [
        f"{len(votes):,} rows, {several:,} with more than one verdict",
        "Krippendorff's alpha: " + ("undefined" if alpha is None else f"{alpha:.3f}"),
    ]
    for name in names:
        counts = Counter(verdicts[name] for verdicts in votes.values() if name in verdicts)
        shown = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
        lines.append(f"  {_shown(name)}: {shown}")
    for pair in annotator_pairs(votes):
        lines.append(
            f"  {_shown(pair.one)} and {_shown(pair.other)}: {pair.same:,} of {pair.common:,} alike"
            f" ({pair.same / pair.common:.0%})"
        )
    return "\n".join(lines)


def _shown(annotator: str) -> str:
    return clean(annotator) or "(no name)"
