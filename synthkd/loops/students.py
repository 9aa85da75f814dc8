"""Make the student that a recipe of a loop names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from synthkd import plugins
from synthkd.errors import RecipeError, StudentError
from synthkd.recipe import Recipe, StudentPart
from synthkd.students.base import StudentModel
from synthkd.students.train import make_student


def student_factory(
    recipe: Recipe, part: StudentPart, learns: Literal["labels", "text", "spans"], **options: Any
) -> Callable[[], Any]:
    """Return a function that makes an untrained student of a recipe.

    One student is made at once, so that a wrong option is refused before anything is sent.

    Args:
        recipe: Its seed is the student's, unless an option says otherwise; paths are relative to
            it.
        part: The student's name and options.
        learns: What the loop needs the student to learn.
        options: Further options.

    Raises:
        RecipeError: If the student learns something else, or does not have an option.
    """
    student_class: type[StudentModel] = plugins.find("students", part.name, recipe.folder)
    if student_class.learns != learns:
        raise RecipeError(
            f"student.name: {part.name!r} learns {student_class.learns}; a loop for the kind"
            f" {recipe.kind.name!r}"
            f" needs a student that learns {learns}"
        )
    chosen = student_class.located(part.options, recipe.resolve)
    student = plugins.own_name("students", part.name, recipe.folder)

    def make() -> Any:
        try:
            return make_student(student, {**chosen, **options}, recipe.seed)
        except StudentError as error:
            raise RecipeError(str(error)) from None

    make()
    return make
