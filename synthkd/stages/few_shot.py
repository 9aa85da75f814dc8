"""The prompt of a recipe: its template with the few-shot rows that are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from synthkd.errors import InputError, PromptError, nearest
from synthkd.kinds.base import Kind
from synthkd.prompts import Prompt, load_prompt
from synthkd.recipe import Recipe
from synthkd.resources import resource
from synthkd.rows import is_empty, read_rows, text_cell
from synthkd.teachers.base import Teacher


def resolve_prompt(recipe: Recipe, kind: Kind, teacher: Teacher) -> Prompt | None:
    """Load the template and its few-shot rows; None if the teacher needs no template and has none.

    Few-shot rows come from the recipe, else from the kind, else from the template.

    Raises:
        PromptError: The template is missing or made for another kind, or a few-shot row lacks the
            column by which rows are drawn.
        InputError: The file of few-shot rows is empty.
    """
    part = recipe.prompt
    if part.template is None:
        if teacher.needs_template:
            raise PromptError(
                f"prompt.template is missing: the backend {teacher.name!r} needs a prompt; name a"
                " template"
            )
        return None
    prompt = load_prompt(part.template, recipe.folder)
    if prompt.head.kind and prompt.head.kind != kind.name:
        raise PromptError(
            f"template {part.template} is for the kind {prompt.head.kind!r}, the recipe's is"
            f" {kind.name!r}"
        )
    shots = prompt.shots if part.shots is None else part.shots
    by, source, place = prompt.by, None, ""
    if part.examples:
        source, shots, place = (
            recipe.resolve(part.examples.path),
            part.examples.n,
            part.examples.path,
        )
        if "by" in part.examples.model_fields_set:
            by = part.examples.by
    elif prompt.head.examples:
        place = prompt.head.examples
        beside = prompt.folder / place
        source = beside if beside.is_file() else resource("prompts") / place
        if not source.is_file():
            raise PromptError(
                f"template {part.template}: no file {place} of few-shot rows in {prompt.folder}"
            )
    examples = [row for rows in read_rows(source) for row in rows] if source and shots else []
    if source and shots and not examples:
        raise InputError(f"{place}: no few-shot rows in it")
    if shots and not part.examples and (shown := kind.own_examples()):
        examples, place = shown, "few-shot"
    examples = [_with_texts(row, kind, f"{place} row {i}") for i, row in enumerate(examples, 1)]
    if by is not None and examples:
        _check_grouping(by, examples, place)
    kind.check_examples(examples)
    return replace(prompt, examples=examples, shots=shots, by=by, variables=part.variables)


def _with_texts(row: dict[str, Any], kind: Kind, place: str) -> dict[str, Any]:
    """Return a few-shot row whose columns of the kind are texts."""
    columns = {*kind.columns, *kind.optional_columns}
    return {
        name: text_cell(value, place, name) if name in columns else value
        for name, value in row.items()
    }


def _check_grouping(by: str, examples: list[dict[str, Any]], place: str) -> None:
    """Refuse to draw few-shot rows by a column that some of them lack."""
    for number, row in enumerate(examples, 1):
        if is_empty(row.get(by)):
            raise PromptError(
                f"{place} row {number}: no {by!r}{'' if by in row else nearest(by, list(row))}, by"
                " which examples are"
                " drawn; add the column, or set `prompt.examples.by: null` to draw from all"
            )
