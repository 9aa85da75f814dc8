"""The backends `openai-batch`, `anthropic-batch` and `gemini-batch`.

The modules of the providers are imported when they are needed: the `openai` package takes most of a
second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthkd.recipe import PricePart
from synthkd.teachers.anthropic.format import AnthropicFormat
from synthkd.teachers.anthropic.options import with_surcharge
from synthkd.teachers.anthropic.teacher import ANTHROPIC_API
from synthkd.teachers.batch.batched_model import BatchedModel
from synthkd.teachers.batch.options import (
    AnthropicBatchOptions,
    GeminiBatchOptions,
    OpenAIBatchOptions,
)
from synthkd.teachers.gemini.format import MAX_LOGPROBS, GeminiFormat
from synthkd.teachers.gemini.teacher import GEMINI_API
from synthkd.teachers.openai.request_body import OpenAIFormat, top_logprobs
from synthkd.teachers.remote.endpoint import OPENAI_API

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.batch.provider import BatchProvider


class BatchTeacher(BatchedModel):
    """Answers from the Batch API of OpenAI, and of others that have the same."""

    name = "openai-batch"
    api = OPENAI_API
    Options = OpenAIBatchOptions
    options: OpenAIBatchOptions

    def wire_format(self) -> OpenAIFormat:
        return OpenAIFormat(self.part)

    def provider(self) -> BatchProvider:
        from synthkd.teachers.batch.openai_batches import OpenAIBatches

        return OpenAIBatches(self.part, self.endpoint(), self.options, self.wire_format())

    def top_logprobs(self, chat: bool) -> dict[str, int]:
        return top_logprobs(chat)


class AnthropicBatchTeacher(BatchedModel):
    """Answers from Anthropic's Message Batches."""

    name = "anthropic-batch"
    api = ANTHROPIC_API
    Options = AnthropicBatchOptions
    options: AnthropicBatchOptions
    gives_logprobs = False

    def price_of(self, part: TeacherPart) -> PricePart | None:
        return with_surcharge(super().price_of(part), self.options)

    def wire_format(self) -> AnthropicFormat:
        return AnthropicFormat(self.part, self.options)

    def provider(self) -> BatchProvider:
        from synthkd.teachers.batch.anthropic_batches import AnthropicBatches

        return AnthropicBatches(self.part, self.endpoint(), self.options, self.wire_format())


class GeminiBatchTeacher(BatchedModel):
    """Answers from the batches of the Gemini API."""

    name = "gemini-batch"
    api = GEMINI_API
    Options = GeminiBatchOptions
    options: GeminiBatchOptions

    def wire_format(self) -> GeminiFormat:
        return GeminiFormat(self.part)

    def provider(self) -> BatchProvider:
        from synthkd.teachers.batch.gemini_batches import GeminiBatches

        return GeminiBatches(self.part, self.endpoint(), self.options, self.wire_format())

    def top_logprobs(self, chat: bool) -> dict[str, int]:
        return {"top_logprobs": MAX_LOGPROBS}
