"""Submit one batch so that a kill at any step neither submits twice nor forgets the batch.

Each step is on disk before the next: intent, uploaded file, submitted batch.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from synthkd.errors import TeacherError
from synthkd.journal.batches import Batch, BatchStore
from synthkd.teachers.batch.drafts import BatchDraft
from synthkd.teachers.batch.provider import BatchProvider
from synthkd.teachers.dispatch import TransientError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Seconds before another attempt to create a batch: the first delay, and the longest; doubling.
_DELAY = (0.5, 60.0)


class Submission:
    """Submits the drafts of one run."""

    def __init__(
        self, provider: BatchProvider, batches: BatchStore, run: str, max_attempts: int
    ) -> None:
        self._provider, self._batches, self._run, self._max_attempts = (
            provider,
            batches,
            run,
            max_attempts,
        )

    async def submit(
        self, draft: BatchDraft, on_intent: Callable[[str, BatchDraft], Awaitable[None]]
    ) -> Batch:
        """Submit a draft and return its batch.

        Args:
            draft: The draft.
            on_intent: Called with the batch's token when its rows are in the journal.

        Raises:
            TeacherError: The intent stays in the journal, and the next run looks for its batch;
                unless no batch can
                have been made, so that its requests are not reserved any more.
        """
        token = await asyncio.to_thread(self._batches.record_intent, self._run, draft.rows)
        await on_intent(token, draft)
        file_id = None
        try:
            file_id = await self._provider.upload(token, draft.file)
            await asyncio.to_thread(self._batches.record_upload, token, file_id)
            batch = Batch(token, self._run, "submitted", None, file_id, time.time())
            batch_id = await self._create(draft, batch)
        except TeacherError as error:
            if file_id is None or not isinstance(error, TransientError):
                await asyncio.to_thread(self._batches.drop, token)
            raise
        await asyncio.to_thread(self._batches.record_submission, token, batch_id)
        return replace(batch, batch_id=batch_id)

    async def _create(self, draft: BatchDraft, batch: Batch) -> str:
        """Create the batch exactly once: after a doubtful attempt, look for the batch first."""
        attempt = 1
        while True:
            try:
                return await self._provider.create(draft.url, draft.file, draft.size, batch)
            except TransientError as error:
                known = await asyncio.to_thread(self._batches.known_ids)
                if batch_id := await self._provider.find(batch, draft.rows, known):
                    return batch_id
                if attempt >= self._max_attempts:
                    raise
                shortest, longest = _DELAY
                delay = min(longest, shortest * 2 ** (attempt - 1)) * random.uniform(0.5, 1)  # noqa: S311
                await asyncio.sleep(max(delay, error.retry_after or 0.0))
                attempt += 1
