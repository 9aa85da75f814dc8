"""Options of the backend `openai-batch`."""

from __future__ import annotations

from pydantic import Field

from synthkd.options import BaseOptions, checked_options
from synthkd.recipe import TeacherPart


class BatchOptions(BaseOptions):
    """Options of a provider's Batch API: sizes and times."""

    requests: int = Field(
        50_000, ge=1, description="Requests in one batch at most; providers allow 50,000."
    )
    megabytes: float = Field(
        190.0, gt=0, description="Size of one batch's file; providers allow 200 MB."
    )
    result_megabytes: float | None = Field(
        None,
        gt=0,
        description="Size of one batch's result at most. Default: from the number of rows and"
        " `max_tokens`.",
    )
    window: str = Field("24h", description="Completion window that is asked for.")
    poll: float = Field(30.0, gt=0, description="Seconds between looks at a batch's state.")
    discount: float = Field(0.5, ge=0, le=1, description="Share of the price that a batch costs.")


def batch_options(part: TeacherPart) -> BatchOptions:
    """Return the options of a recipe's teacher.

    Raises:
        RecipeError: An option is unknown, or does not fit.
    """
    options: BatchOptions = checked_options(BatchOptions, part.options, "teacher.options")
    return options
