"""List and cancel the open batches of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from synthkd.journal.batches import Batch, BatchStore
from synthkd.journal.store import Journal
from synthkd.teachers.batch.batched_model import BatchedModel
from synthkd.teachers.batch.provider import BatchProvider, final_error
from synthkd.teachers.batch.results import FINAL_STATUSES
from synthkd.teachers.dispatch import TransientError


@dataclass(frozen=True)
class OpenBatch:
    """A batch of the journal with its state at the provider.

    ``status`` is the provider's, or "not submitted" or "unknown" if the provider does not know the
    batch.
    """

    batch: Batch
    status: str
    done: int = 0
    failed: int = 0
    total: int = 0


async def open_batch_states(teacher: BatchedModel, journal: Journal, run: str) -> list[OpenBatch]:
    """Return the open batches of a run with their states at the provider."""
    return await _states(teacher, journal, run, cancel=False)


async def cancel_open_batches(teacher: BatchedModel, journal: Journal, run: str) -> list[OpenBatch]:
    """Cancel the open batches of a run. Rows that are done are billed; the next run collects them.

    A batch that the provider does not know is forgotten.
    """
    return await _states(teacher, journal, run, cancel=True)


async def _states(
    teacher: BatchedModel, journal: Journal, run: str, cancel: bool
) -> list[OpenBatch]:
    batches = BatchStore(journal)
    provider = teacher.provider()
    try:
        return [
            await _state(provider, batches, batch, cancel) for batch in batches.uncollected(run)
        ]
    except TransientError as error:
        raise final_error(error, open_batches=True) from None
    finally:
        await provider.close()


async def _state(
    provider: BatchProvider, batches: BatchStore, batch: Batch, cancel: bool
) -> OpenBatch:
    if batch.batch_id is None:
        batch_id = await provider.find(batch, batches.rows(batch.token), batches.known_ids())
        if batch_id is None:
            if cancel:
                batches.drop(batch.token)
            return OpenBatch(batch, "not submitted")
        batches.record_submission(batch.token, batch_id)
        batch = replace(batch, batch_id=batch_id, state="submitted")
    state = await provider.look_up(batch)
    if state is None:
        if cancel:
            batches.drop(batch.token)
        return OpenBatch(batch, "unknown")
    if cancel and state.status not in (*FINAL_STATUSES, "cancelling"):
        state = await provider.cancel(batch)
    return OpenBatch(batch, state.status, state.done, state.failed, state.total)
