"""Options of the backends that submit batches."""

from __future__ import annotations

from pydantic import Field

from synthkd.options import BaseOptions
from synthkd.teachers.anthropic.options import AnthropicOptions


class BatchOptions(BaseOptions):
    """Options of a provider's Batch API: sizes and times."""

    requests: int = Field(50_000, ge=1, description="Requests in one batch at most.")
    megabytes: float = Field(190.0, gt=0, description="Size of one batch's requests at most.")
    result_megabytes: float | None = Field(
        None,
        gt=0,
        description="Size of one batch's result at most. Default: from the number of rows and"
        " `max_tokens`.",
    )
    poll: float = Field(30.0, gt=0, description="Seconds between looks at a batch's state.")
    discount: float = Field(0.5, ge=0, le=1, description="Share of the price that a batch costs.")


class OpenAIBatchOptions(BatchOptions):
    """Options of the OpenAI Batch API, which takes 50,000 requests and 200 MB in a batch."""

    window: str = Field("24h", description="Completion window that is asked for.")


class AnthropicBatchOptions(BatchOptions, AnthropicOptions):
    """Options of Message Batches, which take 100,000 requests and 256 MB in a batch."""


class GeminiBatchOptions(BatchOptions):
    """Options of Gemini's batches, whose requests go with the batch: 20 MB at most.

    The results of a batch come in one body.
    """

    requests: int = Field(2_000, ge=1, description="Requests in one batch at most.")
    megabytes: float = Field(18.0, gt=0, description="Size of one batch's requests at most.")
