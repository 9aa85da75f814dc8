"""Read a journal: completions, failures, requests, counts and spending."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from synthkd.errors import InputError, nearest
from synthkd.journal import ledger
from synthkd.journal.ledger import Spending
from synthkd.journal.open import explained
from synthkd.requests import Completion, Failure

COLUMNS = tuple(field.name for field in fields(Completion) if field.name != "bears_prompt")
#: Variables in one SELECT; SQLite allows more, but short statements are cached.
_CHUNK = 500


class Sample(NamedTuple):
    """The part of a completion that is judged."""

    text: str
    finish_reason: str
    completion_tokens: int | None
    logprob: float | None
    price: float | None
    model: str | None
    reasoning_tokens: int | None = None
    #: Whether the server gave thoughts apart from the text.
    thought: bool = False


@dataclass(frozen=True)
class JournalCounts:
    """How many samples are in hand, failed for good, and were in flight when a process ended."""

    completions: int
    failures: int
    in_flight: int
    requests: int
    price: float | None


class JournalReader:
    """Queries over a connection that only reads. `Journal` opens it."""

    path: Path
    _reader: sqlite3.Connection
    _reading: threading.Lock

    def completions(self, request_ids: Sequence[str]) -> dict[str, dict[int, Completion]]:
        """request id -> sample index -> completion, for those in hand."""
        found: dict[str, dict[int, Completion]] = {}
        for row in self._select(f"SELECT {','.join(COLUMNS)} FROM completions", request_ids):
            completion = Completion(**dict(zip(COLUMNS, row, strict=True)))
            found.setdefault(completion.request_id, {})[completion.sample_index] = completion
        return found

    def samples(self, request_ids: Sequence[str]) -> dict[str, dict[int, Sample]]:
        """request id -> sample index -> what a judge reads of a completion: for many rows, faster than
        `completions`."""
        found: dict[str, dict[int, Sample]] = {}
        columns = "text, finish_reason, completion_tokens, logprob, price, model, reasoning_tokens, reasoning IS NOT NULL"
        query = f"SELECT request_id, sample_index, {columns} FROM completions"
        for request, index, *said in self._select(query, request_ids):
            found.setdefault(request, {})[index] = Sample(*said)
        return found

    def held(self, request_ids: Sequence[str]) -> dict[str, set[int]]:
        """request id -> sample indexes in hand."""
        found: dict[str, set[int]] = {}
        for request, index in self._select("SELECT request_id, sample_index FROM completions", request_ids):
            found.setdefault(request, set()).add(index)
        return found

    def failures(self, request_ids: Sequence[str]) -> dict[str, dict[int, Failure]]:
        """request id -> sample index -> why it did not come."""
        found: dict[str, dict[int, Failure]] = {}
        query = "SELECT request_id, sample_index, reason, detail, attempts, permanent FROM failures"
        for request, index, reason, detail, attempts, permanent in self._select(query, request_ids):
            failure = Failure(request, index, reason, detail, attempts, bool(permanent))
            found.setdefault(request, {})[index] = failure
        return found

    def request(self, request_id: str) -> dict[str, Any] | None:
        """Return what was sent under a request id: identity, messages, sampling."""
        row = self._read(
            "SELECT identity, messages, sampling FROM requests WHERE request_id=?", (request_id,)
        )
        for identity, messages, sampling in row:
            return {
                "identity": identity,
                "messages": json.loads(messages),
                "sampling": json.loads(sampling),
            }
        return None

    def counts(self) -> JournalCounts:
        """Totals over the whole journal."""
        ((completions, price),) = self._read("SELECT count(*), sum(price) FROM completions")
        ((failures,),) = self._read("SELECT count(*) FROM failures")
        ((flights,),) = self._read("SELECT count(*) FROM flights")
        ((requests,),) = self._read("SELECT count(*) FROM requests")
        return JournalCounts(completions, failures, flights, requests, price)

    def rows(self, table: str = "completions") -> Iterator[dict[str, Any]]:
        """Every row of ``completions``, ``failures``, ``flights`` or ``requests``, in the order of keys."""
        tables = ["completions", "failures", "flights", "requests"]
        if table not in tables:
            raise InputError(f"no table {table!r} in a journal{nearest(table, tables)}")
        order = "request_id" if table == "requests" else "request_id, sample_index"
        try:
            cursor = self._reader.execute(f"SELECT * FROM {table} ORDER BY {order}")
            names = [column[0] for column in cursor.description]
            for row in cursor:
                yield dict(zip(names, row, strict=True))
        except sqlite3.Error as error:
            raise explained(error, self.path) from None

    def spending(self, run: str) -> Spending:
        """Sum up what a run has paid, over all its resumptions, and what it has in flight."""
        try:
            with self._reading:
                return ledger.spending(self._reader, run)
        except sqlite3.Error as error:
            raise explained(error, self.path) from None

    def runs(self) -> list[str]:
        """Names of the runs that have spent or reserved something."""
        found = self._read("SELECT run FROM spending UNION SELECT run FROM flights ORDER BY 1")
        return [run for (run,) in found]

    def _select(self, query: str, request_ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(request_ids), _CHUNK):
            part = request_ids[start : start + _CHUNK]
            yield from self._read(f"{query} WHERE request_id IN ({','.join('?' * len(part))})", tuple(part))

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._reading:
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise explained(error, self.path) from None
