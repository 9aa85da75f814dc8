"""The pool of questions, the heads that are kept apart, and what answers come to."""

from __future__ import annotations

from typing import Any

import pytest
from support.recipes import Make

from synthkd.errors import InputError, RecipeError
from synthkd.kinds.event import EventKind
from synthkd.kinds.triple import TripleKind
from synthkd.loops.triples.answers import answer_metrics, metrics_by_relation, score_answers
from synthkd.loops.triples.questions import (
    check_kind,
    distinct_questions,
    held_out_heads,
    split_by_heads,
)
from synthkd.stages.critic import Decision
from synthkd.stages.plan import RunPlan, plan_run

KIND = TripleKind()


def row(head: str, relation: str = "UsedFor", **more: Any) -> dict[str, Any]:
    return {"head": head, "relation": relation, **more}


def test_equal_questions_count_once_whatever_their_spelling() -> None:
    found = distinct_questions(KIND, [row("Dog"), row("dog"), row("dog", "IsA")], 0)
    assert sorted(one.key for one in found) == [("dog", "IsA"), ("dog", "UsedFor")]


def test_the_order_of_questions_depends_on_the_seed_and_not_on_that_of_the_file() -> None:
    rows = [row(f"thing {i}") for i in range(20)]
    assert distinct_questions(KIND, rows, 0) == distinct_questions(KIND, rows[::-1], 0)
    assert distinct_questions(KIND, rows, 0) != distinct_questions(KIND, rows, 1)


def test_an_answer_in_the_inputs_is_no_part_of_a_question() -> None:
    assert distinct_questions(KIND, [row("dog", tail="barking")], 0)[0].row == row("dog")


def test_a_head_stays_on_its_side_when_others_come() -> None:
    few, many = [f"thing {i}" for i in range(50)], [f"thing {i}" for i in range(500)]
    assert held_out_heads(few, 0.3, 0) == held_out_heads(many, 0.3, 0) & set(few)
    assert 100 < len(held_out_heads(many, 0.3, 0)) < 200


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_each_side_has_a_head_at_least(share: float) -> None:
    assert len(held_out_heads(["a", "b", "c"], share, 0)) in (1, 2)


def test_one_head_cannot_be_parted() -> None:
    with pytest.raises(InputError, match="two at least"):
        held_out_heads(["dog", "dog"], 0.5, 0)


def test_a_head_goes_to_one_side_with_all_its_questions() -> None:
    pool = distinct_questions(
        KIND, [row(f"thing {i}", r) for i in range(30) for r in ("IsA", "HasA")], 0
    )
    held = held_out_heads((one.head for one in pool), 0.3, 0)
    asked, kept = split_by_heads(pool, held)
    assert not {one.head for one in asked} & {one.head for one in kept}
    assert len(kept) == 2 * len(held)


def test_a_kind_without_heads_and_relations_is_refused() -> None:
    with pytest.raises(RecipeError, match="a head and a relation"):
        check_kind(EventKind())


class ByLength:
    """A critic that believes short tails."""

    def score(self, rows: Any) -> list[float]:
        return [1 / len(tail) for tail in rows.column("tail").to_pylist()]


@pytest.fixture
def plan(make_recipe: Make) -> RunPlan:
    return plan_run(make_recipe())


DECISION = Decision(ByLength(), threshold=0.2)


def test_each_answer_has_a_score_and_who_refused_it(plan: RunPlan) -> None:
    asked = distinct_questions(plan.kind, [row("cup"), row("dog"), row("pen"), row("saw")], 0)
    said = {"cup": "tea", "dog": "guarding houses", "pen": "", "saw": "saw"}
    found = score_answers(plan, DECISION, asked, [[said[one.head]] for one in asked])
    assert {one.question.head: one.rejected_by for one in found} == {
        "cup": None, "dog": "critic", "pen": "malformed", "saw": "self_loop",
    }  # fmt: skip
    assert {one.question.head: one.score for one in found} == {
        "cup": pytest.approx(1 / 3), "dog": pytest.approx(1 / 15), "pen": 0, "saw": 0,
    }  # fmt: skip


def test_figures_count_every_question_once(plan: RunPlan) -> None:
    asked = distinct_questions(plan.kind, [row("cup"), row("dog")], 0)
    said = {"cup": ["tea", "tea", "tea"], "dog": ["guarding houses"]}
    found = answer_metrics(
        plan.kind, score_answers(plan, DECISION, asked, [said[one.head] for one in asked])
    )
    assert found.questions == 2
    assert found.validity == pytest.approx((1 / 3 + 1 / 15) / 2)
    assert found.accepted == 0.5


def test_a_student_that_always_says_the_same_is_seen(plan: RunPlan) -> None:
    asked = distinct_questions(plan.kind, [row(f"thing {i}") for i in range(10)], 0)
    assert (
        answer_metrics(plan.kind, score_answers(plan, DECISION, asked, [["tea"]] * 10)).distinct
        == 0.1
    )


def test_answers_are_held_against_known_ones(plan: RunPlan) -> None:
    asked = distinct_questions(plan.kind, [row("cup"), row("dog")], 0)
    gold = frozenset({plan.kind.identity(row("cup", tail="Tea"))})
    found = score_answers(plan, DECISION, asked, [["tea"]] * 2)
    assert answer_metrics(plan.kind, found, gold).gold == 0.5
    assert answer_metrics(plan.kind, found).gold is None


def test_figures_of_relations_are_those_of_their_own_answers(plan: RunPlan) -> None:
    asked = distinct_questions(plan.kind, [row("cup"), row("cup", "IsA")], 0)
    said = {"UsedFor": "tea", "IsA": "vessel for drinks"}
    found = score_answers(plan, DECISION, asked, [[said[one.relation]] for one in asked])
    figures = metrics_by_relation(plan.kind, found, ["HasA", "IsA", "UsedFor"])
    assert [figures[name]["accepted"] for name in ("IsA", "UsedFor")] == [0, 1]
    assert figures["HasA"]["questions"] == 0
