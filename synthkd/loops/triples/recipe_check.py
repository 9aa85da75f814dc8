"""What of a recipe means something in a loop for triples; the rest is refused, so that nobody waits for what cannot be."""

from __future__ import annotations

from typing import Any

from synthkd import plugins
from synthkd.errors import RecipeError, nearest
from synthkd.recipe import Recipe
from synthkd.recipe.student import LoopPart, RowsPart, StudentPart

#: Fields of `loop` that speak of labelled text, and why they mean nothing here.
_MEANINGLESS = {
    "pool": "the pool of questions is `inputs`",
    "minimum": "no relation needs rows before a student is trained",
    "report": "the teacher is asked a question, and shown no report",
    "mine": "the teacher is shown no examples of the student's answers",
    "texts": "a prompt asks one question",
    "recheck": "the critic has judged the rows",
    "near": "heads are kept apart whole, not by likeness",
    "allocation": "relations are allocated by yield and need",
}
METRICS = ("validity", "accepted", "loss")


def check_loop(recipe: Recipe) -> LoopPart:
    """The recipe's loop. Raises `RecipeError` for what triples cannot have."""
    loop = recipe.loop or LoopPart()
    for name in sorted(loop.model_fields_set & set(_MEANINGLESS)):
        raise RecipeError(f"loop.{name} means nothing for triples: {_MEANINGLESS[name]}; leave it out")
    if loop.allocate == "teacher":
        raise RecipeError(
            "loop.allocate: a teacher that is asked for one tail chooses no relations; take own or uniform"
        )
    for name in ("start", "validation", "test"):
        part = getattr(loop, name)
        if isinstance(part, RowsPart) and part.model_fields_set & {"text", "label"}:
            raise RecipeError(
                f"loop.{name}: triples are read by the kind's own columns; leave out text and label"
            )
    if recipe.critic is None:
        raise RecipeError(
            "a loop for triples needs a critic: it says which rows are kept, and how good the student is; docs/guides/critics.md"
            " tells how to make one"
        )
    return loop


def selection_metric(loop: LoopPart, gold: bool) -> str:
    """The figure by which rounds are compared; ``gold``: known answers of validation questions are given."""
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


def loop_student(recipe: Recipe) -> tuple[type[Any], dict[str, Any]]:
    """The student's class and options, made once to try them. Raises for a student that writes no text."""
    part = recipe.student or StudentPart(name="generator")
    made = plugins.find("students", part.name)
    if made.learns != "text":
        raise RecipeError(
            f"student.name: {part.name!r} learns labels; triples need one that writes text, such as generator"
        )
    if missing := [name for name in ("fit_rows", "generate", "loss") if not hasattr(made, name)]:
        raise RecipeError(f"student.name: {part.name!r} has no {missing[0]}, which a loop for triples calls")
    options = dict(part.options)
    base = options.get("base")
    if isinstance(base, str) and (found := recipe.resolve(base)).is_dir():
        options["base"] = str(found)
    options.setdefault("seed", recipe.seed)
    made(**options)
    return made, options
