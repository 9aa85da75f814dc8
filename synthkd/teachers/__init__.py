"""Teachers: the contract of a backend (`base`), the backends, and the dispatch of requests.

backend         class                                       answers come from --------------
------------------------------------------  -----------------------------------------------------
`openai`        `synthkd.teachers.openai.OpenAITeacher`     any server of the OpenAI protocol
`openai-batch`  `synthkd.teachers.batch.BatchTeacher`       a provider's Batch API `vllm`
`synthkd.teachers.vllm.VllmTeacher`         vLLM, in this process or served `transformers`
`synthkd.teachers.transformers.TransformersTeacher`  a local checkpoint `recorded`
`synthkd.teachers.recorded.RecordedTeacher` a file of completions `pool`
`synthkd.teachers.pool.PoolTeacher`         a file of labelled rows
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
