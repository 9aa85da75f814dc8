"""The writes of a run: what a journal commits in groups, encoded where it is asked for.

A write holds all that SQLite is given, so that the thread or process that commits does little more
than hand it on. As JSON it goes from a worker process to the process that writes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from synthkd.journal.ledger import Bill, Bound
from synthkd.journal.read import COLUMNS
from synthkd.journal.values import EncodedRows, is_storable, unstorable_failure
from synthkd.requests import Answer, Completion, Failure, Request

_values = attrgetter(*COLUMNS)


@dataclass(frozen=True)
class Reservation:
    """Result of `Journal.reserve`.

    Attributes:
        granted: Requests to send.
        refused: Requests for which the caps leave no room now.
        taken: Requests that another process has in flight, or has bought.
    """

    granted: list[Request]
    refused: list[Request]
    taken: list[Request]

    @classmethod
    def of(cls, requests: Sequence[Request], taken: Sequence[str], granted: int) -> Reservation:
        """Make it of the ids that are taken, and how many of the first others are granted."""
        if not taken and granted == len(requests):
            return cls(list(requests), [], [])
        free = [request for request in requests if request.request_id not in taken]
        others = [request for request in requests if request.request_id in taken]
        return cls(free[:granted], free[granted:], others)


@dataclass(frozen=True, slots=True)
class ReservationWrite:
    """Record requests that are about to be sent, and reserve their cost.

    Its result: the ids of requests that others have, and how many of the first others are granted.

    Attributes:
        request_ids: Id of each request.
        sample_indexes: Samples of each request.
        bounds: The most that a sample of each request may cost.
        requests: Rows of the requests.
        flights: Rows of their samples.
    """

    request_ids: Sequence[str]
    sample_indexes: Sequence[Sequence[int]]
    bounds: Sequence[Bound]
    requests: EncodedRows
    flights: EncodedRows

    @classmethod
    def of(
        cls, requests: Sequence[Request], run: str, bounds: Sequence[Bound] = ()
    ) -> ReservationWrite:
        """Encode the reservation of one request or more."""
        bounds, now = bounds or [(0.0, 0)] * len(requests), time.time()
        return cls(
            [request.request_id for request in requests],
            [request.sample_indexes for request in requests],
            bounds,
            EncodedRows.of(
                [(r.request_id, r.identity, r.messages_json, r.sampling.json) for r in requests]
            ),
            EncodedRows.of(
                [
                    (request.request_id, index, now, run, *bound)
                    for request, bound in zip(requests, bounds, strict=True)
                    for index in request.sample_indexes
                ]
            ),
        )

    def select(self, places: Sequence[int]) -> ReservationWrite:
        """Return the reservation of the requests at some places."""
        if len(places) == len(self.request_ids):
            return self
        starts, samples = [], 0
        for indexes in self.sample_indexes:
            starts.append(samples)
            samples += len(indexes)
        return ReservationWrite(
            [self.request_ids[place] for place in places],
            [self.sample_indexes[place] for place in places],
            [self.bounds[place] for place in places],
            self.requests.select(places),
            self.flights.select(
                [
                    starts[place] + number
                    for place in places
                    for number in range(len(self.sample_indexes[place]))
                ]
            ),
        )


@dataclass(frozen=True, slots=True)
class AnswersWrite:
    """Store answers, settle what they cost, and end their flights.

    Attributes:
        keys: Request id and sample index of each answer.
        bill: What they cost.
        completions: Rows of the completions, if there are any.
        failures: Rows of the failures, if there are any.
    """

    keys: EncodedRows
    bill: Bill
    completions: EncodedRows | None
    failures: EncodedRows | None

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> AnswersWrite:
        """Encode one answer or more."""
        answers = [
            answer if is_storable(answer) else unstorable_failure(answer) for answer in answers
        ]
        now = time.time()
        completions = [(*_values(a), now) for a in answers if isinstance(a, Completion)]
        failures = [
            (a.request_id, a.sample_index, a.reason, a.detail, a.attempts, a.permanent, now)
            for a in answers
            if isinstance(a, Failure)
        ]
        return cls(
            EncodedRows.of([(answer.request_id, answer.sample_index) for answer in answers]),
            Bill.of(answers),
            EncodedRows.of(completions) if completions else None,
            EncodedRows.of(failures) if failures else None,
        )


@dataclass(frozen=True, slots=True)
class UnknownCostWrite:
    """Charge the full reservation for an attempt of unknown cost; keep it for the retry.

    Its result: whether the caps leave room for the retry.
    """

    request_id: str
    sample_indexes: Sequence[int]


@dataclass(frozen=True, slots=True)
class EndWrite:
    """Settle reservations without an answer: charge those on the wire, and release the others."""

    request_ids: Sequence[str]
    on_wire: Sequence[str]


Write = ReservationWrite | AnswersWrite | UnknownCostWrite | EndWrite

#: Classes of writes, by the number that stands for each between processes.
_CLASSES = (ReservationWrite, AnswersWrite, UnknownCostWrite, EndWrite)
#: Fields that are not plain JSON.
_PARTS = {
    **dict.fromkeys(("requests", "flights", "keys", "completions", "failures"), EncodedRows),
    "bill": Bill,
}


def write_to_json(write: Write) -> list[Any]:
    """Return a write as a list that JSON can hold."""
    values: list[Any] = [_CLASSES.index(type(write))]
    for field in fields(write):
        value = getattr(write, field.name)
        values.append(_plain(value) if field.name in _PARTS and value is not None else value)
    return values


def write_from_json(values: Sequence[Any]) -> Write:
    """Return the write of a list that was made with `write_to_json`."""
    kind: Any = _CLASSES[values[0]]
    parts = [
        _PARTS[field.name](*value) if field.name in _PARTS and value is not None else value
        for field, value in zip(fields(kind), values[1:], strict=True)
    ]
    write: Write = kind(*parts)
    return write


def _plain(part: Any) -> list[Any]:
    return [getattr(part, field.name) for field in fields(part)]
