"""Students of a recipe: how one is made, and what it says of rows that are to be mined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from synthkd import plugins
from synthkd.errors import RecipeError
from synthkd.loops.labelled.mining import out_of_fold_probabilities
from synthkd.recipe import Recipe, StudentPart
from synthkd.students.base import Classifier, Floats, LabelledTexts

#: Options that may be paths; a name that is none, of a hub say, stays as it is.
_PATHS = ("encoder", "base", "model", "path")


class StudentMaker:
    """Makes the recipe's student, untrained, and those that are cross-validated. Raises `RecipeError` for a student that learns no
    labels, and for an option that it does not have."""

    def __init__(self, recipe: Recipe, classes: Sequence[str]) -> None:
        assert recipe.loop is not None
        self._mine, self._seed = recipe.loop.mine, recipe.seed
        own = recipe.student or StudentPart()
        self.make = _factory(recipe, own, classes)
        self._crossed = _factory(recipe, self._mine.student, classes) if self._mine.student else self.make

    @property
    def mines(self) -> bool:
        """Whether any example of the student's answers is shown."""
        return bool(self._mine.correct or self._mine.incorrect or self._mine.hard)

    def crossed(self, rows: LabelledTexts, validation: LabelledTexts) -> Floats:
        """(n, C) what students say of rows that they were not trained on, by cross-validation."""
        return out_of_fold_probabilities(self._crossed, rows, self._mine.folds, self._seed, validation)


def _factory(recipe: Recipe, part: StudentPart, classes: Sequence[str]) -> Callable[[], Classifier]:
    """What makes a student of a recipe; it has made one, so that a wrong option is told at once."""
    made: Any = plugins.find("students", part.name)
    if getattr(made, "learns", "") != "labels":
        raise RecipeError(
            f"student {part.name!r} learns no labels; a loop over the kind 'labelled_text' needs one that does"
        )
    options = {"seed": recipe.seed, **_options(recipe, part), "classes": classes}

    def make() -> Classifier:
        try:
            student: Classifier = made(**options)
        except TypeError as error:
            said = str(error).split("__init__() ")[-1]
            raise RecipeError(f"student {part.name!r}: {said}") from None
        return student

    make()
    return make


def _options(recipe: Recipe, part: StudentPart) -> dict[str, Any]:
    """The student's options; paths are read from the recipe's folder."""
    options = dict(part.options)
    for name in _PATHS:
        if isinstance(options.get(name), str) and (found := recipe.resolve(options[name])).exists():
            options[name] = str(found)
    return options
