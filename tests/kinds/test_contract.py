"""The contract of every kind, and the options of a recipe."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from synthkd import Recipe
from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.kinds.base import Kind, Malformed
from synthkd.kinds.event import EventKind
from synthkd.kinds.triple import TripleKind
from synthkd.stages.plan import plan_run


class Measured(Kind):
    """A kind with columns beside its content."""

    name = "measured"
    columns = ("thing",)
    details: ClassVar[dict[str, str]] = {"start": "int32", "share": "float64"}
    group_column = "thing"

    def parse(self, text: str, row: Any) -> list[dict[str, Any]] | Malformed:
        return [{"thing": text, "start": 1, "share": 0.5}]

    def verbalize(self, candidate: Any) -> str:
        return str(candidate["thing"])

    def normalize(self, candidate: Any) -> tuple[str, ...]:
        return (str(candidate["thing"]),)


def test_details_have_a_column_of_their_type_and_do_not_change_the_id() -> None:
    schema = candidate_schema(Measured())
    assert str(schema.field("start").type) == "int32"
    assert str(schema.field("share").type) == "double"
    assert Measured().identity({"thing": "x", "start": 1}) == Measured().identity(
        {"thing": "x", "start": 2}
    )


def test_triples_of_one_head_and_relation_vote_on_the_tail() -> None:
    kind = TripleKind()
    cat = {"head": "A cat", "relation": "IsA", "tail": "animal"}
    plant = {"head": "cat", "relation": "IsA", "tail": "plant"}
    assert kind.vote_on(cat) == kind.vote_on(plant) == ("cat", "IsA")
    assert kind.vote_for(cat) != kind.vote_for(plant)


def test_a_kind_without_input_columns_votes_on_each_candidate_alone() -> None:
    kind = EventKind()
    assert kind.vote_on({"event": "PersonX sleeps"}) == ("personx sleeps",)


def test_an_unknown_option_is_refused_by_name() -> None:
    recipe = Recipe.from_dict(
        {
            "name": "x",
            "inputs": {"count": 1},
            "kind": {"name": "event", "options": {"colour": "red"}},
            "teacher": {"backend": "recorded"},
            "corpus": {"path": "c"},
        }
    )
    with pytest.raises(RecipeError, match=r"kind 'event'.*colour"):
        plan_run(recipe)
