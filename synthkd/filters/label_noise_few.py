"""Wrong labels where there are too few rows of a class to cross-fit: a round of a loop, say, with a row or two of each.

Confident learning needs how sure a classifier is of the rows of each class, and from few rows that is noise. Rows that are
trusted train a classifier instead, which has not seen what it judges: a label is wrong where another class is far likelier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from synthkd.text.overlap import normal_text

#: So many times likelier than the given class must another be. Chosen on parts of BANKING77's training rows, with a fifth of
#: the labels drawn anew.
ODDS = 10.0


class Doubt(NamedTuple):
    """What the trusted rows say of a label: its own probability, the likeliest class and that one's."""

    trust: float
    suggested: str
    probability: float

    @property
    def wrong(self) -> bool:
        return self.trust * ODDS < self.probability


def judged_by_trusted(
    texts: Sequence[str],
    labels: Sequence[str],
    rows: Sequence[int],
    trusted: tuple[Sequence[str], Sequence[str]],
    features: Any,
    least: int,
) -> dict[int, Doubt]:
    """Judge these rows, as far as their class has ``least`` different trusted texts. ``features`` makes an embedding from
    texts."""
    different = {(normal_text(text), label) for text, label in zip(*trusted, strict=True)}
    known = {label for label, count in Counter(label for _, label in different).items() if count >= least}
    asked = [row for row in rows if labels[row] in known]
    if not asked or len(known) < 2:
        return {}
    from sklearn.linear_model import LogisticRegression

    from synthkd.students.classifiers.heads import few_rows_each

    pairs = [(text, label) for text, label in zip(*trusted, strict=True) if label in known]
    seen, given = [text for text, _ in pairs], [label for _, label in pairs]
    embed = features(seen)
    with few_rows_each():
        model = LogisticRegression(C=10.0, max_iter=200, tol=1e-3).fit(embed(seen), given)
    found = model.predict_proba(embed([texts[row] for row in asked]))
    places = {label: place for place, label in enumerate(model.classes_)}
    best = found.argmax(axis=1)
    return {
        row: Doubt(float(own[places[labels[row]]]), str(model.classes_[top]), float(own[top]))
        for row, own, top in zip(asked, found, best.tolist(), strict=True)
    }
