"""The open batches of a run at their provider: to be listed, or cancelled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synthkd.journal.batches import Batch, BatchStore
from synthkd.journal.store import Journal
from synthkd.teachers.batch.files import Provider, lasting
from synthkd.teachers.batch.results import ENDED
from synthkd.teachers.batch.teacher import BatchTeacher
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.openai.endpoint import resolve

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart


@dataclass(frozen=True)
class BatchState:
    """How a batch of the journal stands at the provider. ``status`` is ours where the provider knows none."""

    batch: Batch
    status: str
    done: int = 0
    failed: int = 0
    total: int = 0


async def states(part: TeacherPart, journal: Journal, run: str) -> list[BatchState]:
    """The open batches of a run, with what the provider says of them."""
    return await _ask_of_each(part, journal, run, cancel=False)


async def cancel_all(part: TeacherPart, journal: Journal, run: str) -> list[BatchState]:
    """Cancel a run's open batches. What is done by then is paid for: the next run collects it.

    One that the provider does not know is forgotten.
    """
    return await _ask_of_each(part, journal, run, cancel=True)


async def _ask_of_each(part: TeacherPart, journal: Journal, run: str, cancel: bool) -> list[BatchState]:
    batches = BatchStore(journal)
    provider = Provider(part, resolve(BatchTeacher(part).base_url, part))
    try:
        return [await _ask_of(provider, batches, batch, cancel) for batch in batches.uncollected(run)]
    except TransientError as error:
        raise lasting(error, open_batches=True) from None
    finally:
        await provider.close()


async def _ask_of(provider: Provider, batches: BatchStore, batch: Batch, cancel: bool) -> BatchState:
    if batch.batch_id is None:
        found = await provider.find(batch.token, batch.file_id, batch.created)
        if found is None:
            if cancel:
                batches.drop(batch.token)
            return BatchState(batch, "not submitted")
        batches.record_submission(batch.token, found)
        batch = replace(batch, batch_id=found, state="submitted")
    state = await provider.look_up(batch)
    if state is None:
        if cancel:
            batches.drop(batch.token)
        return BatchState(batch, "unknown")
    if cancel and state.status not in (*ENDED, "cancelling"):
        state = await provider.cancel(batch)
    return BatchState(batch, state.status, state.done, state.failed, state.total)
