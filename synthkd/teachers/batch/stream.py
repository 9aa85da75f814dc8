"""The way of requests through a provider's Batch API.

    requests ──► draft ──► intent (committed) ──► file, batch ──► polled ──► result files ──► answers
                   ▲                                                            │
                   └────────── what has no answer yet, up to its last try ──────┘

A batch outlives the process. Ctrl-C, a kill or a lost connection leaves the open ones with the provider, where
they go on; the next run of the same recipe finds them in the journal and picks them up. Killed between any two
steps, it neither submits twice nor forgets: the journal knows of a batch before the provider does, and a batch
counts as collected only when the reader has committed its answers.

One process at a time may be at a run.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synthkd.errors import QuotaError, TeacherError
from synthkd.journal.batches import Batch, BatchRow, BatchStore
from synthkd.requests import Answer, Failure, Request, Sampling
from synthkd.teachers.batch.files import (
    MARK,
    Draft,
    Drafts,
    Outcome,
    Provider,
    close,
    outcome,
    parts_of,
    result_bytes,
)
from synthkd.teachers.batch.results import ENDED, Result, absent, chunks, rows_of
from synthkd.teachers.batch.status import State
from synthkd.teachers.dispatch import TransientError, failures
from synthkd.teachers.openai.error_responses import no_credit_in

if TYPE_CHECKING:
    from synthkd.teachers.batch.teacher import BatchTeacher

#: Seconds without a new request, after which what has come is submitted: the source waits for answers (of a cap
#: that gives no more room, say), and would wait for ever.
_SILENCE = 5.0
#: Seconds before a batch is made again whose making failed in passing: doubling.
_PAUSE = (0.5, 60.0)
#: The provider has no room for a further batch until others have ended.
_CROWDED = "token_limit_exceeded"


class BatchStream:
    """State of one `BatchTeacher.stream`."""

    def __init__(self, teacher: BatchTeacher, provider: Provider, batches: BatchStore, run: str) -> None:
        self.teacher, self.provider, self.batches, self.run = teacher, provider, batches, run
        self.part = teacher.part
        self.loop = asyncio.get_running_loop()
        self.drafts = Drafts(self.part, provider.learned)
        #: token -> batch, of those with the provider.
        self.open: dict[str, Batch] = {}
        #: Batches from before this stream: request id -> sample index -> token of the last that holds it.
        self.inherited: dict[str, dict[int, str]] = {}
        #: Requests whose samples such a batch has answered: the journal may hold them by now.
        self.came: set[str] = set()
        #: What such a batch did not give, by request and sample: said when the request comes, which is not asked
        #: again by the same run, or at the end.
        self.lacking: dict[str, dict[int, Failure]] = {}
        #: token -> rows without an answer that wait in a draft. Until these are in another intent, it stays open.
        self.rest: Counter[str] = Counter()
        #: Answers that are no batch's.
        self.refused: list[Answer] = []
        self.crowded = False
        #: Batches that were submitted while no other was open: what has no room for these has room for none.
        self.alone: set[str] = set()
        self.stopped = False
        self.due = 0.0
        self.touched = self.loop.time()
        #: Since when the provider gives no answer to a look; None while it does.
        self.away: float | None = None
        self.changed = asyncio.Event()
        self.room = asyncio.Event()

    async def answers(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        """First what earlier runs left with the provider, then the requests."""
        await self._pick_up()
        feed: asyncio.Task[None] | None = None
        try:
            while True:
                async with aclosing(self._look()) as groups:
                    async for group in groups:
                        yield group
                # What is there already is committed before a request is read, so that it is not asked again.
                feed = feed or asyncio.create_task(self._feed(requests))
                if self.stopped:
                    self._unsent()
                else:
                    await self._submit_what_is_due(feed)
                if self.refused:
                    group, self.refused = self.refused, []
                    yield group
                if self.stopped or (feed.done() and not self.open and not self.drafts):
                    if self.lacking:
                        yield [failure for each in self.lacking.values() for failure in each.values()]
                    return
                await self._pause(feed)
        finally:
            if feed is not None:
                feed.cancel()
                await asyncio.gather(feed, return_exceptions=True)
            self.drafts.close()

    def stop(self) -> None:
        self.stopped = True
        # The loop may be gone by now.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.changed.set)

    # What earlier runs left

    async def _pick_up(self) -> None:
        for batch in await asyncio.to_thread(self.batches.uncollected, self.run):
            found = batch.batch_id or await self.provider.find(batch.token, batch.file_id, batch.created)
            if found is None:
                # Never submitted: its requests are asked again.
                await self._drop(batch)
                continue
            if batch.batch_id is None:
                await asyncio.to_thread(self.batches.record_submission, batch.token, found)
            self.open[batch.token] = replace(batch, batch_id=found)
            for row in await asyncio.to_thread(self.batches.rows, batch.token):
                held = self.inherited.setdefault(row.request_id, {})
                held.update(dict.fromkeys(row.sample_indexes, batch.token))

    async def _drop(self, batch: Batch) -> None:
        await asyncio.to_thread(self.batches.drop, batch.token)
        if batch.file_id:
            # Tidiness only: a file that stays is no harm.
            with suppress(TeacherError):
                await self.provider.delete_file(batch.file_id)

    def _fresh(self, request: Request) -> Request | None:
        """A request without the samples that a batch from before holds, or has just failed to give."""
        lacking = self.lacking.pop(request.request_id, {})
        self.refused += lacking.values()
        held = {*self.inherited.get(request.request_id, ()), *lacking}
        if request.request_id in self.came:
            held |= self._settled([request.request_id])[request.request_id]
        if not held:
            return request
        left = tuple(index for index in request.sample_indexes if index not in held)
        return request.only(left) if left else None

    def _settled(self, ids: list[str]) -> dict[str, set[int]]:
        """Samples of requests that are in hand, or refused for good."""
        found = {request_id: set[int]() for request_id in ids}
        for request_id, indexes in self.batches.journal.cached_indexes(ids).items():
            found[request_id] |= indexes
        for request_id, failed in self.batches.journal.failures(ids).items():
            found[request_id] |= {index for index, failure in failed.items() if failure.permanent}
        return found

    # The way in

    async def _feed(self, requests: AsyncIterator[Request]) -> None:
        """Put requests into drafts, one batch ahead."""
        try:
            async for request in requests:
                if (fresh := self._fresh(request)) is None:
                    continue
                for part in parts_of(fresh):
                    while self.drafts.ready:
                        self.room.clear()
                        self.changed.set()
                        await self.room.wait()
                    self._put(part)
                    filling = self.drafts.filling
                    if filling is None or len(filling.rows) == 1 or self.refused:
                        # A batch is full or begun: until when to wait is to be said anew.
                        self.changed.set()
        finally:
            self.changed.set()

    def _put(self, request: Request, attempt: int = 1, origin: str | None = None) -> None:
        sampling = (
            replace(request.sampling, logprobs=self.part.sampling.logprobs) if origin else request.sampling
        )
        if self.drafts.add(_with_sampling(request, sampling), attempt, origin):
            if origin:
                self.rest[origin] += 1
        else:
            detail = "this request alone is larger than teacher.batch.megabytes; raise it"
            self.refused += failures(request, "too_large", detail, attempt, permanent=False)
        self.touched = self.loop.time()

    async def _pause(self, feed: asyncio.Task[None]) -> None:
        """Until something is ready to be submitted, a look is due, or the source has fallen silent."""
        times = [self.due] if self.open else []
        if self.drafts.filling and not self.drafts.ready:
            times.append(self.touched + _SILENCE)
        if feed.done() and not times:
            return
        timeout = max(0.0, min(times) - self.loop.time()) if times else None
        with suppress(TimeoutError):
            await asyncio.wait_for(self.changed.wait(), timeout)
        self.changed.clear()

    # Submission

    async def _submit_what_is_due(self, feed: asyncio.Task[None]) -> None:
        if feed.done():
            # Raises what the source raised.
            feed.result()
        silent = self.loop.time() - self.touched >= _SILENCE
        if feed.done() or (silent and not self.drafts.ready):
            self.drafts.cut()
        while self.drafts.ready and not (self.crowded and self.open) and not self.stopped:
            draft = self.drafts.ready.popleft()
            try:
                await self._submit(draft)
            finally:
                close(draft.file)
            self.touched = self.loop.time()
            self.room.set()

    async def _submit(self, draft: Draft) -> None:
        """Each step is on disk before the next.

        An error leaves the intent, and the next run looks what came of it; but for one with which no batch can have
        been made: its requests are not reserved any more.
        """
        token = await asyncio.to_thread(self.batches.record_intent, self.run, draft.rows)
        await self._take_over(token, draft)
        file_id = None
        try:
            file_id = await self.provider.upload(f"{MARK}-{token}.jsonl", draft.file)
            await asyncio.to_thread(self.batches.record_upload, token, file_id)
            batch = Batch(token, self.run, "submitted", None, file_id, time.time())
            batch_id = await self._create(draft.url, batch)
        except TeacherError as error:
            if file_id is None or not isinstance(error, TransientError):
                await asyncio.to_thread(self.batches.drop, token)
            raise
        await asyncio.to_thread(self.batches.record_submission, token, batch_id)
        if not self.open:
            self.alone.add(token)
            self.due = self.loop.time() + self.part.batch.poll
        self.open[token] = replace(batch, batch_id=batch_id)

    async def _take_over(self, token: str, draft: Draft) -> None:
        """Rows that another batch did not answer are this one's now."""
        for row, origin in zip(draft.rows, draft.origins, strict=True):
            if origin and row.request_id in self.inherited:
                self.inherited[row.request_id].update(dict.fromkeys(row.sample_indexes, token))
        for origin, rows in Counter(draft.origins).items():
            if origin:
                self.rest[origin] -= rows
                await self._close_batch(origin)

    async def _create(self, url: str, batch: Batch) -> str:
        """Make the batch once: after a try that may have made it, look before the next."""
        attempt = 1
        while True:
            try:
                return await self.provider.create(
                    url, str(batch.file_id), {MARK: batch.token, "run": self.run[:512]}
                )
            except TransientError as error:
                if found := await self.provider.find(batch.token, batch.file_id, 0.0):
                    return found
                if attempt >= self.part.max_attempts:
                    raise
                wait = min(_PAUSE[1], _PAUSE[0] * 2 ** (attempt - 1)) * random.uniform(0.5, 1)  # noqa: S311
                await asyncio.sleep(max(wait, error.retry_after or 0.0))
                attempt += 1

    def _unsent(self) -> None:
        """After `stop`: requests that no batch holds are given back, to be asked by the next run."""
        self.drafts.cut()
        for draft in self.drafts.ready:
            for row, origin in zip(draft.rows, draft.origins, strict=True):
                if origin is None:
                    self.refused += _failures(
                        row, "stopped", "the run was stopped before this was submitted", 1
                    )

    # The way out

    async def _look(self) -> AsyncGenerator[list[Answer], None]:
        """Ask how the open batches stand, where that is due, and read those that have ended."""
        if self.loop.time() < self.due:
            return
        for batch in list(self.open.values()):
            try:
                result = await self._result(batch)
            except TransientError as error:
                self._bear(error)
                continue
            self.away = None
            if result is None:
                continue
            try:
                async with aclosing(self._collect(result)) as groups:
                    async for group in groups:
                        yield group
            finally:
                for file in result.files:
                    close(file)
            if result.fatal:
                raise result.fatal
        self.due = self.loop.time() + self.part.batch.poll

    def _bear(self, error: TransientError) -> None:
        """A batch takes hours: a provider that is away for a moment does not end the run."""
        now = self.loop.time()
        self.away = now if self.away is None else self.away
        if now - self.away > self.teacher.patience:
            raise error

    async def _result(self, batch: Batch) -> Result | None:
        """A batch with its files, when it has ended."""
        state = await self.provider.state(batch)
        if state.status not in ENDED:
            return None
        result = Result(batch, state.status, absent(state))
        try:
            most = result_bytes(self.part, await asyncio.to_thread(self.batches.rows, batch.token))
            for file_id in state.files:
                result.files.append(await self.provider.download(file_id, most))
        except BaseException:
            for file in result.files:
                close(file)
            raise
        if state.status == "failed" and not result.files:
            self._failed(result, state)
        else:
            self.crowded = False
        return result

    def _failed(self, result: Result, state: State) -> None:
        """A batch that was refused as a whole: there is no room for it now, or its rows are wrong."""
        codes = {error.code for error in state.errors}
        if _CROWDED in codes and result.batch.token not in self.alone:
            self.crowded = result.crowded = True
            return
        words = self.provider.address.mask(str(result.absent["message"]))[:500]
        kind = QuotaError if no_credit_in(codes) else TeacherError
        result.fatal = kind(
            f"{self.provider.address.public}: the batch {state.id} failed ({words}); mend what it names and run again:"
            " nothing of this batch was done"
        )

    async def _collect(self, result: Result) -> AsyncGenerator[list[Answer], None]:
        """All rows of a batch, each once: answers, failures, or another try."""
        batch = result.batch
        left = {row.custom_id: row for row in await asyncio.to_thread(self.batches.rows, batch.token)}
        for lines in chunks(rows_of(result, left, int(self.part.max_answer_megabytes * 1e6))):
            answers, again = await self._judge(result, lines)
            answers = [answer for answer in answers if not self._held_back(answer)]
            if answers:
                yield answers
            # The reader has committed them: what is asked again is asked beside what is in hand.
            for answer in answers:
                self._answered(answer)
            for request, attempt in again:
                for part in parts_of(request):
                    self._put(part, attempt, batch.token)
        del self.open[batch.token]
        await self._close_batch(batch.token)

    def _held_back(self, answer: Answer) -> bool:
        """Whether an answer is to be said later: a failure of what this run has not asked for yet."""
        held = self.inherited.get(answer.request_id, {})
        if answer.sample_index not in held or not isinstance(answer, Failure) or answer.permanent:
            return False
        self.lacking.setdefault(answer.request_id, {})[answer.sample_index] = answer
        self._answered(answer)
        return True

    def _answered(self, answer: Answer) -> None:
        held = self.inherited.get(answer.request_id)
        if held is not None:
            self.came.add(answer.request_id)
            held.pop(answer.sample_index, None)
            if not held:
                del self.inherited[answer.request_id]

    async def _close_batch(self, token: str) -> None:
        """Mark a batch as collected, unless some of it waits in a draft."""
        if not self.rest[token] and token not in self.open:
            del self.rest[token]
            await asyncio.to_thread(self.batches.record_collection, token)

    async def _judge(
        self, result: Result, lines: list[tuple[BatchRow, dict[str, Any]]]
    ) -> tuple[list[Answer], list[tuple[Request, int]]]:
        """Rows as answers, and as requests with the number of their next try."""
        requests = self.batches.requests([row for row, _ in lines])
        settled = self._settled(list({row.request_id for row, _ in lines}))
        answers: list[Answer] = []
        again: list[tuple[Request, int]] = []
        for (row, line), request in zip(lines, requests, strict=True):
            mine = request.identity == self.teacher.identity
            found = outcome(self.provider, request, line, row.attempt, self.teacher.price if mine else None)
            result.fatal = result.fatal or found.fatal
            # Committed by an earlier run that was killed before the batch counted as collected.
            old = settled[row.request_id]
            answers += [answer for answer in found.answers if answer.sample_index not in old]
            rest = request.only(
                tuple(i for i in found.left if i not in old and self._is_last(result, row, i))
            )
            if not rest.sample_indexes:
                continue
            over = not mine or self._is_over(result, row)
            if result.crowded:
                again.append((rest, row.attempt))
            elif not over and await self._may_pay(rest, found):
                again += [(one, row.attempt + 1) for one in _next_try(rest, found)]
            else:
                # Asked for another try, the stage has counted this one.
                tokens = None if over and found.unseen else 0
                answers += failures(rest, found.reason, found.detail, row.attempt, False, tokens)
        return answers, again

    def _is_last(self, result: Result, row: BatchRow, index: int) -> bool:
        """Whether no later batch holds this sample already."""
        token = result.batch.token
        return self.inherited.get(row.request_id, {}).get(index, token) == token

    def _is_over(self, result: Result, row: BatchRow) -> bool:
        """Whether a row has no further try. Who cancelled a batch does not want it submitted again at once."""
        return (
            result.fatal is not None or result.status == "cancelled" or row.attempt >= self.part.max_attempts
        )

    async def _may_pay(self, rest: Request, found: Outcome) -> bool:
        """Whether there is money for a further try, if the cost of the last is unknown."""
        return not (found.unseen and self.teacher.account) or await self.teacher.account.unknown(rest)


def _with_sampling(request: Request, sampling: Sampling) -> Request:
    """The same request, asking for more or less about its answer; its id stays."""
    if sampling == request.sampling:
        return request
    other = replace(request, sampling=sampling)
    other.__dict__["request_id"] = request.request_id
    return other


def _next_try(request: Request, found: Outcome) -> Iterable[Request]:
    """A server that gives fewer choices than asked is asked for each by itself: a day for each would be long."""
    if not found.few:
        return [request]
    return [request.only((index,)) for index in request.sample_indexes]


def _failures(row: BatchRow, reason: str, detail: str, attempts: int) -> list[Answer]:
    return [
        Failure(row.request_id, index, reason, detail, attempts, permanent=False)
        for index in row.sample_indexes
    ]
