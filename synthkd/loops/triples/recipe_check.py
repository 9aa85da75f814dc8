"""Checks of the recipe of a loop for triples; options without a meaning there are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from synthkd.errors import RecipeError, nearest
from synthkd.kinds.base import Kind
from synthkd.loops.students import student_factory
from synthkd.recipe import Recipe
from synthkd.recipe.student import LoopPart, RowsPart, StudentPart
from synthkd.students.base import Floats

#: Fields of `loop` for labelled text alone, and why they have no meaning for triples.
_MEANINGLESS = {
    "pool": "the pool of questions is `inputs`",
    "minimum": "no relation needs rows before a student is trained",
    "report": "the teacher is asked a question, and shown no report",
    "mine": "the teacher is shown no examples of the student's answers",
    "texts": "a prompt asks one question",
    "recheck": "the critic has judged the rows",
    "teacher_weight": "rows of `start` and of the teacher weigh alike",
    "near": "heads are kept apart whole, not by likeness",
    "allocation": "relations are allocated by yield and need",
}
#: Metrics by which rounds may be compared.
METRICS = ("validity", "accepted", "loss")


@runtime_checkable
class LoopStudent(Protocol):
    """A student that a loop for triples can train, with generated and scored answers."""

    def fit_rows(self, rows: Any, kind: Kind) -> Any:
        """Train on rows."""

    def generate(self, inputs: Any, n: int = 1, temperature: float = 0.0) -> list[list[str]]:
        """Return n answers to each input."""

    def loss(self, rows: Any) -> Floats:
        """Return (n,) losses of rows."""


def check_loop(recipe: Recipe) -> LoopPart:
    """Return the recipe's loop.

    Raises:
        RecipeError: If a part of the recipe does not fit triples.
    """
    loop = recipe.loop or LoopPart()
    for name in sorted(loop.model_fields_set & set(_MEANINGLESS)):
        raise RecipeError(
            f"loop.{name} means nothing for triples: {_MEANINGLESS[name]}; leave it out"
        )
    if loop.allocate == "teacher":
        raise RecipeError(
            "loop.allocate: a teacher that is asked for one tail chooses no relations; take own or"
            " uniform"
        )
    for name in ("start", "validation", "test"):
        part = getattr(loop, name)
        if isinstance(part, RowsPart) and part.model_fields_set & {"text", "label"}:
            raise RecipeError(
                f"loop.{name}: triples are read by the kind's own columns; leave out text and label"
            )
    if recipe.critic is None:
        raise RecipeError(
            "a loop for triples needs a critic: it says which rows are kept, and how good the"
            " student is; docs/guides/critics.md"
            " tells how to make one"
        )
    return loop


def selection_metric(loop: LoopPart, gold: bool) -> str:
    """Return the metric by which rounds are compared.

    With ``gold``, validation questions have known answers.
    """
    metric = loop.metric or METRICS[0]
    if metric not in METRICS:
        raise RecipeError(
            f"loop.metric: {metric!r} is no figure of a generator{nearest(metric, list(METRICS))}"
        )
    if metric == "loss" and not gold:
        raise RecipeError(
            "loop.metric: a loss needs known answers: name rows with tails as `loop.validation`"
        )
    return metric


def text_student_factory(recipe: Recipe) -> Callable[[], Any]:
    """Return a function that makes the recipe's student.

    Raises:
        RecipeError: If the student does not write text, or lacks a method of `LoopStudent`.
    """
    part = recipe.student or StudentPart(name="generator")
    make = student_factory(recipe, part, "text")
    if not isinstance(make(), LoopStudent):
        raise RecipeError(
            f"student.name: {part.name!r} lacks fit_rows, generate or loss, which a loop for"
            " triples calls"
        )
    return make
