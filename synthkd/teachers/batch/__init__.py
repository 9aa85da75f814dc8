"""Backends that submit batches, at a discount and within a day.

module               subject
-------------------  ----------------------------------------------------------------------
`teacher`            the backends: `openai-batch`, `anthropic-batch`, `gemini-batch`
`batched_model`      their base class
`stream`             requests to batches, batches to answers
`earlier_batches`    samples in batches that earlier runs submitted
`submission`         submit one batch, without losing or doubling it
`drafts`             requests as files within the provider's limits
`provider`           what a provider of batches does
`openai_batches`     files and batches over the `openai` package
`http_batches`       batches over plain requests of HTTP
`anthropic_batches`  Message Batches
`gemini_batches`     batches of `generateContent`
`status`             a batch as the provider describes it
`results`            the files of a finished batch, row by row
`row_outcomes`       one row of a result as answers and samples to retry
`open_batches`       list and cancel the open batches of a run
"""

from synthkd.teachers.batch.teacher import BatchTeacher

__all__ = ["BatchTeacher"]
