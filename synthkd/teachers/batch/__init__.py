"""The backend `openai-batch`: a provider's Batch API, at a discount and within a day.

module            subject
----------------  ----------------------------------------------------------------------
`teacher`         the backend
`stream`          requests to batches, batches to answers
`earlier_batches` samples in batches that earlier runs submitted
`submission`      submit one batch, without losing or doubling it
`drafts`          requests as files within the provider's limits
`provider`        files and batches over the `openai` package
`status`          a batch as the provider describes it
`results`         the files of a finished batch, row by row
`row_outcomes`    one row of a result as answers and samples to retry
`open_batches`    list and cancel the open batches of a run
"""

from synthkd.teachers.batch.teacher import BatchTeacher

__all__ = ["BatchTeacher"]
