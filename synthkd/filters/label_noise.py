"""Texts whose label is likely wrong: confident learning over a cross-fitted classifier.

Northcutt, Jiang and Chuang 2021, arXiv 1911.00068; cleanlab.

    >>> found = find_label_noise(texts, labels)
    >>> [(texts[i], labels[i], found.suggested[i]) for i in found.wrong]

The classifier is cross-fitted: a row's probabilities come from a model that was trained without the
fold in which it and its near duplicates lie.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from synthkd.errors import InputError, RecipeError, require_extra
from synthkd.filters.corpus_level import LastFilter
from synthkd.options import BaseOptions
from synthkd.text.near_search import near_groups
from synthkd.text.normal_forms import normal_text
from synthkd.text.shingle_sets import Numbers
from synthkd.text.tfidf import fit_tfidf

if TYPE_CHECKING:
    import pyarrow as pa

    from synthkd.kinds.base import Kind


#: So many times likelier than the given class must another be. Chosen on parts of BANKING77's
#: training rows, with a fifth of the labels drawn anew.
ODDS = 10.0
#: Classes that a report names.
_SHOWN = 5


@contextmanager
def few_rows_each() -> Iterator[None]:
    """Silence scikit-learn about classes with few rows and about numbers as labels.

    Few rows are an ordinary start.
    """
    with warnings.catch_warnings():
        for said in ("The number of unique classes is greater", "The least populated class"):
            warnings.filterwarnings("ignore", said, UserWarning)
        yield


class Doubt(NamedTuple):
    """A label by the trusted rows: its probability, and the most likely class with its own."""

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
    """Judge these rows, as far as their class has ``least`` different trusted texts.

    ``features`` makes an embedding from texts.
    """
    different = {(normal_text(text), label) for text, label in zip(*trusted, strict=True)}
    known = {
        label for label, count in Counter(label for _, label in different).items() if count >= least
    }
    asked = [row for row in rows if labels[row] in known]
    if not asked or len(known) < 2:
        return {}
    from sklearn.linear_model import LogisticRegression

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


By = Literal["both", "prune_by_noise_rate", "confident_learning", "prune_by_class"]
#: Texts as rows of numbers: a matrix, dense or sparse.
Embed = Callable[[Sequence[str]], Any]


@dataclass(frozen=True)
class LabelNoise:
    """The verdict on each row.

    Attributes:
        wrong: Numbers of the rows to reject, the most certain first.
        trust: How well each label fits, from 0 to 1; NaN if its class is too small to judge.
        suggested: The label that fits best.
        probability: The probability of that label.
        small: The classes that were not judged, and their rows.
    """

    wrong: list[int]
    trust: Numbers
    suggested: list[str]
    probability: Numbers
    small: dict[str, int]


def find_label_noise(
    texts: Sequence[str],
    labels: Sequence[str],
    trusted: tuple[Sequence[str], Sequence[str]] = ((), ()),
    embed: Embed | None = None,
    folds: int = 5,
    by: By = "both",
    seed: int = 0,
) -> LabelNoise:
    """Look for wrong labels in any table of texts.

    ``trusted`` are texts and labels that train the classifier and are not judged; ``embed`` gives
    features in place of TF-IDF. Classes with fewer rows than ``folds`` groups of near duplicates
    are judged by the trusted rows alone where these have so many (`label_noise_few`), and else left
    alone.
    """
    _require_packages()
    if len(texts) != len(labels):
        raise InputError(f"{len(texts)} texts and {len(labels)} labels: each text needs one")
    trust, best = np.full(len(texts), np.nan), np.full(len(texts), np.nan)
    suggested = list(map(str, labels))
    groups = near_groups(texts)
    small = _small(labels, groups, folds)
    few = judged_by_trusted(
        texts, labels, [i for i, label in enumerate(labels) if label in small], trusted,
        (lambda _: embed) if embed else tf_idf, folds,
    )  # fmt: skip
    for place, doubt in few.items():
        trust[place], suggested[place], best[place] = doubt
    wrong_few = [place for place, doubt in few.items() if doubt.wrong]
    left = {
        label: count
        for label, count in small.items()
        if label not in {labels[place] for place in few}
    }
    places = np.array([i for i, label in enumerate(labels) if label not in small], dtype=np.int64)
    names = sorted({labels[i] for i in places})
    if len(names) < 2:
        return LabelNoise(_most_certain_first(wrong_few, trust), trust, suggested, best, left)
    given = np.searchsorted(names, [labels[i] for i in places])
    known = [
        (text, names.index(label))
        for text, label in zip(*trusted, strict=True)
        if label in set(names)
    ]
    everything = [*(texts[i] for i in places), *(text for text, _ in known)]
    features = (embed or tf_idf(everything))(everything)
    extra = np.array([code for _, code in known], np.int64)
    probabilities = cross_fitted(features, given, groups[places], extra, folds, seed)
    wrong, fits = confident(given, probabilities, by)
    trust[places] = fits
    best[places] = probabilities.max(axis=1)
    for place, code in zip(places.tolist(), probabilities.argmax(axis=1).tolist(), strict=True):
        suggested[place] = names[code]
    rows = _most_certain_first([*places[wrong].tolist(), *wrong_few], trust)
    return LabelNoise(rows, trust, suggested, best, left)


def _most_certain_first(rows: list[int], trust: Numbers) -> list[int]:
    return sorted(rows, key=lambda row: (trust[row], row))


def _require_packages() -> None:
    require_extra("the search for wrong labels", "text", "cleanlab", "sklearn")


def _small(labels: Sequence[str], groups: Numbers, folds: int) -> dict[str, int]:
    """Classes that do not reach into every fold, with their rows."""
    distinct = Counter(label for label, _ in {*zip(labels, groups.tolist(), strict=True)})
    rows = Counter(labels)
    return {label: rows[label] for label, count in distinct.items() if count < folds}


def cross_fitted(
    features: Any,
    given: Numbers,
    groups: Numbers,
    extra: Numbers | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Numbers:
    """Return the probabilities of all classes by a model that saw no row of the same group.

    ``extra`` are the classes of further rows of features, which only train.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    rows, more = len(given), np.zeros(0, np.int64) if extra is None else extra
    labels = np.concatenate([given, more])
    found = np.zeros((rows, int(labels.max()) + 1))
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with few_rows_each():
        for train, held in splits.split(np.zeros(rows), given, groups):
            seen = np.concatenate([train, np.arange(rows, rows + len(more))])
            model = LogisticRegression(C=10.0, max_iter=200).fit(features[seen], labels[seen])
            found[np.ix_(held, model.classes_)] = model.predict_proba(features[held])
    return found


