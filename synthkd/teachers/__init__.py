"""Teachers: the contract of a backend (`base`), the backends, and the dispatch of requests.

`openai`         any server of the OpenAI protocol           `openai.OpenAITeacher`
`openai-batch`   a provider's Batch API                      `batch.BatchTeacher`
`anthropic`      Anthropic's Messages API                    `anthropic.AnthropicTeacher`
`gemini`         `generateContent` of the Gemini API         `gemini.GeminiTeacher`
`vllm`           vLLM, in this process or served             `vllm.VllmTeacher`
`transformers`   a local checkpoint                          `transformers.TransformersTeacher`
`recorded`       a file of completions                       `recorded.RecordedTeacher`
`rows`           nobody: rows pass as they are                `rows.RowsTeacher`
`pool`           a file of labelled rows                     `pool.PoolTeacher`

`purchase` buys completions through the journal, within the caps of `spending`. `dispatch/` sends
requests concurrently and retries them. `constrained_decoding` and `schema_support` deal with
answers of a required form.
"""

from synthkd.requests import (
    Answer,
    Completion,
    Failure,
    Message,
    Request,
    Sampling,
    completion_key,
    request_id,
)
from synthkd.teachers.base import Account, Teacher

__all__ = [
    "Account",
    "Answer",
    "Completion",
    "Failure",
    "Message",
    "Request",
    "Sampling",
    "Teacher",
    "completion_key",
    "request_id",
]
