"""Several annotators: majority, Dawid-Skene, Krippendorff's alpha."""

from __future__ import annotations

import numpy as np
import pytest

from synthkd.errors import CriticError
from synthkd.labels.agreement import agreement_report, annotator_pairs, krippendorff_alpha
from synthkd.labels.merge import dawid_skene, majority_verdict, merge_verdicts


def crowd(items: int = 400, seed: int = 0) -> tuple[dict[str, dict[str, str]], np.ndarray]:
    """Draw verdicts of three careful annotators, three who guess and one who always accepts.

    Each item has four of them.
    """
    rng = np.random.default_rng(seed)
    truth = rng.random(items) < 0.6
    right = {"a": 0.95, "b": 0.9, "c": 0.85, "d": 0.55, "e": 0.55, "f": 0.5}
    votes: dict[str, dict[str, str]] = {}
    for i in range(items):
        said = votes.setdefault(f"i{i}", {})
        for name in rng.choice([*right, "yes"], 4, replace=False):
            valid = name == "yes" or (rng.random() < right[name]) == truth[i]
            said[str(name)] = "accept" if valid else "reject"
    return votes, truth


def accuracy(verdicts: dict[str, str], truth: np.ndarray) -> float:
    return float(np.mean([(verdicts[f"i{i}"] == "accept") == truth[i] for i in range(len(truth))]))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (["accept"], "accept"),
        (["accept", "reject"], "unsure"),
        (["accept", "reject", "reject"], "reject"),
        (["accept", "unsure"], "unsure"),
        (["accept", "accept", "unsure"], "accept"),
    ],
)
def test_the_majority_decides_and_a_tie_is_unsure(said: list[str], found: str) -> None:
    assert majority_verdict(said) == found


def test_dawid_skene_finds_out_who_is_careful_and_beats_the_majority() -> None:
    votes, truth = crowd()
    fitted = dawid_skene(votes)
    assert accuracy(fitted.verdicts, truth) > accuracy(merge_verdicts(votes), truth) + 0.05
    right = {name: (matrix[0, 0] + matrix[1, 1]) / 2 for name, matrix in fitted.confusion.items()}
    assert min(right[name] for name in "abc") > max(right[name] for name in ("d", "e", "f", "yes"))
    assert fitted.share == pytest.approx(truth.mean(), abs=0.06)


@pytest.mark.filterwarnings("ignore")
def test_dawid_skene_says_what_crowd_kit_says() -> None:
    pandas = pytest.importorskip("pandas")
    aggregation = pytest.importorskip("crowdkit.aggregation")
    votes, _ = crowd()
    table = pandas.DataFrame(
        [(item, name, verdict) for item, said in votes.items() for name, verdict in said.items()],
        columns=["task", "worker", "label"],
    )
    theirs = aggregation.DawidSkene(n_iter=500, tol=1e-9).fit(table)
    # Its stopping rule is another one, so ours goes as many rounds as it went.
    ours = dawid_skene(votes, rounds=len(theirs.loss_history_), tolerance=0)
    for item, valid in ours.valid.items():
        assert valid == pytest.approx(theirs.probas_.loc[item, "accept"], abs=1e-9)


def test_an_annotator_who_is_unsure_says_no_more_than_that() -> None:
    votes, truth = crowd()
    for i, said in enumerate(votes.values()):
        said["g"] = "unsure" if i % 2 else "accept" if truth[i] else "reject"
    fitted = dawid_skene(votes)
    assert fitted.confusion["g"][:, 2] == pytest.approx([0.5, 0.5], abs=0.07)
    assert accuracy(fitted.verdicts, truth) > 0.93


def test_two_annotators_are_too_few_for_dawid_skene() -> None:
    with pytest.raises(CriticError, match=r"here are 2 \(a, b\)"):
        dawid_skene({"i": {"a": "accept", "b": "reject"}})


def test_an_unknown_way_to_merge_is_refused_with_the_nearest() -> None:
    with pytest.raises(CriticError, match="did you mean 'dawid-skene'"):
        merge_verdicts({}, "dawid_skene")


def coded(*rows: str) -> dict[str, dict[str, str]]:
    """Return reliability data as printed: an annotator a line, a dot for no value."""
    return {
        f"u{unit}": {f"c{coder}": value for coder, value in enumerate(column) if value != "."}
        for unit, column in enumerate(zip(*(row.split() for row in rows), strict=True))
    }


def test_alpha_is_one_where_all_agree_and_cannot_be_told_from_one_value() -> None:
    assert krippendorff_alpha(coded("0 1 0", "0 1 0")) == 1
    assert krippendorff_alpha(coded("0 0", "0 0")) is None
    assert krippendorff_alpha(coded("0 1", ". .")) is None


def test_pairs_count_common_items_only() -> None:
    (pair,) = annotator_pairs(coded("a b . a", "a a b ."))
    assert (pair.common, pair.same) == (2, 1)
    assert "c0 and c1: 1 of 2 alike (50%)" in agreement_report(coded("a b . a", "a a b ."))
