"""Tests that the parts of a cross-fitting are made once, and that no verdict leaks through them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.files import write_csv

from synthkd.critics.cross_fitting import crossfit, group_folds
from synthkd.critics.stack import StackCritic
from synthkd.critics.triples import critic as shared
from synthkd.critics.triples.critic import KnowledgeBaseCritic
from synthkd.critics.triples.phrases import Triple
from synthkd.critics.triples.reference import COLUMNS
from synthkd.critics.triples.training import LabelledTriples, make_training_set
from synthkd.kinds.triple import TripleKind

pytestmark = pytest.mark.slow

KIND = TripleKind()
KNOWN: list[Triple] = [
    (f"thing {i}", ("IsA", "UsedFor")[i % 2], f"{('kind', 'use')[i % 2]} {i % 5}")
    for i in range(120)
]
#: Half of them stand in the reference too.
ROWS = [*KNOWN[:20], *((f"thing {i}", "IsA", "kind 0") for i in range(41, 80, 2))]
LABELS = np.arange(40) % 3 > 0
GROUPS = [head for head, _, _ in ROWS]


def table(triples: list[Triple]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(COLUMNS, triple, strict=True)) for triple in triples])


@pytest.fixture
def reference(tmp_path: Path) -> str:
    return str(write_csv(tmp_path / "known.csv", table(KNOWN).to_pylist()))


def test_the_folds_of_a_cross_fitting_share_what_the_reference_says(reference: str) -> None:
    made: list[KnowledgeBaseCritic] = []

    def make() -> KnowledgeBaseCritic:
        made.append(KnowledgeBaseCritic(KIND, reference))
        return made[-1]

    crossfit(make, table(ROWS), LABELS, GROUPS, folds=2)
    assert len({id(critic._reference_features) for critic in made}) == 1


def test_the_members_of_a_stack_share_it_too(reference: str) -> None:
    stack = StackCritic(KIND, [{"knowledge-base": {"reference": reference}}], folds=2)
    stack.fit(table(ROWS), LABELS, GROUPS)
    last = next(iter(shared._LAST.values()))
    (member,) = stack.members[0].critics
    assert isinstance(member, KnowledgeBaseCritic)
    assert member._reference_features is last.reference
    assert last is shared.cached_training_set(KNOWN, LabelledTriples(ROWS, GROUPS), None, 0, 0.0)


def test_a_score_out_of_fold_does_not_depend_on_the_verdicts_of_its_fold(reference: str) -> None:
    first = group_folds(GROUPS, 2) == 0
    turned = np.where(first, ~LABELS, LABELS)
    scores = [
        crossfit(lambda: KnowledgeBaseCritic(KIND, reference), table(ROWS), labels, GROUPS, folds=2)
        for labels in (LABELS, turned)
    ]
    np.testing.assert_array_equal(scores[0][first], scores[1][first])
    assert (scores[0][~first] != scores[1][~first]).any()


def test_no_row_that_people_judged_is_trained_on_as_a_made_one() -> None:
    made = len(make_training_set(KNOWN, LabelledTriples([], []), None).labels)
    without = make_training_set(KNOWN, LabelledTriples(ROWS, GROUPS), None)
    assert without.labels.sum() == len(KNOWN) - 20
    assert len(without.labels) < made


def test_a_judged_row_of_another_case_is_held_out_of_the_reference_too() -> None:
    loud = [(head.upper(), relation, f"a {tail}") for head, relation, tail in KNOWN[:20]]
    plain = make_training_set(KNOWN, LabelledTriples(KNOWN[:20], GROUPS[:20]), None)
    np.testing.assert_allclose(
        make_training_set(KNOWN, LabelledTriples(loud, GROUPS[:20]), None).labelled_features,
        plain.labelled_features,
    )


def test_rows_that_were_not_announced_are_held_out_all_the_same(reference: str) -> None:
    told, untold = KnowledgeBaseCritic(KIND, reference), KnowledgeBaseCritic(KIND, reference)
    told.prepare(table(ROWS[:5]), GROUPS[:5])
    for critic in (told, untold):
        critic.fit(table(ROWS), LABELS, GROUPS)
    np.testing.assert_array_equal(told.score(table(ROWS)), untold.score(table(ROWS)))


def test_another_seed_or_another_share_of_hard_negatives_is_worked_out_anew() -> None:
    found = [
        shared.cached_training_set(KNOWN, LabelledTriples([], []), None, seed, hard)
        for seed, hard in ((0, 0.0), (1, 0.0), (0, 0.5))
    ]
    assert len({id(one) for one in found}) == 3
