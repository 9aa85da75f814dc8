"""Generate: ask the teacher for the samples that the journal lacks.

plan ──► what is missing ──► bought (see `synthkd.teachers.purchase`) ──► counted
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from synthkd.errors import Interrupted, StalledError
from synthkd.journal import Journal
from synthkd.journal.writer import Commits
from synthkd.progress import Progress
from synthkd.requests import Answer, Completion, Request
from synthkd.stages.adaptive import AdaptiveSampling, adaptive_sampling
from synthkd.stages.first_answers import FirstAnswers
from synthkd.stages.input_requests import InputRequest
from synthkd.stages.inputs import InputCounts
from synthkd.stages.interrupt import StopEvent, stopped_by_signals
from synthkd.stages.plan import RenderedRequests, RunPlan
from synthkd.stages.target.order import SampleSelection
from synthkd.teachers.event_loop import rare_collections, run_async
from synthkd.teachers.purchase import Allowance, Purchase
from synthkd.teachers.spending import SpendingBounds

#: Requests that are committed together, at least: each waits for a commit.
_GROUP = 16

#: Takes why nothing more can be bought, if so, and returns the samples of the next round. The
#: event ends it early.
NextRound = Callable[[str, StopEvent], SampleSelection | None]


@dataclass
class GenerateReport:
    """The result of one call of the stage.

    Attributes:
        asked: Samples that the recipe wants.
        cached: Those of them that the journal had already.
        stopped: Why the stage ended before all was asked for; empty if it did not.
        saved: Samples that were not asked for, since their question's vote was decided
            (`adaptive`).
    """

    inputs: int = 0
    repeated_inputs: int = 0
    asked: int = 0
    cached: int = 0
    sent: int = 0
    completed: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    cost: float | None = None
    stopped: str = ""
    saved: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self)

    def add(self, other: dict[str, Any]) -> None:
        """Add the report of another process of the same run."""
        counted = "inputs repeated_inputs asked cached sent completed failed tokens saved"
        for name in counted.split():
            setattr(self, name, getattr(self, name) + other[name])
        if other["cost"] is not None:
            self.cost = (self.cost or 0.0) + other["cost"]
        self.reasons = dict(sorted((Counter(self.reasons) + Counter(other["reasons"])).items()))
        self.stopped = self.stopped or other["stopped"]

    def add_round(self, other: GenerateReport) -> None:
        """Add the report of a further round, which wants the samples of all rounds."""
        asked, inputs, repeated = other.asked, other.inputs, other.repeated_inputs
        self.add(other.as_dict())
        self.asked, self.inputs, self.repeated_inputs = asked, inputs, repeated
        self.saved, self.cached = other.saved, max(0, asked - self.sent)


def generate_completions(
    plan: RunPlan,
    journal: Journal,
    progress: Progress,
    shard: tuple[int, int] = (0, 1),
    rendered: RenderedRequests | None = None,
    further: bool = False,
    next_round: NextRound | None = None,
    allowance: Allowance | None = None,
    commits: Commits | None = None,
) -> GenerateReport:
    """Run the stage, or one shard of it.

    Args:
        plan: What is to be generated.
        journal: Where completions are committed.
        progress: What is shown.
        shard: Number of the shard, and of how many.
        rendered: Requests that need not be rendered again.
        further: Whether this run has asked in a round before: what failed is not asked again.
        next_round: Selects the samples of a further round, with the teacher kept open.
        allowance: What the shard may spend, if it has a journal of its own.
        commits: Who commits, if other processes generate other shards at the same time.

    Raises:
        Interrupted: After Ctrl-C, SIGTERM or SIGHUP, once what was in flight is committed or the
            grace period is over.
        StalledError: The first answers are all useless.
    """
    run = _Generation(plan, journal, progress, shard, rendered, allowance, commits)
    run.further, run.next_round = further, next_round
    grace = plan.recipe.limits.grace
    with stopped_by_signals(run.stop_event, progress, run.stop, grace), rare_collections():
        try:
            run_async(run.generate())
        finally:
            run.report.reasons = dict(sorted(run.reasons.items()))
    if run.stop_event.is_set():
        lost = (
            f"; {run.cut:,} samples in flight were given up, and count as paid" if run.cut else ""
        )
        raise run.stop_event.interrupted(
            f"stopped: {run.report.completed:,} completions of this run are in"
            f" {journal.path}{lost};"
            " the same command goes on from there"
        )
    if run.first.why:
        raise StalledError(run.first.why)
    # A file that was removed at the very end is no place for what was paid for.
    journal.check_in_place()
    return run.report


class _Generation(Purchase):
    """The purchase of one `generate`, with its report.

    Attributes:
        further: Whether this is a further round: what failed is asked again by the next run alone.
        cut: Samples in flight that the end of the grace period gave up.
    """

    def __init__(
        self,
        plan: RunPlan,
        journal: Journal,
        progress: Progress,
        shard: tuple[int, int],
        rendered: RenderedRequests | None,
        allowance: Allowance | None = None,
        commits: Commits | None = None,
    ) -> None:
        recipe, teacher = plan.recipe, plan.components.teacher
        bounds = SpendingBounds.of(recipe, teacher)
        super().__init__(teacher, journal, recipe.name, bounds, progress.say, allowance, commits)
        self.plan, self.progress, self.shard, self.rendered = plan, progress, shard, rendered
        self.adaptive: AdaptiveSampling | None = None
        self.report = GenerateReport()
        self.first = FirstAnswers(plan.components)
        self.reasons: Counter[str] = Counter()
        self.further = False
        self.next_round: NextRound | None = None
        self.cut = 0
        #: Set by the first signal: nothing more is sent, and what is in flight is waited for.
        self.stop_event = StopEvent()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_stopped = False
        self._stopped, self._hurried = asyncio.Event(), asyncio.Event()
        # A reservation ahead of the sending is money that other processes cannot have.
        ahead = recipe.teacher.concurrency // (4 if bounds.caps else 1)
        self._group = max(_GROUP, ahead)

    def stop(self) -> None:
        """Send nothing more, and begin the grace period; a second call ends it.

        Called from a signal's handler, or from another thread.
        """
        # A backend whose answers take hours does not wait for them.
        self.teacher.stop()
        event = self._hurried if self._has_stopped else self._stopped
        self._has_stopped = True
        if self._loop is not None:
            # The loop may be gone by now.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(event.set)

    async def generate(self) -> None:
        """Buy all that is missing, in rounds if samples are adaptive."""
        self._loop = asyncio.get_running_loop()
        if self._has_stopped:
            # Before there was a loop.
            self._stopped.set()
        async with self.opened():
            await self._within_grace(self._rounds())

    async def _within_grace(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work to its end, or until the grace period after a signal is over."""
        working, stopped = asyncio.create_task(work), asyncio.create_task(self._stopped.wait())
        hurried = asyncio.create_task(self._hurried.wait())
        try:
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await asyncio.wait(
                    {working, hurried}, timeout=self.plan.recipe.limits.grace,
                    return_when=asyncio.FIRST_COMPLETED,
                )  # fmt: skip
            if not working.done():
                self.cut = sum(self.in_flight[request_id] for request_id in self.on_wire)
                working.cancel()
            with suppress(asyncio.CancelledError):
                await working
        finally:
            stopped.cancel()
            hurried.cancel()
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    async def _rounds(self) -> None:
        """Buy what the plan selects; for a target, also what further rounds select."""
        await self._selected()
        while self.next_round is not None and not self.is_ending():
            # In a thread: the loop keeps connections alive, and signals are heard.
            try:
                selection = await asyncio.to_thread(self.next_round, self.stopped, self.stop_event)
            except Interrupted:
                break
            if selection is None or self.is_ending():
                break
            self.plan, self.further = self.plan.selecting(selection), True
            self.report.asked = 0
            await self._selected()
            self.report.cached = max(0, self.report.asked - self.report.sent)

    async def _selected(self) -> None:
        """Buy in one round; if samples are adaptive, in rounds until nothing is left to ask for."""
        self.adaptive = adaptive = adaptive_sampling(self.plan.requests, self.journal)
        report = self.report
        try:
            if adaptive is None:
                await self.buy(self._missing())
                return
            for number in range(adaptive.rounds + 1):
                self.further = self.further or number > 0
                sent, report.asked, adaptive.saved = report.sent, 0, 0
                await self.buy(self._missing())
                if report.sent == sent or self.stopped or self.is_ending():
                    break
        finally:
            report.stopped = self.stopped
            if adaptive is not None:
                report.saved = adaptive.saved
                report.cached = max(0, report.asked - report.sent)

    async def _missing(self) -> AsyncIterator[list[Request]]:
        async for batch in self._batches():
            yield self._open(batch)

    async def _batches(self) -> AsyncIterator[list[InputRequest]]:
        """Yield the plan's requests, made a few at a time: meanwhile answers want to be read."""
        counts, report = InputCounts(), self.report
        batch: list[InputRequest] = []
        for few in self.plan.batches(counts, _GROUP, self.shard, self.rendered):
            report.inputs, report.repeated_inputs = counts.distinct, counts.repeated
            batch += few if self.adaptive is None else self.adaptive.narrow(few)
            if len(batch) >= self._group:
                yield batch
                batch = []
            await asyncio.sleep(0)
        report.inputs, report.repeated_inputs = counts.distinct, counts.repeated
        if batch:
            yield batch
        # Repeated inputs are not asked again: what became known is the whole.
        self.progress.expect(None)

    def _open(self, batch: list[InputRequest]) -> list[Request]:
        """Return the requests with the samples that are missing and not in flight."""
        ids = [one.request.request_id for one in batch]
        cached, failed = self.journal.cached_indexes(ids), self.journal.failures(ids)
        if self.first.open and cached:
            self._look_at_cached(list(cached))
        requests: dict[str, Request] = {}
        for one, request_id in zip(batch, ids, strict=True):
            wanted = one.request.sample_indexes
            self.report.asked += len(wanted)
            missing = wanted
            if request_id in cached or request_id in failed:
                failures = failed.get(request_id, {}).items()
                refused = {i for i, failure in failures if failure.permanent or self.further}
                done = cached.get(request_id, set()) | refused
                missing = tuple(index for index in wanted if index not in done)
            had = len(wanted) - len(missing) - self.received_early.pop(request_id, 0)
            self.report.cached += had
            if self.adaptive is None and not self.further:
                self.progress.skip(had)
            if missing and request_id not in requests and request_id not in self.in_flight:
                requests[request_id] = one.request.with_samples(missing)
        return list(requests.values())

    def _look_at_cached(self, ids: list[str]) -> None:
        """Look whether the completions of an earlier run are of use."""
        for request_id, samples in self.journal.samples(ids).items():
            for sample in samples.values():
                self.first.look(request_id, sample.text, sample.finish_reason, bool(sample.thought))

    def is_ending(self) -> bool:
        return self.stop_event.is_set() or bool(self.first.why)

    def on_pending(self, samples: int) -> None:
        self.progress.more(samples)

    def on_sent(self, request: Request) -> None:
        self.report.sent += len(request.sample_indexes)

    def on_left(self, request: Request) -> None:
        self.report.cached += len(request.sample_indexes)

    def still_missing(self, requests: Sequence[Request]) -> list[Request]:
        # They were counted as wanted, and as cached by the other run.
        asked = self.report.asked
        self.report.cached -= sum(len(request.sample_indexes) for request in requests)
        missing = self._open([InputRequest(one.input_id, {}, one) for one in requests])
        self.report.asked = asked
        return missing

    async def pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    def on_received(self, answers: list[Answer]) -> None:
        report = self.report
        before = report.tokens
        for answer in answers:
            if isinstance(answer, Completion):
                self.first.look(
                    answer.request_id, answer.text, answer.finish_reason, bool(answer.reasoning)
                )
                report.completed += 1
                report.tokens += answer.completion_tokens or 0
                if answer.price is not None:
                    report.cost = (report.cost or 0.0) + answer.price
            else:
                report.failed += 1
                self.reasons[answer.reason] += 1
        self.progress.advance(len(answers), tokens=report.tokens - before, cost=report.cost)
        if self.first.why:
            # Nothing more is sent; what is in flight is waited for, and kept.
            self.teacher.stop()
