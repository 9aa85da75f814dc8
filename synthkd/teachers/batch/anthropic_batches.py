"""Anthropic's Message Batches.

Source: the provider's reference of `/v1/messages/batches`. A batch carries no name of ours: one
whose creation nobody has confirmed is known by its time and its number of rows, and by not being
another batch of the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import IO, Any

from synthkd.journal.batches import Batch, BatchRow
from synthkd.requests import Request
from synthkd.teachers.batch.http_batches import HttpBatches, answered_row, encoded, error_row
from synthkd.teachers.batch.provider import MAX_LISTED, NotFoundError
from synthkd.teachers.batch.results import result_lines
from synthkd.teachers.batch.status import ProviderBatch, checked_count, checked_id
from synthkd.teachers.dispatch import TransientError

_PATH = "/messages/batches"
#: Seconds by which the provider's clock may be behind ours.
_BEHIND = 300.0
#: Statuses of the errors of a row, by type.
_STATUSES = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402,
    "permission_error": 403, "not_found_error": 404, "request_too_large": 413,
    "rate_limit_error": 429, "api_error": 500, "timeout_error": 504, "overloaded_error": 529,
}  # fmt: skip


class AnthropicBatches(HttpBatches):
    """The Message Batches of one workspace."""

    def encode_row(self, custom_id: str, request: Request) -> tuple[str, bytes]:
        _, body = self.wire_format.body(request, self.support)
        return "", encoded({"custom_id": custom_id, "params": body})

    async def create(self, url: str, rows: IO[bytes], size: int, batch: Batch) -> str:
        made = await self.post_rows(_PATH, b'{"requests":[', rows, size, b"]}")
        return _batch(made).id

    async def find(
        self, batch: Batch, rows: Sequence[BatchRow], known: Collection[str]
    ) -> str | None:
        """Return the oldest batch since ours was made that has as many rows and is not known."""
        found = None
        after, count = "", 0
        while True:
            page = await self.get(f"{_PATH}?limit=100{after}", "the list of batches")
            listed = page.get("data") if type(page) is dict else None
            for one in listed if type(listed) is list else ():
                count += 1
                state = _batch(one)
                if _time(one.get("created_at")) < batch.created - _BEHIND:
                    return found
                if state.total == len(rows) and state.id not in known:
                    found = state.id
            if not listed or page.get("has_more") is not True or count >= MAX_LISTED:
                return found
            after = f"&after_id={checked_id(page.get('last_id'))}"

    async def look_up(self, batch: Batch) -> ProviderBatch | None:
        try:
            what = f"the state of batch {batch.batch_id}"
            return _batch(await self.get(f"{_PATH}/{batch.batch_id}", what))
        except NotFoundError:
            return None

    async def download(self, file_id: str, max_bytes: int) -> IO[bytes]:
        return await self.fetch(f"{_PATH}/{file_id}/results", f"the result {file_id}", max_bytes)

    async def cancel(self, batch: Batch) -> ProviderBatch:
        what = f"the end of batch {batch.batch_id}"
        return _batch(await self.post(f"{_PATH}/{batch.batch_id}/cancel", what))

    def read_rows(self, file: IO[bytes], max_bytes: int) -> Iterator[dict[str, Any]]:
        for line in result_lines(file, max_bytes):
            custom_id, result = line.get("custom_id"), line.get("result")
            if type(custom_id) is str and type(result) is dict:
                yield _row(custom_id, result)


def _row(custom_id: str, result: dict[str, Any]) -> dict[str, Any]:
    kind = result.get("type")
    if kind == "succeeded":
        return answered_row(custom_id, result.get("message"))
    if kind == "errored":
        error = result.get("error")
        # The error of a row is an error's whole body.
        inner = error.get("error", error) if type(error) is dict else None
        inner = inner if type(inner) is dict else {"message": str(error)}
        return error_row(custom_id, _STATUSES.get(str(inner.get("type")), 500), inner)
    word = {"canceled": "cancelled", "expired": "expired"}.get(str(kind), "row_unknown")
    message = f"the batch {word} before this row"
    return {"custom_id": custom_id, "error": {"code": f"batch_{word}", "message": message}}


def _batch(body: Any) -> ProviderBatch:
    """Return a batch as the provider describes it.

    Raises:
        TransientError: Its id or status is not valid.
    """
    try:
        counts = body.get("request_counts")
        counts = counts if type(counts) is dict else {}
        number = {name: checked_count(value) for name, value in counts.items()}
        done, expired = number.get("succeeded", 0), number.get("expired", 0)
        status = checked_id(body.get("processing_status"))
        name = checked_id(body.get("id"))
    except (ValueError, AttributeError):
        raise TransientError("bad_response", "a batch of an unknown form") from None
    files: tuple[str, ...] = ()
    if status == "ended":
        files = (name,)
        status = "expired" if expired else "completed"
        if body.get("cancel_initiated_at"):
            status = "cancelled"
    elif status == "canceling":
        status = "cancelling"
    failed = number.get("errored", 0) + number.get("canceled", 0) + expired
    return ProviderBatch(name, status, files, (), done, failed, sum(number.values()))


def _time(value: Any) -> float:
    """Return a time of RFC 3339 in seconds; that of the future if it is none."""
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return float("inf")
