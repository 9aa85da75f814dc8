"""Generate: ask the teacher for what is not in the journal yet, and commit each answer before it is used."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from synthkd.errors import Interrupted
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.requests import Answer, Completion, Request
from synthkd.stages.plan import Asked, InputCounts, Plan

T = TypeVar("T")


@dataclass
class Generated:
    """What one call of the stage did. ``asked`` counts samples wanted, ``held`` those already in the journal."""

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

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


#: Requests that are recorded as in flight in one commit.
_DEPARTURE = 32


def generate(plan: Plan, journal: Journal, progress: Progress) -> Generated:
    """Run the stage. Raises `Interrupted` after Ctrl-C, when what was in flight has been committed."""
    done = Generated()
    reasons: Counter[str] = Counter()
    # Set by the first Ctrl-C: nothing more is sent, and what is in flight is waited for.
    stopping = threading.Event()
    with ctrl_c(stopping, progress):
        try:
            run_async(_generate(plan, journal, progress, done, reasons, stopping))
        finally:
            done.reasons = dict(sorted(reasons.items()))
    if stopping.is_set():
        raise Interrupted(
            f"stopped: {done.completed:,} completions of this run are in {journal.path};"
            " the same command goes on from there"
        )
    return done


async def _generate(
    plan: Plan,
    journal: Journal,
    progress: Progress,
    done: Generated,
    reasons: Counter[str],
    stopping: threading.Event,
) -> None:
    flying: Counter[str] = Counter()
    requests = _missing(plan, journal, progress, done, flying, stopping)
    stream = plan.teacher.stream(requests)
    try:
        async for answers in stream:
            # On disk before anything counts or reads them.
            await asyncio.to_thread(journal.arrive, answers)
            _count(answers, done, reasons, flying)
            progress.advance(len(answers), tokens=_tokens(answers), cost=done.cost)
    finally:
        # Left early, by an error of the journal say, the backend's tasks end here and not at the loop's end.
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
        await plan.teacher.close()


async def _missing(
    plan: Plan,
    journal: Journal,
    progress: Progress,
    done: Generated,
    flying: Counter[str],
    stopping: threading.Event,
) -> AsyncIterator[Request]:
    """The requests, each with the samples that are neither in hand, nor refused for good, nor in flight."""
    counts = InputCounts()
    for batch in plan.asked(counts):
        done.inputs, done.repeated_inputs = counts.distinct, counts.repeated
        requests = _open_requests(batch, journal, done, flying)
        flying.update({request.request_id: len(request.sample_indexes) for request in requests})
        progress.more(sum(len(request.sample_indexes) for request in requests))
        for start in range(0, len(requests), _DEPARTURE):
            group = requests[start : start + _DEPARTURE]
            if stopping.is_set():
                return
            await asyncio.to_thread(journal.depart, group)
            for request in group:
                if stopping.is_set():
                    return
                done.sent += len(request.sample_indexes)
                yield request
    done.inputs, done.repeated_inputs = counts.distinct, counts.repeated


def _open_requests(
    batch: list[Asked], journal: Journal, done: Generated, flying: Counter[str]
) -> list[Request]:
    ids = [asked.request.request_id for asked in batch]
    held, failed = journal.held(ids), journal.failures(ids)
    found: dict[str, Request] = {}
    for asked, request_id in zip(batch, ids, strict=True):
        wanted = asked.request.sample_indexes
        done.asked += len(wanted)
        refused = {i for i, failure in failed.get(request_id, {}).items() if failure.permanent}
        have = held.get(request_id, set()) | refused
        missing = tuple(index for index in wanted if index not in have)
        done.held += len(wanted) - len(missing)
        if missing and request_id not in found and request_id not in flying:
            found[request_id] = replace(asked.request, sample_indexes=missing)
    return list(found.values())


def _count(answers: list[Answer], done: Generated, reasons: Counter[str], flying: Counter[str]) -> None:
    for answer in answers:
        flying[answer.request_id] -= 1
        if flying[answer.request_id] <= 0:
            del flying[answer.request_id]
        if isinstance(answer, Completion):
            done.completed += 1
            done.tokens += answer.completion_tokens or 0
            if answer.price is not None:
                done.cost = (done.cost or 0.0) + answer.price
        else:
            done.failed += 1
            reasons[answer.reason] += 1


def _tokens(answers: list[Answer]) -> int:
    return sum(a.completion_tokens or 0 for a in answers if isinstance(a, Completion))


@contextmanager
def ctrl_c(stopping: threading.Event, progress: Progress) -> Iterator[None]:
    """First Ctrl-C: stop sending. Second: end at once (what is committed is on disk, whatever happens)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: Any) -> None:
        if stopping.is_set():
            with suppress(OSError):
                sys.stderr.write("\nended at once; what was committed is kept\n")
                sys.stderr.flush()
            os._exit(130)
        stopping.set()
        progress.say("stopping: waiting for what is in flight; Ctrl-C again ends at once")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; in a notebook, whose loop is already running, in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _in_thread(lambda: asyncio.run(work))


def _in_thread(call: Callable[[], T]) -> T:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()
