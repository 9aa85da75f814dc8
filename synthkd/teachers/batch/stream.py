"""Requests to batches, and batches to answers.

    requests ──► draft ──► intent (committed) ──► file, batch ──► poll ──► result files ──► answers
                   ▲                                                            │
                   └──────── samples without an answer, up to the last attempt ─┘

A batch outlives the process. After Ctrl-C, a kill or a lost connection, the open batches go on at
the provider, and the next run of the same recipe finds them in the journal. A kill between two
steps neither submits a batch twice nor forgets it: the journal has the batch before the provider
does, and a batch counts as collected only when the reader has committed its answers.

One process at a time may work on a run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from synthkd.errors import QuotaError, TeacherError
from synthkd.journal.batches import Batch, BatchRow, BatchStore
from synthkd.requests import Answer, Failure, Request, Sampling
from synthkd.teachers.batch.drafts import BatchDraft, BatchDrafts
from synthkd.teachers.batch.earlier_batches import EarlierSamples
from synthkd.teachers.batch.provider import BatchProvider
from synthkd.teachers.batch.results import (
    FINAL_STATUSES,
    BatchResult,
    max_result_bytes,
    missing_row_error,
    row_groups,
    rows_with_results,
)
from synthkd.teachers.batch.row_outcomes import RowOutcome, row_outcome
from synthkd.teachers.batch.status import ProviderBatch
from synthkd.teachers.batch.submission import Submission
from synthkd.teachers.batch.temporary_files import close_quietly
from synthkd.teachers.dispatch import TransientError, failures_for
from synthkd.teachers.remote.error_responses import is_out_of_credit

if TYPE_CHECKING:
    from synthkd.recipe import PricePart, TeacherPart
    from synthkd.teachers.base import Account

#: Seconds without a new request, after which an incomplete draft is submitted: the source may wait
#: for answers, such as those of a budget without room.
_SILENCE = 5.0
#: The code of a batch for which the provider has no room until others have ended.
_CROWDED = "token_limit_exceeded"


@dataclass(frozen=True)
class BatchSetup:
    """Settings that a stream takes over from its teacher.

    Attributes:
        part: The recipe's teacher part.
        identity: Who answers; only answers to requests of this identity have a price.
        price: Prices with the discount of a batch.
        patience: Seconds for which a provider that does not answer is tolerated.
        account: Asked before a row of unknown cost is sent again.
    """

    part: TeacherPart
    identity: str
    price: PricePart | None
    patience: float
    account: Account | None


class BatchStream:
    """State of one `BatchTeacher.stream`."""

    def __init__(
        self, setup: BatchSetup, provider: BatchProvider, batches: BatchStore, run: str
    ) -> None:
        self.setup, self.provider, self.batches, self.run = setup, provider, batches, run
        self.part = setup.part
        self.loop = asyncio.get_running_loop()
        self.drafts = BatchDrafts(provider)
        self.submission = Submission(provider, batches, run, self.part.max_attempts)
        self.earlier = EarlierSamples(batches)
        #: token -> batch, of those at the provider.
        self.open: dict[str, Batch] = {}
        #: token -> rows of a batch without an answer that wait in a draft. The batch stays open
        #: until these rows are in another intent.
        self.waiting_rows: Counter[str] = Counter()
        #: Answers that are ready, and do not come from a result.
        self.ready_answers: list[Answer] = []
        self.is_crowded = False
        #: BatchStore that were submitted while no other was open: if there is no room for these,
        #: there is none at all.
        self.submitted_alone: set[str] = set()
        self.is_stopped = False
        #: Times of the loop's clock: the next poll, and the last change of a draft.
        self.next_poll = 0.0
        self.last_change = self.loop.time()
        #: Time since which polls have failed; None if the last one succeeded.
        self.failing_since: float | None = None
        self.changed = asyncio.Event()
        self.room = asyncio.Event()

    async def answers(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        """Yield the answers of earlier batches, then those to the requests."""
        await self._resume()
        feed: asyncio.Task[None] | None = None
        try:
            while True:
                async with aclosing(self._poll()) as groups:
                    async for group in groups:
                        yield group
                # Results of earlier batches are committed first, so that none is requested again.
                feed = feed or asyncio.create_task(self._feed(requests))
                if self.is_stopped:
                    self._return_unsubmitted()
                else:
                    await self._submit_drafts(feed)
                if self.ready_answers:
                    group, self.ready_answers = self.ready_answers, []
                    yield group
                if self.is_stopped or (feed.done() and not self.open and not self.drafts):
                    if failures := self.earlier.kept_failures():
                        yield failures
                    return
                await self._wait(feed)
        finally:
            if feed is not None:
                feed.cancel()
                await asyncio.gather(feed, return_exceptions=True)
            self.drafts.close()

    def stop(self) -> None:
        self.is_stopped = True
        # The loop may have ended.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.changed.set)

    async def _resume(self) -> None:
        """Take over the open batches of earlier runs."""
        for batch in await asyncio.to_thread(self.batches.uncollected, self.run):
            rows = await asyncio.to_thread(self.batches.rows, batch.token)
            batch_id = batch.batch_id or await self.provider.find(
                batch, rows, await asyncio.to_thread(self.batches.known_ids)
            )
            if batch_id is None:
                # Never submitted: its requests are asked again.
                await self._drop(batch)
                continue
            if batch.batch_id is None:
                await asyncio.to_thread(self.batches.record_submission, batch.token, batch_id)
            self.open[batch.token] = replace(batch, batch_id=batch_id)
            self.earlier.add(batch.token, rows)

    async def _drop(self, batch: Batch) -> None:
        await asyncio.to_thread(self.batches.drop, batch.token)
        if batch.file_id:
            # A file that stays does no harm.
            with suppress(TeacherError):
                await self.provider.delete_file(batch.file_id)

    # Requests to drafts

    async def _feed(self, requests: AsyncIterator[Request]) -> None:
        """Put requests into drafts, one batch ahead."""
        try:
            async for request in requests:
                remaining, failures = self.earlier.without_earlier(request)
                self.ready_answers += failures
                if remaining is None:
                    continue
                for part in self.provider.split(remaining):
                    while self.drafts.ready:
                        self.room.clear()
                        self.changed.set()
                        await self.room.wait()
                    self._add_to_draft(part)
                    filling = self.drafts.filling
                    if filling is None or len(filling.rows) == 1 or self.ready_answers:
                        # A batch is full or begun: the time to wait has changed.
                        self.changed.set()
        finally:
            self.changed.set()

    def _add_to_draft(self, request: Request, attempt: int = 1, origin: str | None = None) -> None:
        sampling = request.sampling
        if origin:
            sampling = replace(sampling, logprobs=self.part.sampling.logprobs)
        if self.drafts.add(_with_sampling(request, sampling), attempt, origin):
            if origin:
                self.waiting_rows[origin] += 1
        else:
            detail = "this request alone is larger than teacher.options.megabytes; raise it"
            self.ready_answers += failures_for(
                request, "too_large", detail, attempt, permanent=False
            )
        self.last_change = self.loop.time()

    async def _wait(self, feed: asyncio.Task[None]) -> None:
        """Wait for a draft to submit, the next poll, or the silence of the source."""
        times = [self.next_poll] if self.open else []
        if self.drafts.filling and not self.drafts.ready:
            times.append(self.last_change + _SILENCE)
        if feed.done() and not times:
            return
        timeout = max(0.0, min(times) - self.loop.time()) if times else None
        with suppress(TimeoutError):
            await asyncio.wait_for(self.changed.wait(), timeout)
        self.changed.clear()

    # Drafts to batches

    async def _submit_drafts(self, feed: asyncio.Task[None]) -> None:
        if feed.done():
            # Raises the error of the source.
            feed.result()
        silent = self.loop.time() - self.last_change >= _SILENCE
        if feed.done() or (silent and not self.drafts.ready):
            self.drafts.finish_draft()
        while self.drafts.ready and not (self.is_crowded and self.open) and not self.is_stopped:
            draft = self.drafts.ready.popleft()
            try:
                batch = await self.submission.submit(draft, self._move_rows)
            finally:
                close_quietly(draft.file)
            if not self.open:
                self.submitted_alone.add(batch.token)
                self.next_poll = self.loop.time() + self.provider.options.poll
            self.open[batch.token] = batch
            self.last_change = self.loop.time()
            self.room.set()

    async def _move_rows(self, token: str, draft: BatchDraft) -> None:
        """Take in that rows without an answer in their batch are in another one now."""
        for row, origin in zip(draft.rows, draft.origins, strict=True):
            if origin:
                self.earlier.move(row, token)
        for origin, rows in Counter(draft.origins).items():
            if origin:
                self.waiting_rows[origin] -= rows
                await self._close_batch(origin)

    def _return_unsubmitted(self) -> None:
        """Return requests outside any batch, after `stop`, as failures to be retried later."""
        self.drafts.finish_draft()
        for draft in self.drafts.ready:
            for row, origin in zip(draft.rows, draft.origins, strict=True):
                if origin is None:
                    detail = "the run was stopped before this request was submitted"
                    self.ready_answers += [
                        Failure(row.request_id, index, "stopped", detail, 1, permanent=False)
                        for index in row.sample_indexes
                    ]

    # BatchStore to answers

    async def _poll(self) -> AsyncGenerator[list[Answer], None]:
        """Poll the open batches, if a poll is due, and read those that have ended."""
        if self.loop.time() < self.next_poll:
            return
        for batch in list(self.open.values()):
            try:
                result = await self._result(batch)
            except TransientError as error:
                self._tolerate(error)
                continue
            self.failing_since = None
            if result is None:
                continue
            try:
                async with aclosing(self._collect(result)) as groups:
                    async for group in groups:
                        yield group
            finally:
                for file in result.files:
                    close_quietly(file)
            if result.fatal:
                raise result.fatal
        self.next_poll = self.loop.time() + self.provider.options.poll

    def _tolerate(self, error: TransientError) -> None:
        """Raise an error if the provider has not answered for too long; a batch takes hours."""
        now = self.loop.time()
        self.failing_since = now if self.failing_since is None else self.failing_since
        if now - self.failing_since > self.setup.patience:
            raise error

    async def _result(self, batch: Batch) -> BatchResult | None:
        """Return a batch that has ended with its files; None if it goes on."""
        state = await self.provider.state(batch)
        if state.status not in FINAL_STATUSES:
            return None
        result = BatchResult(batch, state.status, missing_row_error(state))
        try:
            rows = await asyncio.to_thread(self.batches.rows, batch.token)
            max_bytes = max_result_bytes(self.part, self.provider.options.result_megabytes, rows)
            for file_id in state.files:
                result.files.append(await self.provider.download(file_id, max_bytes))
        except BaseException:
            for file in result.files:
                close_quietly(file)
            raise
        if state.status == "failed" and not result.files:
            self._mark_failed(result, state)
        else:
            self.is_crowded = False
        return result

    def _mark_failed(self, result: BatchResult, state: ProviderBatch) -> None:
        """Record a batch that was refused as a whole: no capacity now, or invalid rows."""
        codes = {issue.code for issue in state.issues}
        if _CROWDED in codes and result.batch.token not in self.submitted_alone:
            self.is_crowded = result.is_crowded_out = True
            return
        detail = self.provider.endpoint.mask(str(result.missing_row["message"]))[:500]
        kind = QuotaError if is_out_of_credit(codes) else TeacherError
        result.fatal = kind(
            f"{self.provider.endpoint.public}: the batch {state.id} failed ({detail}); correct the"
            " cause and run again: nothing of this batch was done"
        )

    async def _collect(self, result: BatchResult) -> AsyncGenerator[list[Answer], None]:
        """Give every row of a batch its outcome: answers, failures or another attempt."""
        batch = result.batch
        rows = {
            row.custom_id: row for row in await asyncio.to_thread(self.batches.rows, batch.token)
        }
        max_bytes = int(self.part.max_answer_megabytes * 1e6)

        def read_rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
            return self.provider.read_rows(file, max_bytes)

        for group in row_groups(rows_with_results(result, rows, read_rows)):
            answers, retries = await self._outcomes(result, group)
            answers = [answer for answer in answers if not self.earlier.keep_failure(answer)]
            if answers:
                yield answers
            # The reader has committed these answers: retries ask for the other samples only.
            for answer in answers:
                self.earlier.mark_answered(answer)
            for request, attempt in retries:
                for part in self.provider.split(request):
                    self._add_to_draft(part, attempt, batch.token)
        del self.open[batch.token]
        await self._close_batch(batch.token)

    async def _close_batch(self, token: str) -> None:
        """Mark a batch as collected, unless some of its rows wait in a draft."""
        if not self.waiting_rows[token] and token not in self.open:
            del self.waiting_rows[token]
            await asyncio.to_thread(self.batches.record_collection, token)

    async def _outcomes(
        self, result: BatchResult, group: list[tuple[BatchRow, dict[str, Any]]]
    ) -> tuple[list[Answer], list[tuple[Request, int]]]:
        """Return answers to rows, and requests to retry with the numbers of their attempts."""
        requests = self.batches.requests([row for row, _ in group])
        settled = self.earlier.settled(list({row.request_id for row, _ in group}))
        answers: list[Answer] = []
        retries: list[tuple[Request, int]] = []
        for (row, line), request in zip(group, requests, strict=True):
            is_own = request.identity == self.setup.identity
            price = self.setup.price if is_own else None
            outcome = row_outcome(self.provider, request, line, row.attempt, price)
            result.fatal = result.fatal or outcome.fatal
            # Committed by an earlier run that was killed before the batch counted as collected.
            answered = settled[row.request_id]
            answers += [answer for answer in outcome.answers if answer.sample_index not in answered]
            left = request.with_samples(
                tuple(
                    index
                    for index in outcome.left
                    if index not in answered
                    and self.earlier.is_last(result.batch.token, row.request_id, index)
                )
            )
            if not left.sample_indexes:
                continue
            final = not is_own or self._is_final_attempt(result, row)
            if result.is_crowded_out:
                retries.append((left, row.attempt))
            elif not final and await self._may_retry(left, outcome):
                retries += [(one, row.attempt + 1) for one in _retries(left, outcome)]
            else:
                # If the account refused a further attempt, the last one is charged already.
                tokens = None if final and outcome.unknown_cost else 0
                answers += failures_for(
                    left, outcome.reason, outcome.detail, row.attempt, False, tokens
                )
        return answers, retries

    def _is_final_attempt(self, result: BatchResult, row: BatchRow) -> bool:
        """Return True if a row is not retried; rows of a cancelled batch wait for the next run."""
        return (
            result.fatal is not None
            or result.status == "cancelled"
            or row.attempt >= self.part.max_attempts
        )

    async def _may_retry(self, request: Request, outcome: RowOutcome) -> bool:
        """Return True if the budget has room for a further attempt after one of unknown cost."""
        if not outcome.unknown_cost or self.setup.account is None:
            return True
        return await self.setup.account.unknown(request)


def _with_sampling(request: Request, sampling: Sampling) -> Request:
    """Return a request that asks for more or less about its answer, under the same id."""
    if sampling == request.sampling:
        return request
    other = replace(request, sampling=sampling)
    other.__dict__["request_id"] = request.request_id
    return other


def _retries(request: Request, outcome: RowOutcome) -> Iterable[Request]:
    """Return the requests of a further attempt, one per sample if choices were missing."""
    if not outcome.too_few:
        return [request]
    return [request.with_samples((index,)) for index in request.sample_indexes]
