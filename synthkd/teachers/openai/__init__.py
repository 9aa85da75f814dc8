"""The backend `openai`: any server of the OpenAI protocol, chat and plain completions.

module               subject
-------------------  --------------------------------------------------------------
`teacher`            the backend
`request_body`       the body that is sent
`client`             the `openai` package, for files, batches and models

`synthkd.teachers.remote` has what other backends over HTTP share with it.
"""

from synthkd.teachers.openai.teacher import OpenAITeacher

__all__ = ["OpenAITeacher"]
