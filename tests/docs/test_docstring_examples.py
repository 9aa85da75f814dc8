"""Examples in the docstrings of public names run as they are written."""

from __future__ import annotations

import doctest

import pytest

from benchmarks.usability.docstring_examples import examples_of, failures_of, public_names

EXAMPLES = [test for name in public_names() for test in examples_of(name)]


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_prints_what_it_says(example: doctest.DocTest) -> None:
    pytest.importorskip("torch")
    assert not failures_of(example)


def test_every_public_name_has_an_example() -> None:
    without = {name for name in public_names() if not examples_of(name)}

    assert without == set()
