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
from synthkd.journal.open import journal_error
from synthkd.requests import Completion, Failure

COLUMNS = tuple(field.name for field in fields(Completion) if field.name != "counts_prompt")
#: The columns of recorded failures.
FAILURE_COLUMNS = [
    "request_id",
    "sample_index",
    "reason",
    "detail",
    "attempts",
    "permanent",
    "created",
]
#: Variables in one SELECT; SQLite allows more, but short statements are cached.
_CHUNK = 500


class SampleRecord(NamedTuple):
    """The fields of a completion that filtering reads."""

    text: str
    finish_reason: str
    completion_tokens: int | None
    logprob: float | None
    price: float | None
    model: str | None
    reasoning_tokens: int | None = None
    #: Whether the server returned thoughts apart from the text.
    thought: bool = False


@dataclass(frozen=True)
class JournalCounts:
    """Counts of a journal: completions, final failures, samples in flight, requests.

    And the price of all completions.
    """

    completions: int
    failures: int
    in_flight: int
    requests: int
    price: float | None


class JournalReader:
    """Queries over a connection that only reads, which `Journal` opens."""

    path: Path
    _reader: sqlite3.Connection
    _reading: threading.Lock

    def completions(self, request_ids: Sequence[str]) -> dict[str, dict[int, Completion]]:
        """Return the stored completions by request id and sample index."""
        by_request: dict[str, dict[int, Completion]] = {}
        for row in self._select(f"SELECT {','.join(COLUMNS)} FROM completions", request_ids):
            completion = Completion(**dict(zip(COLUMNS, row, strict=True)))
            by_request.setdefault(completion.request_id, {})[completion.sample_index] = completion
        return by_request

    def samples(self, request_ids: Sequence[str]) -> dict[str, dict[int, SampleRecord]]:
        """Return what filtering reads of stored completions, by request id and sample index.

        Faster than `completions` for many rows.
        """
        by_request: dict[str, dict[int, SampleRecord]] = {}
        columns = (
            "text, finish_reason, completion_tokens, logprob, price, model,"
            " reasoning_tokens,"
            " reasoning IS NOT NULL"
        )
        query = f"SELECT request_id, sample_index, {columns} FROM completions"
        for request, index, *fields_ in self._select(query, request_ids):
            by_request.setdefault(request, {})[index] = SampleRecord(*fields_)
        return by_request

    def cached_indexes(self, request_ids: Sequence[str]) -> dict[str, set[int]]:
        """Return the sample indexes of stored completions by request id."""
        by_request: dict[str, set[int]] = {}
        for request, index in self._select(
            "SELECT request_id, sample_index FROM completions", request_ids
        ):
            by_request.setdefault(request, set()).add(index)
        return by_request

    def failures(self, request_ids: Sequence[str]) -> dict[str, dict[int, Failure]]:
        """Return the recorded failures by request id and sample index."""
        by_request: dict[str, dict[int, Failure]] = {}
        query = "SELECT request_id, sample_index, reason, detail, attempts, permanent FROM failures"
        for request, index, reason, detail, attempts, permanent in self._select(query, request_ids):
            failure = Failure(request, index, reason, detail, attempts, bool(permanent))
            by_request.setdefault(request, {})[index] = failure
        return by_request

    def request(self, request_id: str) -> dict[str, Any] | None:
        """Return identity, messages and sampling of a request; None if it was never sent."""
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
        """Count over the whole journal."""
        ((completions, price),) = self._read("SELECT count(*), sum(price) FROM completions")
        ((failures,),) = self._read("SELECT count(*) FROM failures")
        ((in_flight,),) = self._read("SELECT count(*) FROM flights")
        ((requests,),) = self._read("SELECT count(*) FROM requests")
        return JournalCounts(completions, failures, in_flight, requests, price)

    def rows(self, table: str = "completions") -> Iterator[dict[str, Any]]:
        """Yield every row of a table in the order of keys.

        Tables are ``completions``, ``failures``, ``flights`` and ``requests``.
        """
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
            raise journal_error(error, self.path) from None

    def last_number(self) -> int:
        """Return the number of the completion that was committed last; 0 if there is none.

        Numbers grow with each commit.
        """
        ((number,),) = self._read("SELECT max(rowid) FROM completions")
        return number or 0

    def rows_after(self, number: int, names: Sequence[str], most: int) -> list[tuple[Any, ...]]:
        """Return completions, with what was sent, that were committed after another.

        Args:
            number: Number of the other completion.
            names: Columns of completions and requests.
            most: Completions at most.

        Returns:
            Number and columns of each, in the order of numbers.
        """
        columns = ",".join(
            f"{'r' if name in ('identity', 'messages', 'sampling') else 'c'}.{name}"
            for name in names
        )
        return self._read(
            f"SELECT c.rowid,{columns} FROM completions c JOIN requests r USING (request_id)"
            " WHERE c.rowid > ? ORDER BY c.rowid LIMIT ?",
            (number, most),
        )

    def failures_since(self, since: float) -> list[tuple[Any, ...]]:
        """Return the columns of failures that were recorded after a time."""
        return self._read(
            f"SELECT {','.join(FAILURE_COLUMNS)} FROM failures WHERE created > ?", (since,)
        )

    def spending(self, run: str) -> Spending:
        """Sum up what a run has paid over all its resumptions, and what it has in flight."""
        try:
            with self._reading:
                return ledger.read_spending(self._reader, run)
        except sqlite3.Error as error:
            raise journal_error(error, self.path) from None

    def runs(self) -> list[str]:
        """Return the names of the runs that have spent or reserved something."""
        rows = self._read("SELECT run FROM spending UNION SELECT run FROM flights ORDER BY 1")
        return [run for (run,) in rows]

    def _select(self, query: str, request_ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(request_ids), _CHUNK):
            part = request_ids[start : start + _CHUNK]
            yield from self._read(
                f"{query} WHERE request_id IN ({','.join('?' * len(part))})", tuple(part)
            )

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._reading:
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise journal_error(error, self.path) from None
