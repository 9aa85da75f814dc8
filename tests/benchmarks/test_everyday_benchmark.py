"""Tests of the benchmark of students on the everyday world: held-out facts and counts."""

from __future__ import annotations

import pytest

from benchmarks.students.everyday_right import by_head, interval, right
from benchmarks.students.everyday_split import TUNING, split
from benchmarks.students.everyday_world import answers, every_question

QUESTIONS = [
    (f"thing {number}", relation) for number in range(400) for relation in ("IsA", "HasA", "MadeOf")
]


def test_nothing_that_is_learnt_names_a_head_that_is_kept_out() -> None:
    held = split(QUESTIONS, 0)
    kept, known = sorted(held.heads)[0], next(one for one in QUESTIONS if one[0] not in held.heads)
    row = {"head": known[0], "relation": "PartOf", "tail": "a wheel"}

    assert held.learnt([row]) == [row]
    assert held.learnt([{**row, "tail": kept}, {**row, "head": kept}]) == []


def test_a_question_that_is_kept_out_leaves_the_others_of_its_head() -> None:
    held = split(QUESTIONS, 0)
    head, relation = held.questions[0]
    others = [{"head": head, "relation": other, "tail": "x"} for other in ("IsA", "HasA", "MadeOf")]

    assert head not in held.heads
    assert [row["relation"] for row in held.learnt(others)] == [
        row["relation"] for row in others if (head, row["relation"]) not in held.questions
    ]
    assert relation not in {row["relation"] for row in held.learnt(others)}


def test_no_seed_is_judged_on_heads_that_settings_were_chosen_on() -> None:
    tuned_on = split(QUESTIONS, TUNING).heads

    assert tuned_on
    assert not any(tuned_on & split(QUESTIONS, seed).heads for seed in range(5))


@pytest.mark.slow
def test_a_name_that_answers_other_questions_is_not_kept_out() -> None:
    held = split(every_question(), 0, answers())

    assert {"mammal", "wing", "wood"} <= answers()
    assert held.heads
    assert not held.heads & answers()


def test_a_sample_that_a_rule_rejected_is_not_right_and_a_repeat_is() -> None:
    rows = [
        {"head": "crow", "relation": "CapableOf", "tail": tail, "rejected_by": by}
        for tail, by in (("fly", None), ("Fly", "duplicate"), ("bark", None), ("sing", "too_long"))
    ]
    found = right(
        rows, [("crow", "CapableOf")], 4, lambda row: row["tail"].lower() in ("fly", "sing")
    )

    assert found.share == {("crow", "CapableOf"): 0.5}
    assert found.different == {("crow", "CapableOf"): 1}


def test_an_interval_holds_the_mean_of_all_questions_and_heads_go_together() -> None:
    one = right([], [("a", "IsA"), ("a", "HasA"), ("b", "IsA")], 1, bool)
    other = right(
        [{"head": "a", "relation": "IsA", "tail": "x", "rejected_by": None}],
        one.share,
        1,
        lambda _: True,
    )
    grouped = by_head(other, one, list(one.share))
    value, low, high = interval([grouped])

    assert grouped == {"a": [1.0, 0.0], "b": [0.0]}
    assert value == pytest.approx(1 / 3, abs=1e-4)
    assert (low, high) == (0.0, 0.5)
