"""Weights of the teacher's rows beside real ones."""

from __future__ import annotations

import pytest

from synthkd.errors import RecipeError
from synthkd.loops.labelled.cross_validation import labelled_texts
from synthkd.recipe import Recipe
from synthkd.recipe.student import LoopPart

REAL = {"text": "where is it", "label": "delivery"}
WRITTEN = {"text": "money back", "label": "refund", "id": "a1", "input_id": "b2"}


def test_rows_of_the_teacher_weigh_less_than_real_ones() -> None:
    texts = labelled_texts([REAL, WRITTEN], teacher_weight=0.1)
    assert texts.weights is not None
    assert texts.weights.tolist() == [1.0, 0.1]


def test_without_a_weight_rows_are_alike() -> None:
    assert labelled_texts([REAL, WRITTEN]).weights is None


@pytest.mark.parametrize("weight", [0, -1, 1.5, "small"])
def test_a_weight_that_is_none_is_refused(weight: object) -> None:
    with pytest.raises(ValueError, match="teacher_weight"):
        LoopPart(teacher_weight=weight)


def test_a_loop_for_triples_refuses_the_weight() -> None:
    from synthkd.loops.triples.recipe_check import check_loop

    recipe = Recipe.from_dict(
        {
            "name": "t", "inputs": {"path": "x.csv"}, "kind": {"name": "triple"},
            "prompt": {"template": "triple/everyday"},
            "teacher": {"backend": "recorded", "path": "x.jsonl"},
            "loop": {"teacher_weight": 0.5}, "corpus": {"path": "c"},
        }
    )  # fmt: skip
    with pytest.raises(RecipeError, match="teacher_weight means nothing for triples"):
        check_loop(recipe)