def tf_idf(texts: Sequence[str]) -> Embed:
    """Return features without any model: words, pairs of words, runs of 2 to 4 characters."""
    return fit_tfidf(texts, min_df=2 if len(texts) > 200 else 1, dtype=np.float32)


def confident(given: Numbers, probabilities: Numbers, by: str) -> tuple[Numbers, Numbers]:
    """Rows whose label is likely wrong, the most certain first; how well each label fits."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    fits: Numbers = get_label_quality_scores(given, probabilities, method="self_confidence")
    issues = find_label_issues(given, probabilities, filter_by=by, n_jobs=1)
    wrong = np.flatnonzero(issues & (probabilities.argmax(axis=1) != given))
    return wrong[np.lexsort((wrong, fits[wrong]))], fits


class LabelNoiseRule(LastFilter):
    """Reject labels that are likely wrong, by confident learning.

    The classifier is cross-fitted to all accepted rows.

    Real rows of the recipe train the classifier too, and are not judged.
    """

    name: ClassVar[str] = "label_noise"

    class Options(BaseOptions):
        by: By = Field("both", description="How cleanlab decides.")
        at_least: float = Field(
            0.0, ge=0, lt=1, description="Probability that the other label must have."
        )
        folds: int = Field(5, ge=2, description="Folds of the cross-fitting.")
        seed: int = Field(0, ge=0, description="Seed of the folds.")
        max_rows: int = Field(
            500_000, ge=1, description="Accepted rows at most, since all texts lie in memory."
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _require_packages()
        self.by, self.at_least, self.folds = (
            self.options.by,
            self.options.at_least,
            self.options.folds,
        )
        self.seed, self.max_rows = self.options.seed, self.options.max_rows
        self._rows: list[tuple[str, str, str]] = []
        self._small: dict[str, int] = {}

    def columns(self, kind: Kind) -> list[str]:
        if not {"text", "label"} <= set(kind.columns):
            raise RecipeError(
                f"rule 'label_noise': rows of the kind {kind.name!r} have no text and label"
            )
        return ["id", "text", "label"]

    def take(self, batch: pa.RecordBatch, kind: Kind) -> None:
        self._rows += zip(
            *(batch.column(name).to_pylist() for name in ("id", "text", "label")), strict=True
        )
        if len(self._rows) > self.max_rows:
            raise RecipeError(
                f"rule 'label_noise': more than {self.max_rows:,} accepted rows; raise max_rows, or"
                " leave it out"
            )

    def settle(self, kind: Kind) -> Iterable[tuple[int, str]]:
        rows, self._rows = self._rows, []
        # In the order of ids: how rows were dealt must not be seen in the folds.
        order = sorted(range(len(rows)), key=lambda i: rows[i])
        real = kind.real
        labels = [rows[i][2] for i in order]
        found = find_label_noise(
            [rows[i][1] for i in order], labels, ([r.text for r in real], [r.label for r in real]),
            folds=self.folds, by=self.by, seed=self.seed,
        )  # fmt: skip
        self._small = found.small
        return [
            (
                order[i],
                f"given {labels[i]}, looks like {found.suggested[i]} ({found.probability[i]:.2f})",
            )
            for i in found.wrong
            if found.probability[i] >= self.at_least
        ]

    def findings(self) -> dict[str, Any]:
        """Tell which classes were not judged, and what judges them."""
        if not self._small:
            return {}
        rows, shown = sum(self._small.values()), sorted(self._small)[:_SHOWN]
        more = f" and {len(self._small) - _SHOWN:,} more" if len(self._small) > _SHOWN else ""
        return {
            "classes_not_judged": len(self._small),
            "rows_not_judged": rows,
            "sentence": f"{rows:,} rows were not checked for a wrong label, as their classes have"
            f" fewer than {self.folds} different texts and real rows"
            f" ({', '.join(shown)}{more}); the rule `label_agrees` checks them with two real rows"
            " of a class, `off_topic` with one",
        }
