"""Names of one thing: what is joined, and what must not be."""

from __future__ import annotations

from collections import Counter

import pytest

from synthkd.text.aliases import NAMES, WAYS, join_names, near_brackets


def joined(
    *names: str, ways: tuple[str, ...] = ("forms", "initials"), text: str = ""
) -> dict[str, str]:
    groups = join_names(Counter(names), ways, near_brackets(text))
    return {name: group.canonical for group in groups for name in group.names}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("graph-cuts optimization", "Graph cuts optimizations"),
        ("the méthode", "methode"),
        ("parsers", "parser"),
        ("New York", "new york"),
    ],
)
def test_spellings_of_one_name_are_joined(one: str, other: str) -> None:
    assert joined(one, one, other) == {other: one}


def test_the_most_frequent_name_is_canonical() -> None:
    assert joined("NLP", "NLP", "natural language processing") == {
        "natural language processing": "NLP"
    }
    assert joined("NLP", "natural language processing") == {"NLP": "natural language processing"}


def test_initials_of_two_names_are_joined_to_neither_without_brackets() -> None:
    names = ("CT", "computed tomography", "control theory")
    assert joined(*names) == {}
    assert joined(*names, text="We use computed tomography (CT) here.") == {
        "CT": "computed tomography"
    }


@pytest.mark.parametrize(
    "names",
    [
        ("machine translation", "statistical machine translation"),
        ("US", "us"[::-1], "United Kingdom"),
        ("it", "information technology"),
        ("Kansas", "University of Kansas"),
        ("model", "modelling"),
    ],
)
def test_different_things_are_not_joined(names: tuple[str, ...]) -> None:
    assert joined(*names) == {}


def test_a_last_name_is_joined_only_on_request() -> None:
    names = ("Marie Curie", "Curie", "Curie")
    assert joined(*names) == {}
    assert joined(*names, ways=WAYS) == {"Marie Curie": "Curie"}
    assert joined("Marie Curie", "Pierre Curie", "Curie", ways=WAYS) == {}
    assert joined("North Korea", "Korea", ways=(NAMES,)) == {}
    assert joined("Acme Inc", "Acme", ways=(NAMES,)) == {"Acme": "Acme Inc"}


def test_brackets_of_treebanks_are_brackets() -> None:
    text = "support vector machines -LRB- SVMs -RRB-"
    assert near_brackets(text) == "; support vector machines ( svms )"
