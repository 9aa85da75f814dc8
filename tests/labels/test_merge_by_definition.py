"""Krippendorff's alpha and Dawid-Skene beside their definitions, written out by brute force."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, permutations
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from synthkd.labels.agreement import krippendorff_alpha
from synthkd.labels.merge import dawid_skene

WORDS = ("accept", "reject", "unsure")
Votes = dict[str, dict[str, str]]
#: Up to eight rows, up to four annotators, any of whom may have said nothing of a row.
TABLES = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(WORDS), max_size=4),
    min_size=1,
    max_size=8,
).map(lambda rows: {f"i{n}": said for n, said in enumerate(rows)})


def alpha_by_definition(votes: Votes) -> Fraction | None:
    """Return 1 - D_o / D_e over pairable values: those of rows with two values or more.

    D_o is the mean over the n pairable values of how many of the others in their row differ, as a
    share of these. D_e is the share of pairs that differ among all pairs of pairable values.
    """
    rows = [list(said.values()) for said in votes.values() if len(said) > 1]
    pooled = [value for row in rows for value in row]
    n = len(pooled)
    differing = sum(one != other for one, other in permutations(pooled, 2))
    if not differing:
        return None
    observed = (
        sum(
            (Fraction(sum(a != b for a, b in permutations(row, 2)), len(row) - 1) for row in rows),
            Fraction(0),
        )
        / n
    )
    return 1 - observed / Fraction(differing, n * (n - 1))


@pytest.mark.slow
@given(TABLES)
def test_alpha_is_one_minus_observed_over_expected_disagreement_of_pairable_values(
    votes: Votes,
) -> None:
    wanted = alpha_by_definition(votes)
    found = krippendorff_alpha(votes)
    assert (found is None) == (wanted is None)
    if found is not None and wanted is not None:
        assert found == pytest.approx(float(wanted), abs=1e-12)


def test_alpha_of_a_table_worked_by_hand() -> None:
    # Pairable: accept accept | accept reject; the third row has one value. D_o = (0 + 0 + 1 + 1) /
    # 4 = 1/2, D_e = 6 / 12 (each of the 3 accepts differs from the one reject, both ways), so alpha
    # = 0.
    votes = {
        "x": {"a": "accept", "b": "accept"},
        "y": {"a": "accept", "b": "reject"},
        "z": {"a": "reject"},
    }
    assert alpha_by_definition(votes) == 0
    assert krippendorff_alpha(votes) == pytest.approx(0, abs=1e-12)


@pytest.mark.slow
@given(TABLES, st.permutations(range(8)), st.permutations("abcd"), st.permutations(WORDS))
def test_alpha_knows_no_order_and_no_names(
    votes: Votes, rows: list[int], people: list[str], words: list[str]
) -> None:
    names, said = dict(zip("abcd", people, strict=True)), dict(zip(WORDS, words, strict=True))
    items = list(votes.items())
    turned = {
        f"row {place}": {
            names[who]: said[value] for who, value in reversed(items[place][1].items())
        }
        for place in rows
        if place < len(items)
    }
    assert krippendorff_alpha(turned) == pytest.approx(krippendorff_alpha(votes), abs=1e-12)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(WORDS), st.integers(2, 4)), min_size=2, max_size=8))
def test_alpha_is_one_exactly_where_all_agree_on_more_than_one_value(
    rows: list[tuple[str, int]],
) -> None:
    assume(len({value for value, _ in rows}) > 1)
    votes = {
        f"i{n}": dict.fromkeys("abcd"[:people], value) for n, (value, people) in enumerate(rows)
    }
    assert krippendorff_alpha(votes) == 1
    votes["i0"]["a"] = next(word for word in WORDS if word != rows[0][0])
    found = krippendorff_alpha(votes)
    assert found is not None
    assert found < 1


def test_alpha_says_what_a_published_package_says() -> None:
    krippendorff = pytest.importorskip("krippendorff")
    rng = np.random.default_rng(0)
    for _ in range(20):
        codes = np.where(rng.random((4, 30)) < 0.7, rng.integers(3, size=(4, 30)), -1)
        votes = {
            f"i{i}": {f"c{c}": WORDS[codes[c, i]] for c in range(4) if codes[c, i] >= 0}
            for i in range(30)
        }
        data = np.where(codes < 0, np.nan, codes)
        theirs = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
        assert krippendorff_alpha(votes) == pytest.approx(theirs, abs=1e-12)


# Dawid and Skene


def crowd(seed: int, items: int = 12) -> Votes:
    """Draw verdicts of four annotators with error rates of their own.

    A third of the answers is missing, and some are unsure.
    """
    rng = np.random.default_rng(seed)
    votes: Votes = {}
    for i in range(items):
        truth = rng.random() < 0.5
        for who, right in zip("abcd", (0.9, 0.8, 0.7, 0.6), strict=True):
            if rng.random() < 0.67:
                says = WORDS[0] if truth == (rng.random() < right) else WORDS[1]
                votes.setdefault(f"i{i}", {})[who] = WORDS[2] if rng.random() < 0.1 else says
    return votes


def by_definition(votes: Votes, rounds: int) -> tuple[dict[str, float], list[float]]:
    """Return P(valid) of each row after some rounds, and the likelihood of all votes in each.

    Equations 2.3 to 2.5 of the paper as they stand: counts weighted by what is believed of each
    row, then Bayes' rule.
    """
    believed = {}
    for item, said in votes.items():
        for_, against = (sum(value == word for value in said.values()) for word in WORDS[:2])
        believed[item] = for_ / (for_ + against) if for_ + against else 0.5
    likelihoods = []
    for _ in range(rounds):
        share = sum(believed.values()) / len(believed)
        chance: dict[tuple[str, int, str], float] = {}
        for who in "abcd":
            for truth in (0, 1):
                belief = {i: believed[i] if truth == 0 else 1 - believed[i] for i in votes}
                total = sum(belief[i] for i, said in votes.items() if who in said)
                for word in WORDS:
                    some = sum(belief[i] for i, said in votes.items() if said.get(who) == word)
                    chance[who, truth, word] = some / total if total else 0.0
        likelihood = 1.0
        for item, said in votes.items():
            valid = share * prod(chance[who, 0, word] for who, word in said.items())
            wrong = (1 - share) * prod(chance[who, 1, word] for who, word in said.items())
            believed[item] = valid / (valid + wrong)
            likelihood *= valid + wrong
        likelihoods.append(likelihood)
    return believed, likelihoods


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_dawid_skene_is_expectation_maximisation_as_it_is_defined(seed: int, rounds: int) -> None:
    votes = crowd(seed)
    wanted, _ = by_definition(votes, rounds)
    found = dawid_skene(votes, rounds=rounds, tolerance=0)
    assert found.valid == pytest.approx(wanted, abs=1e-7)


@pytest.mark.parametrize("seed", range(8))
def test_no_round_of_the_definition_makes_the_votes_less_likely(seed: int) -> None:
    _, likelihoods = by_definition(crowd(seed), 30)
    assert all(after >= before * (1 - 1e-9) for before, after in pairwise(likelihoods))


@pytest.mark.slow
@given(st.integers(0, 50), st.randoms(use_true_random=False))
def test_dawid_skene_knows_no_order_and_no_names(seed: int, rng: object) -> None:
    votes = crowd(seed)
    items = list(votes)
    rng.shuffle(items)  # type: ignore[attr-defined]
    turned = {
        item: {f"p{who}": word for who, word in reversed(votes[item].items())} for item in items
    }
    assert dawid_skene(turned, rounds=5).valid == pytest.approx(
        dawid_skene(votes, rounds=5).valid, abs=1e-9
    )


@pytest.mark.slow
@given(st.lists(st.booleans(), min_size=2, max_size=12))
def test_dawid_skene_says_what_all_annotators_say(truths: list[bool]) -> None:
    assume(len(set(truths)) == 2)
    votes = {
        f"i{n}": dict.fromkeys("abc", WORDS[0] if valid else WORDS[1])
        for n, valid in enumerate(truths)
    }
    found = dawid_skene(votes)
    assert list(found.verdicts.values()) == [WORDS[0] if valid else WORDS[1] for valid in truths]
    assert found.share == pytest.approx(sum(truths) / len(truths), abs=1e-6)
