"""What a user asks for: the models behind a recipe's YAML.

Unknown keys are refused with the nearest known name. Relative paths are read from the recipe's folder;
``$NAME`` in a path is taken from the environment.
"""

from synthkd.recipe.parts import CorpusPart, CriticPart, Examples, Inputs, Kind, Part, Prompt, Rule, VotesPart
from synthkd.recipe.recipe import Recipe
from synthkd.recipe.student import LoopPart, MinePart, RowsPart, StudentPart
from synthkd.recipe.teacher import BatchPart, Limits, PoolPart, Price, SamplingPart, TeacherPart, VllmPart

__all__ = [
    "BatchPart", "CorpusPart", "CriticPart", "Examples", "Inputs", "Kind", "Limits", "LoopPart", "MinePart", "Part", "PoolPart", "Price", "Prompt", "Recipe",
    "RowsPart", "Rule", "SamplingPart", "StudentPart", "TeacherPart", "VllmPart", "VotesPart",
]  # fmt: skip
