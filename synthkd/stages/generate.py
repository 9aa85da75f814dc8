"""Generate: ask the teacher for what is not in the journal yet, and commit each answer before it is used.

plan ──► what is missing ──► reserved (committed, with its cost) ──► teacher ──► answered (committed) ──► counted
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from synthkd.errors import StalledError
from synthkd.journal import Journal, JournalWriter
from synthkd.progress import Progress
from synthkd.requests import Answer, Completion, Request
from synthkd.stages.adaptive import AdaptiveSampling, adaptive_sampling
from synthkd.stages.budget import Bounds
from synthkd.stages.event_loop import rare_collections, run_async
from synthkd.stages.first_answers import FirstAnswers
from synthkd.stages.input_requests import InputRequest
from synthkd.stages.inputs import InputCounts
from synthkd.stages.interrupt import StopEvent, stopped_by_signals
from synthkd.stages.plan import RenderedRequests, RunPlan
from synthkd.teachers.base import Teacher

#: Requests of one departure at least: each waits for a commit.
_DEPARTURE = 16
#: Seconds between looks at what other processes of a run have left of its caps.
_OTHERS = 0.2


@dataclass
class GenerateReport:
    """What one call of the stage did. ``asked`` counts samples wanted, ``held`` those already in the journal.

    ``stopped`` says why it ended before all was asked for; "" where it did not. ``saved`` counts samples that were not
    asked for, since their question's vote was decided (see `adaptive`).
    """

    inputs: int = 0
    repeated_inputs: int = 0
    asked: int = 0
    held: int = 0
    sent: int = 0
    completed: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    cost: float | None = None
    stopped: str = ""
    saved: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def add(self, other: dict[str, Any]) -> None:
        """Take in what another process did for the same run."""
        counted = "inputs repeated_inputs asked held sent completed failed tokens saved"
        for name in counted.split():
            setattr(self, name, getattr(self, name) + other[name])
        if other["cost"] is not None:
            self.cost = (self.cost or 0.0) + other["cost"]
        self.reasons = dict(sorted((Counter(self.reasons) + Counter(other["reasons"])).items()))
        self.stopped = self.stopped or other["stopped"]


def generate_completions(
    plan: RunPlan,
    journal: Journal,
    progress: Progress,
    shard: tuple[int, int] = (0, 1),
    rendered: RenderedRequests | None = None,
) -> GenerateReport:
    """Run the stage, or one shard of it (number, of how many).

    Raises `Interrupted` after Ctrl-C, SIGTERM or SIGHUP, once what was in flight has been committed or the grace
    period is over.
    """
    run = _Run(plan, journal, progress, shard, rendered)
    grace = plan.recipe.limits.grace
    with stopped_by_signals(run.stopping, progress, run.stop, grace), rare_collections():
        try:
            run_async(run.go())
        finally:
            run.done.reasons = dict(sorted(run.reasons.items()))
    if run.stopping.is_set():
        lost = f"; {run.cut:,} samples in flight were given up, and count as paid" if run.cut else ""
        raise run.stopping.interrupted(
            f"stopped: {run.done.completed:,} completions of this run are in {journal.path}{lost};"
            " the same command goes on from there"
        )
    if run.first.why:
        raise StalledError(run.first.why)
    # A file that was removed at the very end is no place for what was paid for.
    journal.check_in_place()
    return run.done


class _Run:
    """State of one `generate`."""

    def __init__(
        self,
        plan: RunPlan,
        journal: Journal,
        progress: Progress,
        shard: tuple[int, int],
        rendered: RenderedRequests | None,
    ) -> None:
        self.plan, self.journal, self.progress, self.shard = plan, journal, progress, shard
        self.rendered = rendered
        self.adaptive: AdaptiveSampling | None = None
        self.bounds = Bounds.of(plan.components)
        self.done = GenerateReport()
        self.first = FirstAnswers(plan.components)
        self.reasons: Counter[str] = Counter()
        #: request id -> samples that are reserved and not answered.
        self.flying: Counter[str] = Counter()
        #: request id -> samples that came before they were asked for: an earlier run did.
        self.picked_up: Counter[str] = Counter()
        #: Whether this is a further round: what failed is asked again by the next run, not by each round.
        self.further = False
        #: Requests that another run has in flight, whose answers are waited for at the end.
        self.others: dict[str, Request] = {}
        #: Set by the first signal: nothing more is sent, and what is in flight is waited for.
        self.stopping = StopEvent()
        #: Samples in flight that the end of the grace period cut off.
        self.cut = 0
        self.arrived = asyncio.Event()
        #: Requests that were sent and are not answered, once there is a writer.
        self.on_wire: Callable[[], Collection[str]] = tuple
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        # What is reserved ahead of the sending is money that others cannot have.
        ahead = plan.recipe.teacher.concurrency // (4 if self.bounds.caps else 1)
        self.group = max(_DEPARTURE, ahead)

    def stop(self) -> None:
        """Send nothing more, and begin the grace period. Called from a signal's handler."""
        # A backend whose answers take hours does not wait for them.
        if stop := getattr(self.plan.components.teacher, "stop", None):
            stop()
        if self._loop is not None:
            # The loop may be gone by now.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def go(self) -> None:
        name, shared = self.plan.recipe.name, self.shard[1] > 1
        self._loop = asyncio.get_running_loop()
        async with JournalWriter(self.journal, name, self.bounds.caps, shared) as writer:
            self.on_wire = lambda: writer.on_wire
            teacher = self.plan.components.teacher
            if hasattr(teacher, "attach"):
                teacher.attach(self.journal, name)
            if hasattr(teacher, "account"):
                teacher.account = writer
            try:
                await self._within_grace(self._rounds(teacher, writer))
            finally:
                await teacher.close()

    async def _within_grace(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work to its end, or until the grace period after a signal is over."""
        working, stopped = asyncio.create_task(work), asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await asyncio.wait({working}, timeout=self.plan.recipe.limits.grace)
            if not working.done():
                self.cut = sum(self.flying[request_id] for request_id in self.on_wire())
                working.cancel()
            with suppress(asyncio.CancelledError):
                await working
        finally:
            stopped.cancel()
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    async def _rounds(self, teacher: Teacher, writer: JournalWriter) -> None:
        """One round for a recipe that asks for all at once; else further ones, until nothing is left to ask for."""
        self.adaptive = adaptive = adaptive_sampling(self.plan.requests, self.journal)
        if adaptive is None:
            await self._round(teacher, writer)
            return
        try:
            for number in range(adaptive.rounds + 1):
                self.further = number > 0
                sent, self.done.asked, adaptive.saved = self.done.sent, 0, 0
                await self._round(teacher, writer)
                if self.done.sent == sent or self.done.stopped or self._is_ending():
                    break
        finally:
            self.done.saved = adaptive.saved
            self.done.held = max(0, self.done.asked - self.done.sent)

    async def _round(self, teacher: Teacher, writer: JournalWriter) -> None:
        stream = teacher.stream(self._ahead(writer))
        try:
            async for answers in stream:
                # On disk before anything counts or reads them.
                await writer.store_answers(answers)
                self._count(answers)
                self.arrived.set()
                if self.first.why:
                    self._end_early()
        finally:
            # Left early, by an error of the journal say, the backend's tasks end here and not at the loop's end.
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def _end_early(self) -> None:
        """Send nothing more; what is in flight is waited for, and kept."""
        if stop := getattr(self.plan.components.teacher, "stop", None):
            stop()

    async def _ahead(self, writer: JournalWriter) -> AsyncIterator[Request]:
        """The requests, one group ahead: the next is committed while the teacher takes this one."""
        queue: asyncio.Queue[list[Request] | Exception | None] = asyncio.Queue(1)

        async def fill() -> None:
            try:
                async for group in self._departed(writer):
                    await queue.put(group)
                await queue.put(None)
            except Exception as error:  # noqa: BLE001 (raised again where the requests are read)
                await queue.put(error)

        filling = asyncio.create_task(fill())
        try:
            while (group := await queue.get()) is not None:
                if isinstance(group, Exception):
                    raise group
                for request in group:
                    if self._is_ending():
                        return
                    self.done.sent += len(request.sample_indexes)
                    yield request
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)

    async def _departed(self, writer: JournalWriter) -> AsyncIterator[list[Request]]:
        """Groups of requests that are committed as about to be sent, as far as the caps leave room."""
        async for batch in self._asked():
            async for group in self._within_caps(writer, self._open(batch)):
                yield group
            if self.done.stopped or self._is_ending():
                return
        async for group in self._of_others(writer):
            yield group

    async def _within_caps(
        self, writer: JournalWriter, requests: list[Request]
    ) -> AsyncIterator[list[Request]]:
        """The requests, as the caps leave room for them."""
        self.flying.update({request.request_id: len(request.sample_indexes) for request in requests})
        self.progress.more(sum(len(request.sample_indexes) for request in requests))
        while requests:
            if self._is_ending():
                return
            self.arrived.clear()
            reservation = await writer.reserve(requests, self.bounds.of_each(requests))
            self._leave(reservation.taken)
            if reservation.granted:
                self.bounds.remember(reservation.granted)
                yield reservation.granted
            requests = reservation.refused
            if requests and not reservation.granted and not await self._room(requests):
                return

    async def _of_others(self, writer: JournalWriter) -> AsyncIterator[list[Request]]:
        """Wait for the answers that another run has in flight, and ask for those that it does not get."""
        said = False
        while self.others and not (self._is_ending() or self.done.stopped):
            waited_for, self.others = list(self.others.values()), {}
            self.done.held -= sum(len(request.sample_indexes) for request in waited_for)
            asked = self.done.asked
            missing = self._open([InputRequest(r.input_id, {}, r) for r in waited_for])
            self.done.asked = asked
            async for group in self._within_caps(writer, missing):
                yield group
            if self.others:
                if not said:
                    self.progress.say(
                        f"waiting for {len(self.others):,} requests that another run has in flight"
                    )
                said = True
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), _OTHERS)

    def _leave(self, others: list[Request]) -> None:
        """Leave requests to another process, which has them in flight or has just bought them."""
        for request in others:
            del self.flying[request.request_id]
            self.done.held += len(request.sample_indexes)
            self.progress.more(-len(request.sample_indexes))
            if self.shard[1] == 1:
                # Another run may stop before it gets them; another worker of this run is not outlived.
                self.others[request.request_id] = request

    async def _asked(self) -> AsyncIterator[list[InputRequest]]:
        """The plan's requests in groups, made a few at a time: meanwhile answers come that want to be read."""
        counts = InputCounts()
        group: list[InputRequest] = []
        for few in self.plan.batches(counts, _DEPARTURE, self.shard, self.rendered):
            self.done.inputs, self.done.repeated_inputs = counts.distinct, counts.repeated
            group += few if self.adaptive is None else self.adaptive.narrow(few)
            if len(group) >= self.group:
                yield group
                group = []
            await asyncio.sleep(0)
        self.done.inputs, self.done.repeated_inputs = counts.distinct, counts.repeated
        if group:
            yield group
        # Repeated inputs are not asked again: what became known is the whole.
        self.progress.expect(None)

    def _open(self, batch: list[InputRequest]) -> list[Request]:
        """The requests, each with the samples that are neither in hand, nor refused for good, nor in flight."""
        ids = [asked.request.request_id for asked in batch]
        held, failed = self.journal.cached_indexes(ids), self.journal.failures(ids)
        if self.first.open and held:
            self._look_at_held(list(held))
        found: dict[str, Request] = {}
        for asked, request_id in zip(batch, ids, strict=True):
            wanted = asked.request.sample_indexes
            self.done.asked += len(wanted)
            missing = wanted
            if request_id in held or request_id in failed:
                failures = failed.get(request_id, {}).items()
                refused = {i for i, failure in failures if failure.permanent or self.further}
                have = held.get(request_id, set()) | refused
                missing = tuple(index for index in wanted if index not in have)
            had = len(wanted) - len(missing) - self.picked_up.pop(request_id, 0)
            self.done.held += had
            if self.adaptive is None:
                self.progress.skip(had)
            if missing and request_id not in found and request_id not in self.flying:
                found[request_id] = asked.request.only(missing)
        return list(found.values())

    def _is_ending(self) -> bool:
        """Whether nothing more is to be sent: after a signal, or since nothing of use comes."""
        return self.stopping.is_set() or bool(self.first.why)

    def _look_at_held(self, ids: list[str]) -> None:
        """Look whether what an earlier run bought is of use."""
        for request_id, samples in self.journal.samples(ids).items():
            for sample in samples.values():
                self.first.look(request_id, sample.text, sample.finish_reason, bool(sample.thought))

    async def _room(self, refused: list[Request]) -> bool:
        """Wait until something in flight has come and given back of its reservation; False: the caps are reached."""
        for request in refused:
            del self.flying[request.request_id]
        mine = bool(self.flying)
        self.flying.update({request.request_id: len(request.sample_indexes) for request in refused})
        if mine:
            await self.arrived.wait()
            return True
        if self.journal.spending(self.plan.recipe.name).in_flight_tokens:
            # Other processes of this run have something in flight.
            await asyncio.sleep(_OTHERS)
            return True
        self.done.stopped = self.bounds.reached(self.journal)
        self.progress.say(self.done.stopped)
        return False

    def _count(self, answers: list[Answer]) -> None:
        done, flying = self.done, self.flying
        before = done.tokens
        self.bounds.learn(answers)
        for answer in answers:
            left = flying[answer.request_id] - 1
            if left > 0:
                flying[answer.request_id] = left
            else:
                del flying[answer.request_id]
            if isinstance(answer, Completion):
                if left < 0:
                    self.picked_up[answer.request_id] += 1
                self.first.look(answer.request_id, answer.text, answer.finish_reason, bool(answer.reasoning))
                done.completed += 1
                done.tokens += answer.completion_tokens or 0
                if answer.price is not None:
                    done.cost = (done.cost or 0.0) + answer.price
            else:
                done.failed += 1
                self.reasons[answer.reason] += 1
        self.progress.advance(len(answers), tokens=done.tokens - before, cost=done.cost)
