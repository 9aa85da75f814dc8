"""The models behind a recipe's YAML.

Unknown keys are refused with the nearest known name. Relative paths are read from the recipe's
folder; ``$NAME`` in a path is taken from the environment.
"""

from synthkd.recipe.parts import (
    AtMostPart,
    CorpusPart,
    CriticPart,
    ExamplesPart,
    InputsPart,
    KindPart,
    PromptPart,
    RecipePart,
    RulePart,
    TargetPart,
    VotesPart,
)
from synthkd.recipe.recipe import Recipe, RuleChoice
from synthkd.recipe.student import LoopPart, MinePart, RowsPart, StudentPart
from synthkd.recipe.teacher import (
    LimitsPart,
    PricePart,
    SamplingPart,
    TeacherPart,
)

__all__ = [
    "AtMostPart",
    "CorpusPart",
    "CriticPart",
    "ExamplesPart",
    "InputsPart",
    "KindPart",
    "LimitsPart",
    "LoopPart",
    "MinePart",
    "PricePart",
    "PromptPart",
    "Recipe",
    "RecipePart",
    "RowsPart",
    "RuleChoice",
    "RulePart",
    "SamplingPart",
    "StudentPart",
    "TargetPart",
    "TeacherPart",
    "VotesPart",
]  # fmt: skip
