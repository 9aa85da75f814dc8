"""The backend `openai`: any server of the OpenAI protocol, chat and plain completions.

module               subject
-------------------  --------------------------------------------------------------
`teacher`            the backend
`endpoint`           addresses, headers and secrets
`request_body`       the body that is sent
`parameter_support`  parameters that a server takes, learned from its refusals
`transport`          one request to an endpoint
`http`               the clients that carry it
`responses`          a body as completions and failures
`message_content`    text, refusal, thoughts and finish reason of a choice
`logprobs`           log-probabilities of a choice
`usage`              token counts and cost
`embedded_errors`    errors inside a body of status 200
`error_responses`    errors by status and body
`client`             the `openai` package, for files, batches and models
"""

from synthkd.teachers.openai.teacher import OpenAITeacher

__all__ = ["OpenAITeacher"]
