"""The components that a recipe names: kind, teacher, prompt, rules and sampling.

Resolving a recipe reads the template and the few-shot rows and checks every option. It sends
nothing and loads no model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from synthkd import plugins
from synthkd.errors import RecipeError, nearest
from synthkd.filters.base import Filter
from synthkd.filters.refusal import Refusal
from synthkd.finish_reasons import Finish, meaning_of, why_incomplete
from synthkd.kinds.answer_schema import response_format
from synthkd.kinds.base import Candidates, Kind, Malformed, Row
from synthkd.kinds.factory import kind_of_recipe
from synthkd.kinds.first_line import AnswerPart, first_line_of
from synthkd.kinds.structured_answers import read_structured_answer
from synthkd.prompts import Prompt
from synthkd.recipe import Recipe
from synthkd.requests import Sampling
from synthkd.stages.critic_options import check_critic_options
from synthkd.stages.few_shot import resolve_prompt
from synthkd.teachers.base import Teacher
from synthkd.teachers.schema_support import lint_schema


@dataclass(frozen=True, eq=False)
class Components:
    """The parts that a recipe names, resolved and checked.

    Attributes:
        prompt: The template with its few-shot rows; None for a recorded teacher without one.
        rules: In the order in which they are applied.
        sampling: The recipe's sampling, with the template's stop texts unless the recipe has some.
        answer: The model of a structured answer; None if answers are plain text.
    """

    recipe: Recipe
    kind: Kind
    teacher: Teacher = field(repr=False)
    prompt: Prompt | None
    rules: tuple[Filter, ...]
    sampling: Sampling
    answer: type[BaseModel] | None

    @cached_property
    def _rules_take_cut(self) -> bool:
        """True if completions that a limit cut are left to the rules."""
        return (
            self.recipe.rules is not None
            or self.kind.several
            or includes_rule(self.rules, "unfinished")
        )

    def why_incomplete(self, finish_reason: str) -> str | None:
        """Return why rows of a completion are rejected for its finish reason, whatever they say.

        A completion that was cut by a limit is left to the rule `unfinished`, or to a kind whose
        answers hold several candidates.
        """
        meaning = meaning_of(finish_reason)
        if meaning is Finish.COMPLETE or finish_reason in self.recipe.teacher.finish_reasons:
            return None
        why = why_incomplete(finish_reason)
        if meaning is Finish.TRUNCATED:
            return None if self._rules_take_cut else why
        return f"{why}; if it does, name {finish_reason!r} in teacher.finish_reasons"

    @cached_property
    def reads_first_line(self) -> bool:
        """True if the template says that an answer is cut at its first line."""
        return self.prompt is not None and self.prompt.head.first_line

    def part_of(self, text: str) -> AnswerPart:
        """Return the part of a completion that is read: its first line, or all of it."""
        return first_line_of(text) if self.reads_first_line else AnswerPart(text)

    def read_answer(self, text: str, row: Row) -> tuple[Candidates, bool]:
        """Return the candidates in a completion, and whether it was read after a repair."""
        return self.read_part(self.part_of(text).text, row)

    def read_part(self, text: str, row: Row) -> tuple[Candidates, bool]:
        """Return the candidates in the part of a completion that `part_of` gives.

        The second value is true if a structured answer was read after a repair.
        """
        if self.answer is None:
            return self.kind.parse(text, row), False
        answer = read_structured_answer(text, self.answer)
        if isinstance(answer, Malformed):
            return answer, False
        candidates = self.kind.read(answer.value, row)
        if answer.malformed and not isinstance(candidates, Malformed):
            candidates = [*candidates, *answer.malformed]
        return candidates, answer.repaired

    @cached_property
    def schema_warnings(self) -> list[str]:
        """Features of the answer's schema that some servers ignore."""
        shape = self.sampling.response_format or self.sampling.extra_body.get("response_format")
        schema = (shape.get("json_schema") or {}).get("schema") if isinstance(shape, dict) else None
        return [] if schema is None else [f"schema {line}" for line in lint_schema(schema)]


