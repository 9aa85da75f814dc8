"""Batches of a provider's Batch API, from the intent to the collected result.

    intent ──► uploaded ──► submitted ──► collected
       └──► dropped, where nothing was submitted

Each step is one commit. The intent is on disk before anything is uploaded, so a process that is killed at any
instant leaves either nothing, or a token under which the provider's batch is found again.
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
    """One batch. ``batch_id`` is the provider's name for it, as soon as that is known here."""

    token: str
    run: str
    state: str
    batch_id: str | None
    file_id: str | None
    created: float


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch: a request and its samples, found again by ``custom_id`` whatever the order."""

    custom_id: str
    request_id: str
    sample_indexes: tuple[int, ...]

    @classmethod
    def of(cls, request: Request, attempt: int) -> Row:
        """The number of the try is part of the id, so it outlives the process."""
        indexes = request.sample_indexes
        return cls(f"{request.request_id}-{indexes[0]}-{attempt}", request.request_id, indexes)

    @property
    def attempt(self) -> int:
        return int(self.custom_id.rpartition("-")[2])


class Batches:
    """What a journal knows of batches."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    # Writing

    def intent(self, run: str, rows: Sequence[Row]) -> str:
        """What is about to be submitted. Returns the token that the batch will bear at the provider."""
        token = secrets.token_hex(12)
        with self.journal.transaction():
            self.journal._db.execute(
                "INSERT INTO batches (token, run, state, created) VALUES (?,?,'intent',?)",
                (token, run, time.time()),
            )
            self.journal._many(
                "INSERT INTO batch_rows",
                [(token, row.custom_id, row.request_id, json.dumps(row.sample_indexes)) for row in rows],
            )
        return token

    def uploaded(self, token: str, file_id: str) -> None:
        """The file is with the provider; no batch is made of it yet."""
        self._step(token, "uploaded", "file_id", file_id)

    def submitted(self, token: str, batch_id: str) -> None:
        """The provider has the batch."""
        self._step(token, "submitted", "batch_id", batch_id)

    def collected(self, token: str) -> None:
        """All that it gave is committed, and what it did not give is failed or in another batch."""
        with self.journal.transaction():
            self.journal._db.execute("UPDATE batches SET state='collected' WHERE token=?", (token,))

    def dropped(self, token: str) -> None:
        """Forget an intent that was never submitted, or a batch that nobody will collect."""
        with self.journal.transaction():
            self.journal._db.execute("DELETE FROM batch_rows WHERE token=?", (token,))
            self.journal._db.execute("DELETE FROM batches WHERE token=?", (token,))

    def _step(self, token: str, state: str, column: str, value: str) -> None:
        with self.journal.transaction():
            done = self.journal._db.execute(
                f"UPDATE batches SET state=?, {column}=? WHERE token=?", (state, value, token)
            ).rowcount
        if not done:
            raise JournalError(
                f"{self.journal.path}: another process has dropped the batch {token} that this one was submitting;"
                " let one process at a time be at a run"
            )

    # Reading

    def open(self, run: str) -> list[Batch]:
        """Those of a run that are not collected, the oldest first."""
        return [batch for batch in self.all(run) if batch.state != "collected"]

    def all(self, run: str | None = None) -> list[Batch]:
        """Every batch, of one run or of all, the oldest first."""
        where, values = ("", ()) if run is None else (" WHERE run=?", (run,))
        found = self.journal._read(f"SELECT {_COLUMNS} FROM batches{where} ORDER BY created, token", values)
        return [Batch(*row) for row in found]

    def rows(self, token: str) -> list[Row]:
        """What a batch holds."""
        found = self.journal._read(
            "SELECT custom_id, request_id, sample_indexes FROM batch_rows WHERE token=?", (token,)
        )
        return [Row(custom, request, tuple(json.loads(indexes))) for custom, request, indexes in found]

    def requests(self, rows: Sequence[Row]) -> list[Request]:
        """The requests of rows, as they were recorded when they departed. ``input_id`` is not known any more."""
        found = {
            request_id: rest
            for request_id, *rest in self.journal._select(
                "SELECT request_id, identity, messages, sampling FROM requests",
                list({row.request_id for row in rows}),
            )
        }
        samplings: dict[str, Sampling] = {}
        return [self._request(row, found, samplings) for row in rows]

    def _request(self, row: Row, found: dict[str, list[Any]], samplings: dict[str, Sampling]) -> Request:
        if row.request_id not in found:
            raise JournalError(
                f"{self.journal.path}: a batch holds the request {row.request_id}, which is not in this journal;"
                " restore the journal that submitted it"
            )
        identity, messages, sampling = found[row.request_id]
        if sampling not in samplings:
            samplings[sampling] = _sampling(sampling)
        request = Request(
            identity, tuple(json.loads(messages)), samplings[sampling], row.sample_indexes, input_id=""
        )
        # Recorded under this id; the hash is not made again.
        request.__dict__["request_id"] = row.request_id
        return request


def _sampling(text: str) -> Sampling:
    values = json.loads(text)
    return Sampling(**{**values, "stop": tuple(values["stop"])})
