"""Batches of a provider's Batch API, from the intent to the collected result.

    intent ──► uploaded ──► submitted ──► collected
       └──► dropped, if nothing was submitted

Each step is one commit. The intent is on disk before anything is uploaded, so a process that is
killed at any instant leaves either nothing, or a token by which the provider's batch is found
again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synthkd.errors import JournalError
from synthkd.journal.store import Journal
from synthkd.requests import Request, Sampling

_COLUMNS = "token, run, state, batch_id, file_id, created"


@dataclass(frozen=True)
class Batch:
    """One batch. ``batch_id`` is the provider's name for it, once that is known."""

    token: str
    run: str
    state: str
    batch_id: str | None
    file_id: str | None
    created: float


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row of a batch: a request and its samples.

    Results come in any order, with the ``custom_id`` of their row.
    """

    custom_id: str
    request_id: str
    sample_indexes: tuple[int, ...]

    @classmethod
    def of(cls, request: Request, attempt: int) -> BatchRow:
        """Make the row of a request.

        The id contains the number of the attempt, so that it outlives the process.
        """
        indexes = request.sample_indexes
        return cls(f"{request.request_id}-{indexes[0]}-{attempt}", request.request_id, indexes)

    @property
    def attempt(self) -> int:
        """Number of the attempt."""
        return int(self.custom_id.rpartition("-")[2])


class BatchStore:
    """The batches of a journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    # Writing

    def record_intent(self, run: str, rows: Sequence[BatchRow]) -> str:
        """Record rows that are about to be submitted.

        Return the token by which the provider will know the batch.
        """
        token = secrets.token_hex(12)
        with self.journal.transaction():
            self.journal._db.execute(
                "INSERT INTO batches (token, run, state, created) VALUES (?,?,'intent',?)",
                (token, run, time.time()),
            )
            self.journal._execute_many(
                "INSERT INTO batch_rows",
                [
                    (token, row.custom_id, row.request_id, json.dumps(row.sample_indexes))
                    for row in rows
                ],
            )
        return token

    def record_upload(self, token: str, file_id: str) -> None:
        """Record that the provider has the file; there is no batch of it yet."""
        self._step(token, "uploaded", "file_id", file_id)

    def record_submission(self, token: str, batch_id: str) -> None:
        """Record that the provider has the batch."""
        self._step(token, "submitted", "batch_id", batch_id)

    def record_collection(self, token: str) -> None:
        """Record that all results are committed, or have failed, or are in another batch."""
        with self.journal.transaction():
            self.journal._db.execute("UPDATE batches SET state='collected' WHERE token=?", (token,))

    def drop(self, token: str) -> None:
        """Delete an intent that was never submitted, or a batch that nobody will collect."""
        with self.journal.transaction():
            self.journal._db.execute("DELETE FROM batch_rows WHERE token=?", (token,))
            self.journal._db.execute("DELETE FROM batches WHERE token=?", (token,))

    def _step(self, token: str, state: str, column: str, value: str) -> None:
        with self.journal.transaction():
            changed = self.journal._db.execute(
                f"UPDATE batches SET state=?, {column}=? WHERE token=?", (state, value, token)
            ).rowcount
        if not changed:
            raise JournalError(
                f"{self.journal.path}: another process has dropped the batch {token} that this one"
                " was submitting;"
                " let one process at a time be at a run"
            )

    # Reading

    def uncollected(self, run: str) -> list[Batch]:
        """Return the batches of a run that are not collected, the oldest first."""
        return [batch for batch in self.batches(run) if batch.state != "collected"]

    def batches(self, run: str | None = None) -> list[Batch]:
        """Return the batches of one run or of all, the oldest first."""
        where, values = ("", ()) if run is None else (" WHERE run=?", (run,))
        rows = self.journal._read(
            f"SELECT {_COLUMNS} FROM batches{where} ORDER BY created, token", values
        )
        return [Batch(*row) for row in rows]

    def known_ids(self) -> set[str]:
        """Return the provider's ids of all batches of the journal."""
        return {batch.batch_id for batch in self.batches() if batch.batch_id}

    def rows(self, token: str) -> list[BatchRow]:
        """Return the rows of a batch."""
        rows = self.journal._read(
            "SELECT custom_id, request_id, sample_indexes FROM batch_rows WHERE token=?", (token,)
        )
        return [
            BatchRow(custom, request, tuple(json.loads(indexes)))
            for custom, request, indexes in rows
        ]

    def requests(self, rows: Sequence[BatchRow]) -> list[Request]:
        """Return the requests of rows as they were recorded.

        Their ``input_id`` is empty: it is not stored.
        """
        recorded = {
            request_id: rest
            for request_id, *rest in self.journal._select(
                "SELECT request_id, identity, messages, sampling FROM requests",
                list({row.request_id for row in rows}),
            )
        }
        samplings: dict[str, Sampling] = {}
        return [self._request(row, recorded, samplings) for row in rows]

    def _request(
        self, row: BatchRow, recorded: dict[str, list[Any]], samplings: dict[str, Sampling]
    ) -> Request:
        if row.request_id not in recorded:
            raise JournalError(
                f"{self.journal.path}: a batch holds the request {row.request_id}, which is not in"
                " this journal;"
                " restore the journal that submitted it"
            )
        identity, messages, sampling = recorded[row.request_id]
        if sampling not in samplings:
            samplings[sampling] = _parse_sampling(sampling)
        request = Request(
            identity,
            tuple(json.loads(messages)),
            samplings[sampling],
            row.sample_indexes,
            input_id="",
        )
        # The recorded id; computing the hash again would take long.
        request.__dict__["request_id"] = row.request_id
        return request


def _parse_sampling(text: str) -> Sampling:
    values = json.loads(text)
    return Sampling(**{**values, "stop": tuple(values["stop"])})