def resolve_components(recipe: Recipe) -> Components:
    """Find and check everything that a recipe names.

    Raises:
        UserError: An unknown name, an option that does not fit, or parts that exclude each other.
    """
    kind = kind_of_recipe(recipe)
    backend: type[Teacher] = plugins.find("backends", recipe.teacher.backend, recipe.folder)
    backend.checked(recipe.teacher.options, f"backend {recipe.teacher.backend!r}: teacher.options")
    teacher = backend.from_recipe(recipe)
    prompt = resolve_prompt(recipe, kind, teacher)
    rules = _resolve_rules(recipe, kind, prompt)
    answer = _answer_model(recipe, kind, prompt)
    if recipe.votes is not None:
        # Imported here: it loads pyarrow, which generation does without.
        from synthkd.filters.ballot import check_votes

        # Recorded rows may have log-probabilities that this recipe does not ask for.
        logprobs = recipe.teacher.sampling.logprobs or teacher.has_own_logprobs
        check_votes(recipe, kind, logprobs)
    sampling = _sampling(recipe, kind, prompt, answer)
    check_critic_options(recipe)
    if recipe.student is not None:
        student = plugins.find("students", recipe.student.name, recipe.folder)
        student.check_options(recipe.student.options, f"student {recipe.student.name!r}")
    return Components(recipe, kind, teacher, prompt, tuple(rules), sampling, answer)


def includes_rule(rules: tuple[Filter, ...] | list[Filter], name: str) -> bool:
    """Return True if a rule of this name is among the rules."""
    return any(rule.name == name for rule in rules)


def _resolve_rules(recipe: Recipe, kind: Kind, prompt: Prompt | None) -> list[Filter]:
    named = (
        [(name, {}) for name in kind.default_rules]
        if recipe.rules is None
        else [(rule.name, rule.options) for rule in recipe.rules]
    )
    rules: list[Filter] = []
    for name, options in named:
        located = plugins.find("rules", name, recipe.folder).located(options, recipe.resolve)
        rule: Filter = plugins.make("rules", name, located, recipe.folder)
        _check_column(name, rule.column, kind)
        if prompt is not None:
            rule.use_prompt(prompt.instruction, prompt.examples)
        rule.check_kind(kind)
        rules.append(rule)
    # A base model continues a text; a model that answers in a chat may refuse.
    may_refuse = prompt is None or prompt.head.chat
    if recipe.rules is None and may_refuse and not includes_rule(rules, Refusal.name):
        rules.append(Refusal())
    return rules


def _check_column(rule: str, column: str | None, kind: Kind) -> None:
    """Refuse a rule on a column that no row has."""
    if column is None or column in kind.columns:
        return
    # Imported here: it loads pyarrow, which generation does without.
    from synthkd.corpora.schema import FILTER_FIELDS, candidate_schema

    # Columns that filtering fills are still empty when rules are applied.
    later = {field.name for field in FILTER_FIELDS}
    known = [name for name in candidate_schema(kind).names if name not in later]
    if column not in known:
        raise RecipeError(
            f"rule {rule!r}: no column {column!r} in rows of the kind"
            f" {kind.name!r}{nearest(column, known)}"
        )


def _sampling(
    recipe: Recipe, kind: Kind, prompt: Prompt | None, answer: type[BaseModel] | None
) -> Sampling:
    part = recipe.teacher.sampling
    stop = tuple(part.stop) or (prompt.head.stops if prompt else ())
    shape: dict[str, Any] = {}
    if answer is not None:
        shape["response_format"] = response_format(answer)
    if recipe.teacher.constrained:
        shape["regex"] = _answer_regex(recipe, kind)
    return Sampling(**{**part.model_dump(), "stop": stop, **shape})


def _answer_regex(recipe: Recipe, kind: Kind) -> str:
    teacher, regex = recipe.teacher, kind.answer_regex
    if regex is None:
        raise RecipeError(
            f"teacher.constrained: the kind {kind.name!r} has no regular expression; give"
            " teacher.sampling.regex"
        )
    if teacher.structured or teacher.sampling.regex or teacher.sampling.grammar:
        raise RecipeError(
            "teacher.constrained: leave out structured, sampling.regex and sampling.grammar"
        )
    return regex


def _answer_model(recipe: Recipe, kind: Kind, prompt: Prompt | None) -> type[BaseModel] | None:
    if not recipe.teacher.structured:
        return None
    if prompt is not None and prompt.head.first_line:
        raise RecipeError(
            f"teacher.structured: the template {prompt.name} cuts answers at their first line"
            " (`first_line`), and JSON may have several; leave `structured` out, or take another"
            " template"
        )
    if recipe.teacher.sampling.response_format is not None:
        raise RecipeError(
            "teacher.structured and teacher.sampling.response_format say the same: leave one out"
        )
    return kind.answer_model()
