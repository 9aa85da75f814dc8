"""The models behind a recipe's YAML.

Unknown keys are refused with the nearest known name. Relative paths are read from the recipe's folder; ``$NAME`` in a
path is taken from the environment.
"""

from synthkd.recipe.parts import (
    CorpusPart,
    CriticPart,
    ExamplesPart,
    InputsPart,
    KindPart,
    PromptPart,
    RecipePart,
    RulePart,
    VotesPart,
)
from synthkd.recipe.recipe import Recipe
from synthkd.recipe.student import LoopPart, MinePart, RowsPart, StudentPart
from synthkd.recipe.teacher import (
    BatchPart,
    LimitsPart,
    PoolPart,
    PricePart,
    SamplingPart,
    TeacherPart,
    VllmPart,
)

__all__ = [
    "BatchPart",
    "CorpusPart",
    "CriticPart",
    "ExamplesPart",
    "InputsPart",
    "KindPart",
    "LimitsPart",
    "LoopPart",
    "MinePart",
    "PoolPart",
    "PricePart",
    "PromptPart",
    "Recipe",
    "RecipePart",
    "RowsPart",
    "RulePart",
    "SamplingPart",
    "StudentPart",
    "TeacherPart",
    "VllmPart",
    "VotesPart",
]  # fmt: skip
