"""Options of the backend `pool`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synthkd.options import BaseOptions, checked_options
from synthkd.recipe import TeacherPart


class PoolOptions(BaseOptions):
    """Options of a pool: how labelled rows are handed out."""

    choose: Literal["typical", "nearest", "drawn"] = Field(
        "typical",
        description="Which rows of a class come first: those that stand for the rows which the"
        " student lacks (`typical`), those nearest to the hard negatives of the request"
        " (`nearest`), or any (`drawn`).",
    )
    weight: float = Field(
        1.0,
        ge=0,
        description="For `typical`: how much more a row near a hard negative counts, as exp(weight"
        " x cosine).",
    )
    noise: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the texts that belong to another class than the one asked for.",
    )
    noise_from: Literal["any", "near"] = Field(
        "any",
        description="Where they come from: any other class, or one of the three most like it.",
    )
    encoder: str | None = Field(
        None,
        description="Frozen encoder (folder or hub name) that says how near texts are. Default:"
        " TF-IDF.",
    )
    seed: int = Field(0, description="Seed of all draws.")


def pool_options(part: TeacherPart) -> PoolOptions:
    """Return the options of a recipe's teacher.

    Raises:
        RecipeError: An option is unknown, or does not fit.
    """
    options: PoolOptions = checked_options(PoolOptions, part.options, "teacher.options")
    return options
